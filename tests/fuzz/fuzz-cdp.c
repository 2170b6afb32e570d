/* SPDX-License-Identifier: MIT */
/* A browser that says anything at all: the WebSocket, the messages in it. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "browser/cdp.h"
#include "browser/ws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct state {
	struct cdp *cdp;
	struct ws *ws;
};

static void on_send(void *arg, const void *data, size_t len)
{
	(void)arg;
	(void)data;
	(void)len;
}

static void on_message(void *arg, const char *text, size_t len)
{
	struct state *state = arg;
	struct error err;

	(void)cdp_receive(state->cdp, text, len, &err);
}

static void on_cdp_send(void *arg, const char *text, size_t len)
{
	struct state *state = arg;
	struct error err;

	(void)ws_send(state->ws, text, len, &err);
}

static void on_event(void *arg, const char *session, const char *method, const json_t *params)
{
	struct state *state = arg;

	(void)params;
	/* As the tabs do: what comes makes more go out. */
	if (strlen(method) < 100) {
		cdp_session_gone(state->cdp, session);
	}
}

static void on_done(void *arg, const json_t *result, const char *error)
{
	(void)arg;
	(void)result;
	(void)error;
}

static const struct ws_ops ws_ops = {.send = on_send, .message = on_message};
static const struct cdp_ops cdp_ops = {.send = on_cdp_send, .event = on_event};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct state state = {0};
	struct error err;

	if (ws_new("/", "h", &ws_ops, &state, &state.ws, &err) < 0) {
		return 0;
	}
	state.cdp = cdp_new(&cdp_ops, &state);
	(void)cdp_command(state.cdp, "", "A.b", NULL, on_done, NULL);
	(void)cdp_command(state.cdp, "S", "A.c", NULL, on_done, NULL);
	/* In two pieces. */
	if (ws_receive(state.ws, data, size / 2, &err) == 0) {
		(void)ws_receive(state.ws, data + size / 2, size - size / 2, &err);
	}
	state.cdp = cdp_free(state.cdp, "over");
	state.ws = ws_free(state.ws);
	return 0;
}
