/* SPDX-License-Identifier: MIT */
#include "backend/docker/image.h"

#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 400, NAME_MAX_LENGTH = 256 };

/* Of an image, with registry, tag or digest; nothing in it means anything in a URL. */
static bool is_name(const char *name)
{
	size_t len = strspn(
		name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/:@");

	return len > 0 && len <= NAME_MAX_LENGTH && name[len] == '\0' && strstr(name, "..") == NULL;
}

static bool is_id(const char *id)
{
	static const char prefix[] = "sha256:";
	size_t start = sizeof(prefix) - 1;

	return id != NULL && strncmp(id, prefix, start) == 0 &&
	       strspn(id + start, "0123456789abcdef") == 64 && id[start + 64] == '\0';
}

/* *ret: a new reference, a string; NULL: the engine says none. */
static int look_up(struct engine *engine, const char *name, json_t **ret, struct error *err)
{
	char path[PATH_SIZE];
	const struct engine_call call = {
		.method = "GET",
		.path = path,
		.timeout_ms = ENGINE_LOOK_MS,
		.doing = "look at the image",
	};
	struct engine_answer answer = {0};
	json_t *id;
	int r;

	*ret = NULL;
	if (!is_name(name)) {
		return 0;
	}
	(void)snprintf(path, sizeof(path), "/images/%s/json", name);
	r = engine_call(engine, &call, &answer, err);
	if (r < 0) {
		return r;
	}
	id = json_object_get(answer.body, "Id");
	if (answer.status == 200 && is_id(json_string_value(id))) {
		*ret = json_incref(id);
	}
	engine_answer_finish(&answer);
	return 0;
}

int image_pin(struct engine *engine, json_t *body, json_t **ret, struct error *err)
{
	const char *name = json_string_value(json_object_get(body, "Image"));
	json_t *id = NULL;
	int r = look_up(engine, name != NULL ? name : "", &id, err);

	if (r < 0) {
		return r;
	}
	if (id == NULL) {
		*ret = json_incref(body);
		return 0;
	}
	*ret = json_copy(body);
	return json_object_set_new(*ret, "Image", id);
}

const char *image_name(struct engine *engine, json_t *ids, const json_t *container)
{
	const char *shown = json_string_value(json_object_get(container, "Image"));
	const char *id = json_string_value(json_object_get(container, "ImageID"));
	const char *name = json_string_value(
		json_object_get(json_object_get(container, "Labels"), IMAGE_LABEL));
	struct error ignored;
	json_t *now;

	if (name == NULL || id == NULL) {
		return shown != NULL ? shown : "";
	}
	now = json_object_get(ids, name);
	if (now == NULL) {
		if (look_up(engine, name, &now, &ignored) < 0 || now == NULL) {
			now = json_null();
		}
		(void)json_object_set_new(ids, name, now);
	}
	return json_is_string(now) && strcmp(json_string_value(now), id) == 0 ? name : id;
}
