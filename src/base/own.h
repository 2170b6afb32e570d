/* SPDX-License-Identifier: MIT */
#ifndef BASE_OWN_H
#define BASE_OWN_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/macro.h"

/*
 * Scope-bound ownership.
 *
 * A variable declared with one of the _cleanup_*_ attributes owns what it holds
 * until it goes out of scope. It must be initialised where it is declared. TAKE()
 * moves the value out and leaves the variable empty.
 */
#define FD_NONE (-EBADF)

static inline void cleanup_freep(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_closep(const int *fd)
{
	if (*fd >= 0) {
		int saved = errno;

		(void)close(*fd);
		errno = saved;
	}
}

#define _cleanup_free_ _cleanup_(cleanup_freep)
#define _cleanup_close_ _cleanup_(cleanup_closep)

#define TAKE(var, empty)                          \
	__extension__({                           \
		__typeof__(var) *taken_ = &(var); \
		__typeof__(var) value_ = *taken_; \
		*taken_ = (empty);                \
		value_;                           \
	})
#define TAKE_PTR(ptr) TAKE(ptr, NULL)
#define TAKE_FD(fd) TAKE(fd, FD_NONE)

#endif
