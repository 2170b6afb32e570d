/* SPDX-License-Identifier: MIT */
#ifndef CONFIG_CIDR_H
#define CONFIG_CIDR_H

#include <stdbool.h>

/* "10.0.0.0/8", "fd00::/64": a network, or an address. */
bool cidr_is_valid(const char *text);

#endif
