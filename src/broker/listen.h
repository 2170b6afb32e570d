/* SPDX-License-Identifier: MIT */
/* The sockets that callers come through. */
#ifndef BROKER_LISTEN_H
#define BROKER_LISTEN_H

#include <stdbool.h>

#include "base/error.h"

/* "127.0.0.1:18790", "[::1]:0"; numbers only. *ret_shown (owned) is what it became: port 0 is one that
 * was free. */
int listen_tcp(const char *address, int *ret_fd, char **ret_shown, struct error *err);
/* A unix socket, mode 0600, in place of whatever is there. The caller holds the lock that says that no
 * other gateway uses it. */
int listen_unix(const char *path, int *ret_fd, struct error *err);
/* Is it an address that other hosts reach? */
bool listen_is_public(int fd);

#endif
