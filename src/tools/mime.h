/* SPDX-License-Identifier: MIT */
/* Media types of files, by their names. */
#ifndef TOOLS_MIME_H
#define TOOLS_MIME_H

#include <stdbool.h>

/* Static text; NULL: a name says nothing. */
const char *mime_by_name(const char *path);

/* The same when the bytes are known to be text or not. What has no known ending is text/plain or application/octet-stream; a text ending does
 * not make text of bytes that are none. */
const char *mime_of_path(const char *path, bool is_text);

#endif
