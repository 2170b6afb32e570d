/* SPDX-License-Identifier: MIT */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>

/* len letters and digits that nobody can guess, and a NUL: ret has room for len + 1. Some come a little
 * more often than others; eight of them are worth a little less than 48 bits. */
void random_letters(char *ret, size_t len);

#endif
