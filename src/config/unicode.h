/* SPDX-License-Identifier: MIT */
/* Unicode classes that JSON5 names and a terminal need. */
#ifndef CONFIG_UNICODE_H
#define CONFIG_UNICODE_H

#include <stdbool.h>
#include <stdint.h>

bool unicode_is_letter(uint32_t c); /* Lu Ll Lt Lm Lo Nl */
bool unicode_is_part(
	uint32_t c); /* Mn Mc Nd Pc, ZWNJ, ZWJ: with letters, what a name goes on with */
bool unicode_is_space(uint32_t c); /* beyond ASCII: Zs, BOM, the two separators */
int unicode_width(uint32_t c); /* terminal columns: 0, 1 or 2 */

#endif
