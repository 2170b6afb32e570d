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
 * Returns -num, so that a failing function can end in return error_set(...).
 */
int error_set(struct error *err, int num, const char *fmt, ...) _printf_(3, 4);
int error_plain(struct error *err, int num, const char *fmt, ...) _printf_(3, 4);

/* Put context before the text that is already there. Returns -err->num. */
int error_prefix(struct error *err, const char *fmt, ...) _printf_(2, 3);

#endif
