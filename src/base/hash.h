/* SPDX-License-Identifier: MIT */
/* SHA-256 (FIPS 180-4), through libsodium. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>

enum { HASH_HEX_SIZE = 65 };

/* Lower-case hex with a NUL. */
void hash_sha256_hex(const void *data, size_t len, char ret_hex[HASH_HEX_SIZE]);
/* SHA-1: only for names that Clawdbot made before 2026-02-16; never for security. */

#endif
