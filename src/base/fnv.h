/* SPDX-License-Identifier: MIT */
/* FNV-1a, 64 bits: to see that two texts are the same without showing them. Whoever wants two to agree can make them. */
#ifndef BASE_FNV_H
#define BASE_FNV_H

#include <stdint.h>

static inline uint64_t fnv_hash(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325U;

	for (; *text != '\0'; text++) {
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3U;
	}
	return hash;
}

#endif
