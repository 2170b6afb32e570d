/* SPDX-License-Identifier: MIT */
/* Allocation that aborts instead of failing. */
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn static void out_of_memory(void)
{
	/* No formatting: stdio may want memory of its own. */
	(void)fputs("creel: out of memory\n", stderr);
	abort();
}

void *xmalloc(size_t size)
{
	void *p = malloc(size > 0 ? size : 1);

	if (p == NULL) {
		out_of_memory();
	}
	return p;
}

void *xcalloc(size_t count, size_t size)
{
	void *p;

	if (count == 0 || size == 0) {
		count = 1;
		size = 1;
	}
	p = calloc(count, size);
	if (p == NULL) {
		out_of_memory();
	}
	return p;
}

void *xreallocarray(void *old, size_t count, size_t size)
{
	size_t total;
	void *p;

	if (__builtin_mul_overflow(count, size, &total)) {
		out_of_memory();
	}
	/* realloc(p, 0) frees in one libc and not in the other. */
	p = realloc(old, total > 0 ? total : 1);
	if (p == NULL) {
		out_of_memory();
	}
	return p;
}

char *xstrdup(const char *text)
{
	return xstrndup(text, strlen(text));
}

char *xstrndup(const char *text, size_t len)
{
	size_t used = strnlen(text, len);
	char *copy = xmalloc(used + 1);

	memcpy(copy, text, used);
	copy[used] = '\0';
	return copy;
}

char *xasprintf(const char *fmt, ...)
{
	char *text = NULL;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	if (n < 0) {
		out_of_memory();
	}
	return text;
}
