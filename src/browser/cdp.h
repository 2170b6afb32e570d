/* SPDX-License-Identifier: MIT */
/*
 * The Chrome DevTools Protocol's messages: commands with their answers, and events. Pure: text in,
 * text out. What the browser says is hostile: a message that is no JSON object ends it, an answer to
 * nothing is ignored.
 */
#ifndef BROWSER_CDP_H
#define BROWSER_CDP_H

#include <jansson.h>
#include <stdint.h>

#include "base/error.h"

struct cdp;

struct cdp_ops {
	/* One message for the browser. */
	void (*send)(void *arg, const char *text, size_t len);
	/* session: "" for the browser itself. All borrowed for the call. */
	void (*event)(void *arg, const char *session, const char *method, const json_t *params);
};

/* Exactly one of result and error (a sentence) is there; both are borrowed for the call. */
typedef void (*cdp_done_fn)(void *arg, const json_t *result, const char *error);

struct cdp *cdp_new(const struct cdp_ops *ops, void *arg);
/* Commands that are unanswered get why. NULL ok; NULL. Not from a callback. */
struct cdp *cdp_free(struct cdp *cdp, const char *why);

/*
 * Ask. params (NULL: {}) is taken over. done comes once, never before this returns, or never after
 * cdp_forget(). Returns the command's number. Over LIMIT_CDP_COMMANDS unanswered ones done comes with
 * an error at the next cdp_receive().
 */
uint32_t cdp_command(struct cdp *cdp, const char *session, const char *method, json_t *params,
	cdp_done_fn done, void *arg);
void cdp_forget(struct cdp *cdp, uint32_t id);
/* The session ended: its commands get an error now. */
void cdp_session_gone(struct cdp *cdp, const char *session);

/* One whole message. 0, or -EPROTO. */
int cdp_receive(struct cdp *cdp, const char *text, size_t len, struct error *err);

#endif
