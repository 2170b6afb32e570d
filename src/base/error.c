/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

_printf_(3, 0) static void put(struct error *err, int num, const char *fmt, va_list args)
{
	assert(err != NULL);
	assert(num > 0);

	err->num = num;
	if (vsnprintf(err->text, sizeof(err->text), fmt, args) < 0) {
		err->text[0] = '\0';
	}
}

/* As much of it as there is room for. */
static void append(struct error *err, const char *text)
{
	size_t used = strlen(err->text);
	size_t room = sizeof(err->text) - 1 - used;
	size_t len = strnlen(text, room);

	(void)memcpy(err->text + used, text, len);
	err->text[used + len] = '\0';
}

int error_set_(struct error *err, int num, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	put(err, num, fmt, args);
	va_end(args);

	append(err, ": ");
	append(err, strerror(num));
	return -num;
}

int error_plain_(struct error *err, int num, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	put(err, num, fmt, args);
	va_end(args);
	return -num;
}

int error_prefix_(struct error *err, const char *fmt, ...)
{
	struct error inner = *err;
	va_list args;

	va_start(args, fmt);
	put(err, inner.num, fmt, args);
	va_end(args);

	append(err, ": ");
	append(err, inner.text);
	return -err->num;
}
