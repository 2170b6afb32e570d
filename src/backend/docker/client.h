/* SPDX-License-Identifier: MIT */
/* creel-docker, the engine client that is a program of its own, seen from the program that starts it. */
#ifndef DOCKER_CLIENT_H
#define DOCKER_CLIENT_H

#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct docker_client {
	pid_t pid; /* 0: none */
	int control_fd;
};

enum {
	/* create and start may take two minutes each before the client itself gives up. */
	DOCKER_WORK_S = 300,
	DOCKER_LOOK_S = 20,
};

/* lock_fd: of the directory that it is to keep and remove in the end; FD_NONE: none. */
int docker_client_start(struct docker_client *ret, int lock_fd, struct error *err);
/* One request, stolen, and its answer, a new reference; an error that is answered is err. */
int docker_client_ask(const struct docker_client *client, json_t *request, uint32_t timeout_s,
	json_t **ret, struct error *err);
/* The two halves of it, for whoever has something else to do meanwhile. One answer for each request, in
 * their order. */
int docker_client_send(const struct docker_client *client, json_t *request, struct error *err);
int docker_client_receive(
	const struct docker_client *client, uint32_t timeout_s, json_t **ret, struct error *err);
/* Let go of it and wait for its end. 0; negative: what it had to remove is still there. */
int docker_client_stop(struct docker_client *client);

#endif
