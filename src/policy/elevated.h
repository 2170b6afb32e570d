/* SPDX-License-Identifier: MIT */
/* Who may leave the sandbox: the allowFrom lists. */
#ifndef POLICY_ELEVATED_H
#define POLICY_ELEVATED_H

#include <stdbool.h>

#include "policy/decide.h"

/*
 * Does one list admit the sender? "*" admits everyone. An entry without a prefix is an identity: it
 * is compared with the sender's id, from and e164 alone, because names are chosen by their bearers.
 * "id:", "from:", "e164:", "name:", "username:" and "tag:" pick one field.
 */
bool elevated_list_admits(
	struct arena *a, const struct strv *list, const struct sender *sender, const char *channel);

#endif
