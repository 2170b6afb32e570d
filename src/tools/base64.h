/* SPDX-License-Identifier: MIT */
/* Base64 (RFC 4648 section 4). */
#ifndef TOOLS_BASE64_H
#define TOOLS_BASE64_H

#include "base/buf.h"

void base64_add(struct buf *out, const void *data, size_t len);

#endif
