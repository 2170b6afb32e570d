/* SPDX-License-Identifier: MIT */
/* The browser tool's targets outside of the sandbox: may a session have them, and where are they? */
#ifndef BROWSER_CONTROL_H
#define BROWSER_CONTROL_H

#include <sys/socket.h>

#include "base/error.h"
#include "policy/decide.h"

enum {
	CONTROL_HOST_SIZE = 256,
	CONTROL_PATH_SIZE = 1024,
	CONTROL_TIMEOUT_MS = 1500, /* reference 1.7: browser.remoteCdpTimeoutMs */
};

struct control {
	bool start; /* nothing runs: a browser is to be started. The rest is empty then */
	char host[CONTROL_HOST_SIZE]; /* a name or an address, IPv6 without brackets */
	uint16_t port;
	char path[CONTROL_PATH_SIZE]; /* of its WebSocket; "": /json/version tells */
	int timeout_ms; /* for it to answer */
};

/*
 * target: "host", the browser of this machine, or a DevTools address (contract D5). Every gate is checked:
 * allowHostControl where the session is sandboxed, browser.enabled, and of an address each list that is
 * not empty. -EACCES: refused, with the key; -EINVAL: that is no address; -EOPNOTSUPP: one of a kind that
 * is not spoken.
 */
int control_check(const struct decision *decision, const char *target, struct control *ret,
	struct error *err);

/* What its Host header says, and error messages: "[::1]:9222". */
void control_authority(const struct control *control, char *ret, size_t size);

/* The link-local network, where clouds keep credentials, is not for this, however its name was spelled. */
bool control_may_reach(const struct sockaddr *address);

#endif
