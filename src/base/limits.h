/* SPDX-License-Identifier: MIT */
/* Every ceiling on what a peer, a file or a caller can make us hold, each with its reason. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

enum {
	/* A frame: large enough that a 1 GiB stream costs few headers, small enough that one frame
	 * delays another stream by well under a millisecond. */
	LIMIT_FRAME_PAYLOAD = 256 * 1024,
	/* argv plus env of one spawn; the kernel's own ARG_MAX default is 2 MiB. */
	LIMIT_SPAWN_BYTES = 192 * 1024,
	LIMIT_SPAWN_STRINGS = 4096,
	/* Processes that one creel-init remembers, running or ended and not yet forgotten. */
	LIMIT_PROCESSES = 4096,
	/* Output kept per process when the spawn does not say otherwise (contract D11). */
	LIMIT_RING_DEFAULT = 1024 * 1024,
	LIMIT_RING_MAX = 16 * 1024 * 1024,
	/* Bytes in flight per output channel before the reader must grant more. */
	LIMIT_CREDIT_WINDOW = 1024 * 1024,
	/* Unsent bytes queued on one stream before its producer is paused. */
	LIMIT_SEND_QUEUE = 4 * 1024 * 1024,
	/* A configuration file, includes counted apart. */
	LIMIT_CONFIG_BYTES = 16 * 1024 * 1024,
	LIMIT_CONFIG_DEPTH = 64,
	LIMIT_CONFIG_INCLUDES = 64,
};

#endif
