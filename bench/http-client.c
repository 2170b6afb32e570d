/* SPDX-License-Identifier: MIT */
/* The least of HTTP that a connection to our own gateway needs. */
#include "http-client.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "live.h"

enum { READ_SIZE = 64 * 1024 };

int http_client_dial(const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0) {
		live_die("socket", strerror(errno));
	}
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0) {
		(void)close(fd);
		return -1;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

void http_client_open(struct http_client *client, const struct sockaddr_in *address)
{
	*client = (struct http_client){.fd = http_client_dial(address)};
	if (client->fd < 0) {
		live_die("connect", strerror(errno));
	}
}

void http_client_close(struct http_client *client)
{
	(void)close(client->fd);
	buf_finish(&client->in);
}

void http_client_send(const struct http_client *client, const char *request)
{
	size_t len = strlen(request);

	if (send(client->fd, request, len, MSG_NOSIGNAL) != (ssize_t)len) {
		live_die("send", strerror(errno));
	}
}

static bool is_whole(const struct buf *in)
{
	static const char length_name[] = "\r\nContent-Length: ";
	const char *end = in->len > 0 ? strstr(in->data, "\r\n\r\n") : NULL;
	const char *length = end != NULL ? strstr(in->data, length_name) : NULL;

	if (end == NULL) {
		return false;
	}
	if (strncmp(in->data, "HTTP/1.1 200 ", 13) != 0 || length == NULL || length > end) {
		live_die("an answer that is none", in->data);
	}
	return in->len >=
	       (size_t)(end + 4 - in->data) + strtoul(length + strlen(length_name), NULL, 10);
}

bool http_client_receive(struct http_client *client)
{
	char *room = buf_reserve(&client->in, READ_SIZE);
	ssize_t n = recv(client->fd, room, READ_SIZE, 0);

	if (n <= 0) {
		live_die("receive", n < 0 ? strerror(errno) : "closed");
	}
	buf_commit(&client->in, (size_t)n);
	return is_whole(&client->in);
}

void http_client_ask(struct http_client *client, const char *request)
{
	buf_clear(&client->in);
	http_client_send(client, request);
	while (!http_client_receive(client)) {
	}
}

char *http_client_request(const char *path, const char *token, const char *body)
{
	if (body == NULL) {
		return xasprintf(
			"GET %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n",
			path, token);
	}
	return xasprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
			 "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		path, token, strlen(body), body);
}
