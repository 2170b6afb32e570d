/* SPDX-License-Identifier: MIT */
/* Commands that leave the sandbox: the broker decides on each, and gives a relay for that one. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/own.h"
#include "gateway/call.h"
#include "gateway/internal.h"

/* A relay's link on the loop, until the process that runs there is dropped. */
struct host_link {
	struct host_link *next;
	struct gateway *gateway;
	struct link *link;
	struct event *read, *write;
};

static struct host_link *host_links;

static void update(struct host_link *h)
{
	if ((link_events(h->link) & POLLOUT) != 0) {
		(void)event_add(h->write, NULL);
	}
}

static void pump(struct host_link *h, short revents)
{
	struct error why;

	/* Its end is told to the process on it, which may be dropped by that. */
	if (link_pump(h->link, revents, &why) < 0) {
		(void)event_del(h->read);
		(void)event_del(h->write);
		return;
	}
	update(h);
}

static void on_readable(evutil_socket_t fd, short events, void *arg)
{
	(void)fd;
	(void)events;
	pump(arg, POLLIN);
}

static void on_writable(evutil_socket_t fd, short events, void *arg)
{
	(void)fd;
	(void)events;
	pump(arg, POLLOUT);
}

struct link *host_link_new(struct gateway *gateway, int adopt_fd)
{
	struct host_link *h = xcalloc(1, sizeof(*h));

	*h = (struct host_link){
		.next = host_links,
		.gateway = gateway,
		.link = link_new(adopt_fd, NULL, true, NULL, NULL),
	};
	host_links = h;
	link_greet(h->link);
	h->read = event_new(gateway->base, adopt_fd, EV_READ | EV_PERSIST, on_readable, h);
	h->write = event_new(gateway->base, adopt_fd, EV_WRITE, on_writable, h);
	(void)event_add(h->read, NULL);
	(void)event_add(h->write, NULL);
	return h->link;
}

static void on_answer(void *arg, struct bus_packet *packet, const struct gateway_failure *failure)
{
	struct gateway_call *call = arg;
	struct tool_call *tool = call->asking;

	call->elevation = NULL;
	call->asking = NULL;
	if (failure != NULL || packet->fd_count == 0) {
		tool_call_host(tool, NULL, failure != NULL ? failure->type : GATEWAY_FAIL_INTERNAL,
			failure != NULL ? failure->message : "the broker gave no relay");
		return;
	}
	tool_call_host(tool, host_link_new(call->gateway, TAKE_FD(packet->fds[0])), NULL, NULL);
}

static void ask(void *arg, void *call_arg, struct tool_call *tool, struct wire_bytes payload)
{
	struct gateway *gateway = arg;
	struct gateway_call *call = call_arg;
	struct bus_message message = {.kind = BUS_ELEVATE};
	struct question *question;
	int fd;

	question_caller(&message, &call->copy.caller, &fd);
	bus_set(&message, BUS_AGENT, call->agent);
	bus_set(&message, BUS_SESSION, call->session);
	message.fields[BUS_SPAWN] = payload;
	call->asking = tool;
	call->asked_host = true;
	question = question_ask(gateway, &message, fd, on_answer, call);
	/* One that could not even be sent has ended the call by then. */
	if (question != NULL) {
		call->elevation = question;
	}
}

static void forget(void *arg, void *call_arg)
{
	struct gateway_call *call = call_arg;

	(void)arg;
	if (call->elevation != NULL) {
		question_forget(call->elevation);
		call->elevation = NULL;
	}
	call->asking = NULL;
}

static void release(void *arg, struct link *link)
{
	struct host_link **at = &host_links;

	while (*at != NULL && (*at)->link != link) {
		at = &(*at)->next;
	}
	if (*at != NULL) {
		struct host_link *h = *at;

		*at = h->next;
		event_free(h->read);
		event_free(h->write);
		free(h);
	}
	box_free_link_later(arg, link);
}

static struct host_link *host_link_of(const struct link *link)
{
	struct host_link *h = host_links;

	while (h != NULL && h->link != link) {
		h = h->next;
	}
	return h;
}

void host_link_update(struct link *link)
{
	struct host_link *h = host_link_of(link);

	if (h != NULL) {
		update(h);
	}
}

void host_link_release(struct gateway *gateway, struct link *link)
{
	release(gateway, link);
}

const struct tool_host_ops host_ops = {.ask = ask, .forget = forget, .release = release};
