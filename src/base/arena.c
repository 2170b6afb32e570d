/* SPDX-License-Identifier: MIT */
/* Chunks in a list; a piece that does not fit the newest chunk gets a new one. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#if defined(__SANITIZE_ADDRESS__)
#	define ARENA_SANITIZED true
#elif defined(__has_feature)
#	if __has_feature(address_sanitizer)
#		define ARENA_SANITIZED true
#	endif
#endif
#ifndef ARENA_SANITIZED
#	define ARENA_SANITIZED false
#endif

enum {
	ARENA_ALIGN = 16,
	/* With malloc's own header this stays within two pages. */
	ARENA_CHUNK_SIZE = 8192 - 64,
	SPARE_CHUNKS = 2,
};

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, size;
	_Alignas(ARENA_ALIGN) char data[];
};

/*
 * Chunks that cost no malloc: of the arenas that a program has at a time the first few are small and
 * short-lived, and where malloc is that of musl each would be mapped and unmapped. Not where a sanitizer
 * is to see what is used after its arena.
 */
static _Alignas(
	ARENA_ALIGN) char at_hand[SPARE_CHUNKS][sizeof(struct arena_chunk) + ARENA_CHUNK_SIZE];
/* Not zero, so that it lies with the data and not alone on a page of zeros, which costs two faults. */
static bool is_free[SPARE_CHUNKS] = {true, true};

static struct arena_chunk *take_spare(void)
{
	for (size_t i = 0; !ARENA_SANITIZED && i < SPARE_CHUNKS; i++) {
		if (is_free[i]) {
			is_free[i] = false;
			return (void *)at_hand[i];
		}
	}
	return NULL;
}

static void give_back(struct arena_chunk *chunk)
{
	for (size_t i = 0; i < SPARE_CHUNKS; i++) {
		if ((void *)chunk == at_hand[i]) {
			/* What is allocated next is zero, as malloc's would be. */
			memset(chunk, 0, sizeof(*chunk) + chunk->used);
			is_free[i] = true;
			return;
		}
	}
	free(chunk);
}

void arena_finish(struct arena *a)
{
	while (a->chunks != NULL) {
		struct arena_chunk *chunk = a->chunks;

		a->chunks = chunk->next;
		give_back(chunk);
	}
}

static struct arena_chunk *add_chunk(struct arena *a, size_t size)
{
	struct arena_chunk *chunk = size == ARENA_CHUNK_SIZE ? take_spare() : NULL;

	if (chunk == NULL) {
		chunk = xcalloc(1, sizeof(*chunk) + size);
	}
	chunk->size = size;
	/* A large piece fills its chunk at once: put it behind the newest, which still has room. */
	if (a->chunks != NULL && size > ARENA_CHUNK_SIZE) {
		chunk->next = a->chunks->next;
		a->chunks->next = chunk;
	} else {
		chunk->next = a->chunks;
		a->chunks = chunk;
	}
	return chunk;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct arena_chunk *chunk = a->chunks;
	void *piece;

	if (size > SIZE_MAX / 2) {
		(void)fputs("creel: out of memory\n", stderr);
		abort();
	}
	/* An empty piece still gets an address of its own. */
	size = (size > 0 ? size + ARENA_ALIGN - 1 : ARENA_ALIGN) & ~(size_t)(ARENA_ALIGN - 1);
	if (chunk == NULL || chunk->size - chunk->used < size) {
		chunk = add_chunk(a, size > ARENA_CHUNK_SIZE ? size : ARENA_CHUNK_SIZE);
	}
	piece = chunk->data + chunk->used;
	chunk->used += size;
	return piece;
}

void *arena_calloc(struct arena *a, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total)) {
		total = SIZE_MAX; /* refused below, with the same message */
	}
	return arena_alloc(a, total);
}

char *arena_strdup(struct arena *a, const char *text)
{
	return text != NULL ? arena_strndup(a, text, strlen(text)) : NULL;
}

char *arena_strndup(struct arena *a, const char *text, size_t len)
{
	size_t used = strnlen(text, len);
	char *copy = arena_alloc(a, used + 1);

	memcpy(copy, text, used);
	return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list args, again;
	char *text;
	int n;

	va_start(args, fmt);
	va_copy(again, args);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (n < 0) {
		n = 0; /* a text beyond INT_MAX; the empty string is what is left of it */
	}
	text = arena_alloc(a, (size_t)n + 1);
	(void)vsnprintf(text, (size_t)n + 1, fmt, again);
	va_end(again);
	return text;
}
