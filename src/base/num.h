/* SPDX-License-Identifier: MIT */
/* Numbers from text: the whole string or nothing, no leading blanks, no locale. */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include <stdint.h>

/* Decimal digits only. 0, or -EINVAL (not a number), -ERANGE (outside min..max). */
int num_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret);
int num_parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret); /* one leading '-' */
int num_parse_u32(const char *text, uint32_t min, uint32_t max, uint32_t *ret);

/* Docker's size texts: digits (a fraction is allowed) and one of b k m g t p, upper or lower, with
 * an optional trailing b or ib ("512m", "1.5g", "64KiB"); powers of 1024. -1 is accepted as -1. */
int num_parse_size(const char *text, int64_t *ret_bytes);

/* The decimal number that text begins with; 0 when there is none or it does not fit. For the kernel's
 * own files. */
uint64_t num_leading_u64(const char *text);

#endif
