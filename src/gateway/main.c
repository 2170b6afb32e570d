/* SPDX-License-Identifier: MIT */
/*
 * creel-front: the half of the gateway that reads what agents and sandboxes write. Started by
 * creel-gateway, and by nobody else:
 *
 *	creel-front TCP UNIX
 *
 * with the bus on descriptor 3, creel-image's control socket (image/client.h) on 4 and the listening
 * sockets on TCP and UNIX (-1: none). It is confined
 * (gateway/confine.h) before it reads anything from them, and ends with its broker.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/log_form.h"
#include "base/num.h"
#include "base/own.h"
#include "browser/ws.h"
#include "gateway/confine.h"
#include "gateway/http.h"
#include "gateway/internal.h"
#include "gateway/novnc.h"

enum { BUS_FD = 3, IMAGES_FD };

struct front {
	struct event_base *base;
	struct gateway *gateway;
	struct http_server *http;
	int listeners[2];
	size_t listener_count;
};

/* Known now: what it may answer with. Connections have waited in the listening sockets. */
static void on_settled(void *arg)
{
	struct front *front = arg;

	front->http = http_server_new(&(struct http_server_opts){
		.gateway = front->gateway,
		.listeners = front->listeners,
		.listener_count = front->listener_count,
	});
	gateway_ready(front->gateway);
}

static void on_drained(void *arg)
{
	struct front *front = arg;

	(void)event_base_loopbreak(front->base);
}

static void on_stop(void *arg)
{
	struct front *front = arg;

	if (front->http == NULL) {
		on_drained(front);
		return;
	}
	http_server_drain(front->http, on_drained, front);
}

/* A descriptor that the broker named; false: it is none. */
static bool take_listener(struct front *front, const char *text)
{
	uint32_t fd;

	if (text[0] == '-') {
		return true;
	}
	if (num_parse_u32(text, IMAGES_FD + 1, 1 << 20, &fd) < 0) {
		return false;
	}
	front->listeners[front->listener_count++] = (int)fd;
	return true;
}

int main(int argc, char **argv)
{
	struct front front = {0};
	struct event_config *config = event_config_new();
	struct error err;

	log_set_name("creel-front");
	log_set_level(LOG_LEVEL_INFO);
	log_form_open();
	/* The terminal's ^C is the broker's to handle: it tells us. */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	if (argc != 3 || !take_listener(&front, argv[1]) || !take_listener(&front, argv[2])) {
		log_error("this program is started by creel-gateway");
		return EXIT_FAILURE;
	}
	/* epoll alone: its descriptors are made before the filter is there. */
	(void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	front.base = event_base_new_with_config(config);
	event_config_free(config);
	/* The last files it opens. Without them nobody can watch, or drive, a browser. */
	novnc_load("/usr/share/novnc");
	if (ws_load(&err) < 0) {
		log_info("%s", err.text);
	}
	if (front.base == NULL || front_confine(&err) < 0) {
		log_error("%s", front.base == NULL ? "no event loop" : err.text);
		return EXIT_FAILURE;
	}
	front.gateway = gateway_new(front.base, BUS_FD);
	front.gateway->images_fd = IMAGES_FD;
	front.gateway->settled = on_settled;
	front.gateway->stop = on_stop;
	front.gateway->arg = &front;
	(void)event_base_dispatch(front.base);
	front.http = http_server_free(front.http);
	novnc_finish();
	front.gateway = gateway_free(front.gateway);
	event_base_free(front.base);
	return EXIT_SUCCESS;
}
