/* SPDX-License-Identifier: MIT */
/* One browser: from asked for to there, and back. */
#include "browser/browser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/own.h"
#include "base/random.h"
#include "browser/internal.h"

const char *text_member(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

static char **copy_env(const char *const *env)
{
	size_t count = 0;
	char **copy;

	while (env[count] != NULL) {
		count++;
	}
	copy = xcalloc(count + 1, sizeof(*copy));
	for (size_t i = 0; i < count; i++) {
		copy[i] = xstrdup(env[i]);
	}
	return copy;
}

/* VNC takes eight characters. */
static void set_passwords(struct browser *b, const char *const passwords[2])
{
	if (!b->settings->vnc) {
		return;
	}
	for (size_t i = 0; i < 2; i++) {
		if (passwords[i] == NULL) {
			random_letters(b->passwords[i], BROWSER_PASSWORD_SIZE - 1);
		} else {
			(void)snprintf(b->passwords[i], BROWSER_PASSWORD_SIZE, "%s", passwords[i]);
		}
	}
}

struct browser *browser_new(const struct browser_opts *opts)
{
	struct browser *b = xcalloc(1, sizeof(*b));

	*b = (struct browser){
		.link = opts->link,
		.settings = opts->settings,
		.port = opts->port,
		.env = opts->env != NULL ? copy_env(opts->env) : NULL,
		.env_prefix = xstrdup(opts->env_prefix != NULL ? opts->env_prefix : ""),
		.host = opts->host != NULL ? xstrdup(opts->host)
					   : xasprintf("127.0.0.1:%u", opts->port),
		.fixed_path =
			opts->path != NULL && *opts->path != '\0' ? xstrdup(opts->path) : NULL,
		.timeout_ms = opts->timeout_ms > 0 ? (uint32_t)opts->timeout_ms
						   : opts->settings->auto_start_timeout_ms,
		.outside = opts->host != NULL,
		.pipe = opts->pipe,
		.give_up_ns = UINT64_MAX,
		.next_ns = UINT64_MAX,
	};
	set_passwords(b, opts->passwords);
	return b;
}

static void drop_ws(struct browser *b, const char *why)
{
	struct cdp *cdp = b->cdp;

	b->cdp = NULL;
	(void)cdp_free(cdp, why);
	b->ws = ws_free(b->ws);
	tabs_clear(b);
}

struct browser *browser_free(struct browser *b)
{
	if (b == NULL) {
		return NULL;
	}
	browser_fail(b, "the session ended");
	if (!b->lost) {
		service_forget(b);
	}
	for (size_t i = 0; b->env != NULL && b->env[i] != NULL; i++) {
		free(b->env[i]);
	}
	free(b->env);
	free(b->env_prefix);
	free(b->host);
	free(b->fixed_path);
	free(b->path);
	free(b->version);
	buf_finish(&b->service_tail);
	explicit_bzero(b->passwords, sizeof(b->passwords));
	free(b);
	return NULL;
}

uint64_t browser_deadline(const struct browser *b)
{
	return b->next_ns < b->give_up_ns ? b->next_ns : b->give_up_ns;
}

static void tell_waiters(struct browser *b, const char *error)
{
	while (b->waiters != NULL) {
		struct waiter *w = b->waiters;

		b->waiters = w->next;
		w->fn(w->arg, error);
		free(w);
	}
}

void browser_fail(struct browser *b, const char *why)
{
	_cleanup_free_ char *text = xstrdup(why);

	connection_close(b);
	b->state = BROWSER_DOWN;
	b->next_ns = b->give_up_ns = UINT64_MAX;
	drop_ws(b, text);
	tell_waiters(b, text);
}

void browser_succeed(struct browser *b)
{
	b->state = BROWSER_UP;
	b->next_ns = b->give_up_ns = UINT64_MAX;
	tell_waiters(b, NULL);
}

/* Within a callback of the connection: what it uses goes at the next tick. */
void browser_broken(struct browser *b, const char *why)
{
	(void)snprintf(b->last_failure, sizeof(b->last_failure), "%s", why);
	connection_close(b);
	b->state = BROWSER_BROKEN;
	b->next_ns = 0;
}

void browser_lost(struct browser *b, const struct error *why)
{
	b->lost = true;
	b->stream = 0;
	b->service = 0;
	browser_fail(b, why->text);
}

static void add_tail(const struct browser *b, struct buf *text)
{
	const char *tail = b->service_tail.data;
	size_t len = b->service_tail.len, most = 600;

	if (len > 0) {
		buf_add_str(text, "; its services printed: ");
		_cleanup_buf_ struct buf lines = {0};

		buf_add(&lines, len > most ? tail + len - most : tail, len > most ? most : len);
		for (size_t i = 0; i < lines.len; i++) {
			lines.data[i] = (char)(lines.data[i] == '\n' ? '|' : lines.data[i]);
		}
		buf_add_printable(text, lines.data, lines.len, 0);
	}
}

static void give_up(struct browser *b)
{
	_cleanup_buf_ struct buf text = {0};

	if (b->pipe) {
		buf_addf(&text,
			"the host's browser did not answer within %u ms (browser.autoStartTimeoutMs)",
			b->timeout_ms);
	} else {
		buf_addf(&text,
			"the browser did not become reachable within %u ms (browser.%s): "
			"http://%s/json/version%s was asked %u times, the last answer was '%s'",
			b->timeout_ms, b->outside ? "remoteCdpTimeoutMs" : "autoStartTimeoutMs",
			b->host, b->outside ? "" : " in its sandbox", b->probes, b->last_failure);
	}
	add_tail(b, &text);
	browser_fail(b, text.data);
}

static void give_up_early(struct browser *b)
{
	_cleanup_buf_ struct buf text = {0};

	if (b->service_ended) {
		buf_addf(&text, "the browser's services ended");
		add_tail(b, &text);
	} else {
		buf_addf(&text, "no browser answers at http://%s/json/version: %s", b->host,
			*b->last_failure != '\0' ? b->last_failure : "silence");
	}
	browser_fail(b, text.data);
}

void browser_tick(struct browser *b, uint64_t now_ns)
{
	if (b->state == BROWSER_BROKEN) {
		_cleanup_free_ char *why = xstrdup(b->last_failure);

		browser_fail(b, why);
	} else if (now_ns >= b->give_up_ns) {
		give_up(b);
	} else if (now_ns >= b->next_ns) {
		/* Nothing that could come up is on its way. */
		if (b->service_ended || (b->service == 0 && !b->starting && b->probes > 0)) {
			give_up_early(b);
		} else {
			connection_probe(b);
		}
	}
}

static void begin(struct browser *b, bool start)
{
	b->started_ns = clock_now_ns();
	b->give_up_ns = clock_after_ns(b->timeout_ms * NS_PER_MS);
	b->probes = 0;
	b->service_ended = false;
	b->last_failure[0] = '\0';
	b->starting = b->env != NULL && (start || b->settings->auto_start);
	if (b->starting && b->service == 0) {
		service_start(b);
	}
	connection_probe(b);
}

void browser_want(struct browser *b, bool start, browser_up_fn fn, void *arg)
{
	struct waiter *w;

	if (b->state == BROWSER_UP || b->lost) {
		fn(arg, b->lost ? "the browser's sandbox is gone" : NULL);
		return;
	}
	w = xcalloc(1, sizeof(*w));
	*w = (struct waiter){.next = b->waiters, .fn = fn, .arg = arg};
	b->waiters = w;
	if (b->state == BROWSER_DOWN) {
		begin(b, start);
	}
}

void browser_forget(struct browser *b, void *arg)
{
	struct waiter **at = &b->waiters;

	while (*at != NULL) {
		struct waiter *w = *at;

		if (w->arg != arg) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		free(w);
	}
}

bool browser_is_up(const struct browser *b)
{
	return b->state == BROWSER_UP;
}

bool browser_is_outside(const struct browser *b)
{
	return b->outside;
}

bool browser_was_started(const struct browser *b)
{
	return b->starting;
}

bool browser_stop(struct browser *b)
{
	return service_stop(b);
}

struct link *browser_link(const struct browser *b)
{
	return b->link;
}

unsigned browser_restarts(const struct browser *b)
{
	return b->restarts;
}

const char *browser_path(const struct browser *b)
{
	return b->path != NULL ? b->path : "";
}

const char *browser_version(const struct browser *b)
{
	return b->version != NULL ? b->version : "";
}

const char *browser_password(const struct browser *b, bool view_only)
{
	return b->passwords[view_only ? 1 : 0];
}

uint32_t browser_command(struct browser *b, const struct browser_tab *tab, const char *method,
	json_t *params, cdp_done_fn done, void *arg)
{
	if (b->cdp == NULL) {
		json_decref(params);
		done(arg, NULL, "the browser is gone");
		return 0;
	}
	return cdp_command(b->cdp, tab != NULL ? tab->session : "", method, params, done, arg);
}

void browser_forget_command(struct browser *b, uint32_t id)
{
	if (b->cdp != NULL) {
		cdp_forget(b->cdp, id);
	}
}

void browser_listen(struct browser *b, struct browser_listener *listener)
{
	listener->next = b->listeners;
	b->listeners = listener;
}

void browser_unlisten(struct browser *b, struct browser_listener *listener)
{
	struct browser_listener **at = &b->listeners;

	while (*at != NULL && *at != listener) {
		at = &(*at)->next;
	}
	if (*at != NULL) {
		*at = listener->next;
	}
}

void browser_tell(
	struct browser *b, struct browser_tab *tab, const char *method, const json_t *params)
{
	struct browser_listener *next;

	for (struct browser_listener *l = b->listeners; l != NULL; l = next) {
		next = l->next;
		l->fn(l->arg, tab, method, params);
	}
}

uint16_t browser_port(const struct browser *b)
{
	return b->port;
}

uint16_t browser_vnc_port(const struct browser *b)
{
	return b->settings->novnc_port;
}
