/* SPDX-License-Identifier: MIT */
/*
 * Tokens, passwords, keys: compared without telling by the time it takes where they differ, and gone
 * from memory when they are not needed any more.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Every byte is looked at whatever the first ones were. */
bool secret_equal(const void *a, const void *b, size_t len);
/* The same for texts. How long they are is no secret. NULL equals nothing. */
bool secret_text_equal(const char *a, const char *b);

/* Overwrite the text where it stands; NULL is taken. For what another one frees. */
void secret_wipe(const char *text);
/* Overwrite and free. Returns NULL. */
char *secret_free(char *text);
/* As buf_finish(), overwriting all that it ever held where it is now. */
void secret_buf_finish(struct buf *b);

#endif
