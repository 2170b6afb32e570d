/* SPDX-License-Identifier: MIT */
/* Telling the service manager how we are: sd_notify(3)'s protocol, which is one datagram. */
#ifndef OS_NOTIFY_H
#define OS_NOTIFY_H

#include <stdint.h>

/*
 * Send a state ("READY=1", "STOPPING=1\nSTATUS=...") to $NOTIFY_SOCKET. 0 when it was sent, and when there
 * is nobody to tell; a negative errno else. The socket is a path, or abstract when it begins with '@'.
 */
int notify_send(const char *state);

/* How often "WATCHDOG=1" has to come, at the latest, in microseconds: $WATCHDOG_USEC, when $WATCHDOG_PID is
 * this process or not set. 0: nobody watches. */
uint64_t notify_watchdog_us(void);

#endif
