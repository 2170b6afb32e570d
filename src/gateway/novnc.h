/* SPDX-License-Identifier: MIT */
/* What a person's browser needs to look into a sandbox's: noVNC's files, and tickets. */
#ifndef GATEWAY_NOVNC_H
#define GATEWAY_NOVNC_H

#include "gateway/browser.h"

enum {
	NOVNC_TICKET_LEN = 48, /* 192 random bits in hex */
	NOVNC_TICKET_MS = 60 * 1000,
};

/* Read noVNC's scripts into memory, before this process may open files no more. What is not there is
 * not served. */
void novnc_load(const char *directory);
/* "core/rfb.js"; NULL: there is no such file. */
const char *novnc_file(const char *path, size_t *ret_len);

enum novnc_use { NOVNC_PAGE, NOVNC_STREAM };
/* A ticket for one use of a browser, once, within NOVNC_TICKET_MS. adopt_use belongs to it. false: too
 * many are out (adopt_use is closed). */
bool novnc_ticket_new(enum novnc_use kind, struct gateway_browser *adopt_use, bool control,
	char ret[NOVNC_TICKET_LEN + 1]);
/* Its only use: the browser's user, to be closed by the caller; NULL: unknown, used or too old. */
struct gateway_browser *novnc_ticket_take(
	enum novnc_use kind, const char *ticket, bool *ret_control);
void novnc_finish(void);

#endif
