/* SPDX-License-Identifier: MIT */
/* Names of keys turned into what a terminal sends for them. */
#ifndef TOOLS_KEYS_H
#define TOOLS_KEYS_H

#include "base/buf.h"

/*
 * Append the bytes of one token: "Enter", "C-c", "^C", "M-x", "S-Tab", "F5", "C-Up", "KP7", "a".
 * What is no key is sent as it is written. Returns false when it looked like a key with modifiers
 * and is none (the bytes were added all the same; the caller warns).
 */
bool keys_add_token(struct buf *out, const char *token);

/* One byte in hex: "1b", "0x1b". -EINVAL: not that. */
int keys_add_hex(struct buf *out, const char *token);

/* text between the bracketed-paste marks of xterm. */
void keys_add_paste(struct buf *out, const char *text, size_t len);

#endif
