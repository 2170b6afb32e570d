/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

_printf_(3, 0) static size_t put(struct error *err, int num, const char *fmt, va_list args)
{
	int n;

	assert(err != NULL);
	assert(num > 0);

	err->num = num;
	n = vsnprintf(err->text, sizeof(err->text), fmt, args);
	if (n < 0) {
		err->text[0] = '\0';
		return 0;
	}
	return (size_t)n < sizeof(err->text) ? (size_t)n : sizeof(err->text) - 1;
}

/* As much of it as there is room for. */
static void append(struct error *err, size_t used, const char *text)
{
	size_t room = sizeof(err->text) - 1 - used;
	size_t len = strnlen(text, room);

	(void)memcpy(err->text + used, text, len);
	err->text[used + len] = '\0';
}

int error_set_(struct error *err, int num, const char *fmt, ...)
{
	va_list args;
	size_t used;

	va_start(args, fmt);
	used = put(err, num, fmt, args);
	va_end(args);

	append(err, used, ": ");
	append(err, strlen(err->text), strerror(num));
	return -num;
}

int error_plain_(struct error *err, int num, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)put(err, num, fmt, args);
	va_end(args);
	return -num;
}

int error_prefix_(struct error *err, const char *fmt, ...)
{
	struct error inner = *err;
	va_list args;
	size_t used;

	va_start(args, fmt);
	used = put(err, inner.num, fmt, args);
	va_end(args);

	append(err, used, ": ");
	append(err, strlen(err->text), inner.text);
	return -err->num;
}
