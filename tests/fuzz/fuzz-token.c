/* SPDX-License-Identifier: MIT */
/*
 * Bearer tokens: up to the first newline what a caller presents, behind it the gateway's configuration.
 * Whoever is found has that token's hash, and nobody else does.
 */
#include <assert.h>
#include <sodium.h>
#include <stdint.h>
#include <string.h>

#include "base/own.h"
#include "broker/tokens.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file's name would open that file of this machine. */
static void drop_files(json_t *gateway)
{
	json_t *auth = json_object_get(gateway, "auth"), *entry;
	size_t i;

	json_array_foreach(json_object_get(gateway, "tokens"), i, entry)
	{
		(void)json_object_del(entry, "tokenFile");
	}
	if (json_is_object(json_object_get(auth, "token"))) {
		(void)json_object_del(json_object_get(auth, "token"), "source");
	}
}

static void look_for(const struct tokens *tokens, const char *token)
{
	const struct principal *found = tokens_find(tokens, token);
	uint8_t hash[TOKEN_HASH_SIZE];
	size_t same = 0;

	(void)crypto_hash_sha256(hash, (const unsigned char *)token, strlen(token));
	for (size_t i = 0; i < tokens->count; i++) {
		same += memcmp(hash, tokens->items[i].sha256, sizeof(hash)) == 0;
	}
	assert((found != NULL) == (same > 0));
	assert(found == NULL || memcmp(hash, found->sha256, sizeof(hash)) == 0);
	for (size_t i = 0; i < tokens->count; i++) {
		_cleanup_arena_ struct arena a = {0};
		const struct principal *p = &tokens->items[i];

		(void)principal_reaches_agent(p, token);
		(void)principal_reaches_session(p, token);
		assert(principal_reaches_tool(&a, p, token) || !p->admin);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *end = memchr(data, '\n', size);
	size_t len = end != NULL ? (size_t)(end - (const char *)data) : size;
	_cleanup_free_ char *token = strndup((const char *)data, len);
	/* There is no state directory, so that no token is made in it. */
	struct config config = {.state_dir = "/proc/nowhere", .home = "/proc/nowhere"};
	struct tokens tokens = {0};
	struct error err;

	if (end != NULL) {
		json_t *gateway = json_loadb(end + 1, size - len - 1, 0, NULL);

		drop_files(gateway);
		config.root =
			json_pack("{s:o}", "gateway", gateway != NULL ? gateway : json_object());
	} else {
		config.root = json_object();
	}
	if (tokens_load(&config, &tokens, &err) == 0) {
		look_for(&tokens, token);
		tokens_finish(&tokens);
	} else {
		assert(err.text[0] != '\0');
	}
	json_decref(config.root);
	arena_finish(&config.arena);
	return 0;
}
