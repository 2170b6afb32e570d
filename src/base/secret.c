/* SPDX-License-Identifier: MIT */
#include "base/secret.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

bool secret_equal(const void *a, const void *b, size_t len)
{
	const uint8_t *x = a, *y = b;
	/* volatile: so that no compiler finds out that one difference is enough. */
	volatile uint8_t differ = 0;

	for (size_t i = 0; i < len; i++) {
		differ = (uint8_t)(differ | (x[i] ^ y[i]));
	}
	return differ == 0;
}

bool secret_text_equal(const char *a, const char *b)
{
	size_t len = a != NULL ? strlen(a) : 0;

	return a != NULL && b != NULL && strlen(b) == len && secret_equal(a, b, len);
}

void secret_wipe(const char *text)
{
	if (text != NULL) {
		explicit_bzero((char *)(uintptr_t)text, strlen(text));
	}
}

char *secret_free(char *text)
{
	secret_wipe(text);
	free(text);
	return NULL;
}

void secret_buf_finish(struct buf *b)
{
	if (b->data != NULL) {
		explicit_bzero(b->data, b->cap);
	}
	buf_finish(b);
}
