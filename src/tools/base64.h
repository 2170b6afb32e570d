/* SPDX-License-Identifier: MIT */
/* Base64 (RFC 4648 section 4). */
#ifndef TOOLS_BASE64_H
#define TOOLS_BASE64_H

#include "base/buf.h"

/* Appended. -EINVAL: it is none, or not padded; then out has a part of it. */
int base64_decode(struct buf *out, const char *text, size_t len);
void base64_add(struct buf *out, const void *data, size_t len);

#endif
