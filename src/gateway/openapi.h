/* SPDX-License-Identifier: MIT */
/* The description of the HTTP API, made of the same rows that serve it. */
#ifndef GATEWAY_OPENAPI_H
#define GATEWAY_OPENAPI_H

#include <jansson.h>

/* OpenAPI 3.1; owned by the caller. */
json_t *openapi_document(void);

#endif
