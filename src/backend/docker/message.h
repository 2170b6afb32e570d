/* SPDX-License-Identifier: MIT */
/* One JSON object at a time between Creel and its engine client: u32 length, little endian, and text. */
#ifndef DOCKER_MESSAGE_H
#define DOCKER_MESSAGE_H

#include <jansson.h>
#include <stdint.h>

#include "base/error.h"

/* Both ends are ours; still, the client repeats what an engine said. */
enum { MESSAGE_MAX = 8 * 1024 * 1024 };

/* 0 or a negative errno (-EPIPE: the other end is gone). Blocks. */
int message_send(int fd, const json_t *object, struct error *err);
/* The next object, a new reference. -EPIPE: the other end is gone, -ETIMEDOUT: the deadline passed. */
int message_receive(int fd, uint64_t deadline_ns, json_t **ret, struct error *err);

/* The fields of an answer that says why something failed. */
json_t *message_error(const struct error *err);
/* 0 when the answer is none of these; else it fills err. */
int message_take_error(const json_t *answer, struct error *err);

#endif
