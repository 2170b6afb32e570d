/* SPDX-License-Identifier: MIT */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "base/macro.h"

/*
 * Why an operation failed.
 *
 * The caller owns the struct, almost always on its stack, so reporting a failure
 * never allocates and never needs to be released. A function that can fail takes
 * a struct error * as its last parameter, returns a negative errno, and fills the
 * struct exactly once. On success the struct is left alone.
 *
 * The layout is flat and smaller than PIPE_BUF: a child that has not executed yet
 * can hand its error to the parent in one write(2).
 */
struct error {
	int num;
	char text[1020];
};

_Static_assert(sizeof(struct error) <= 4096, "struct error must fit PIPE_BUF");

/*
 * Record a failure. num is a positive errno; it is appended to the text as
 * strerror() would say it unless the text already says it all (error_plain).
 *
 *	int error_set(struct error *err, int num, const char *fmt, ...);
 *	int error_plain(struct error *err, int num, const char *fmt, ...);
 *
 * Returns -num, so that a failing function can end in return error_set(...).
 */
#define error_set(err, ...) error_negative_(error_set_(err, __VA_ARGS__))
#define error_plain(err, ...) error_negative_(error_plain_(err, __VA_ARGS__))

/* Put context before the text that is already there. Returns -err->num.
 *
 *	int error_prefix(struct error *err, const char *fmt, ...);
 */
#define error_prefix(err, ...) error_negative_(error_prefix_(err, __VA_ARGS__))

int error_set_(struct error *err, int num, const char *fmt, ...) _printf_(3, 4);
int error_plain_(struct error *err, int num, const char *fmt, ...) _printf_(3, 4);
int error_prefix_(struct error *err, const char *fmt, ...) _printf_(2, 3);

/* The functions see to it; this tells the compiler and the static analyzers, which otherwise follow
 * a failed call into the branch where it succeeded, and find its outputs unset there. */
static inline int error_negative_(int r)
{
	if (r >= 0) {
		__builtin_unreachable();
	}
	return r;
}

#endif
