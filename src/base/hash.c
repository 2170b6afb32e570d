/* SPDX-License-Identifier: MIT */
/* SHA-256 through libsodium. */
#include "base/hash.h"

#include <sodium.h>

_Static_assert(HASH_HEX_SIZE == crypto_hash_sha256_BYTES * 2 + 1, "hex digits and a NUL");

void hash_sha256_hex(const void *data, size_t len, char ret_hex[HASH_HEX_SIZE])
{
	unsigned char digest[crypto_hash_sha256_BYTES];

	/* Needs no sodium_init(): no randomness, no choice of implementation. */
	(void)crypto_hash_sha256(digest, data, len);
	(void)sodium_bin2hex(ret_hex, HASH_HEX_SIZE, digest, sizeof(digest));
}
