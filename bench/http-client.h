/* SPDX-License-Identifier: MIT */
/* The least of HTTP that a connection to our own gateway needs. Ends the program on any surprise. */
#ifndef BENCH_HTTP_CLIENT_H
#define BENCH_HTTP_CLIENT_H

#include <netinet/in.h>
#include <stdbool.h>

#include "base/buf.h"

struct http_client {
	int fd;
	struct buf in;
};

/* -1: nobody listens there. */
int http_client_dial(const struct sockaddr_in *address);
void http_client_open(struct http_client *client, const struct sockaddr_in *address);
void http_client_close(struct http_client *client);
void http_client_send(const struct http_client *client, const char *request);
/* true: the answer is there in client->in, complete. It has to be a 200. */
bool http_client_receive(struct http_client *client);
/* Send and wait. */
void http_client_ask(struct http_client *client, const char *request);

/* A request as text; body NULL: GET. Owned by the caller. */
char *http_client_request(const char *path, const char *token, const char *body);

#endif
