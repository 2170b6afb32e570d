/* SPDX-License-Identifier: MIT */
/* Allocation that cannot fail: running out of memory ends the process with a message. What makes
 * that safe is that every size a peer chooses is checked against base/limits.h first. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

#include "base/macro.h"

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xreallocarray(void *old, size_t count, size_t size);
char *xstrdup(const char *text);
char *xstrndup(const char *text, size_t len);
char *xasprintf(const char *fmt, ...) _printf_(1, 2);

#endif
