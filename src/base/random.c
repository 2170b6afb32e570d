/* SPDX-License-Identifier: MIT */
#include "base/random.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void random_letters(char *ret, size_t len)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

	for (size_t i = 0; i < len; i++) {
		uint32_t number;

		if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number)) {
			abort(); /* never for so few, getrandom(2); a guessable one must not be used */
		}
		ret[i] = letters[number % (sizeof(letters) - 1)];
	}
	ret[len] = '\0';
}
