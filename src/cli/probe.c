/* SPDX-License-Identifier: MIT */
/* Starting what is probed, and having a process in it look around. */
#include "cli/probe.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "backend/docker/counters.h"
#include "base/buf.h"
#include "base/own.h"
#include "cli/place.h"

enum {
	LOOK_TIMEOUT_MS = 20000,
	LOOK_MAX = 1024 * 1024, /* a few KiB, unless there are very many mounts */
};

#define INIT_INSIDE "/run/creel/init"

void probe_finish(struct probe *probe)
{
	json_decref(probe->checks);
	*probe = (struct probe){0};
}

void probe_add(struct probe *probe, const char *check, const char *from, const char *decided,
	const char *found, bool same)
{
	_cleanup_buf_ struct buf clean = {0};

	buf_add_printable(&clean, found, strlen(found), 0);
	probe->different += same ? 0 : 1;
	(void)json_array_append_new(probe->checks,
		json_pack("{s:s,s:s,s:s,s:s,s:b}", "check", check, "from", from, "decided", decided,
			"found", clean.data != NULL ? clean.data : "", "same", same ? 1 : 0));
}

const char *probe_section(const struct probe_look *look, const char *name)
{
	size_t name_len = strlen(name);

	for (const char *at = look->data; at < look->data + look->len; at += strlen(at) + 1) {
		if (strncmp(at, name, name_len) == 0 && at[name_len] == '\n') {
			return at + name_len + 1;
		}
	}
	return "";
}

struct looking {
	struct link *link;
	uint32_t stream;
	struct buf out;
	bool over;
	struct error failure;
	struct wire_exited exited;
};

static void on_output(
	void *arg, enum wire_channel channel, uint64_t offset, const uint8_t *data, size_t len)
{
	struct looking *looking = arg;

	(void)offset;
	buf_add(&looking->out, data, len);
	link_consumed(looking->link, looking->stream, channel, len);
}

static void on_exited(void *arg, const struct wire_exited *exited)
{
	struct looking *looking = arg;

	looking->over = true;
	looking->exited = *exited;
}

static void on_failed(void *arg, const struct wire_failed *failed)
{
	struct looking *looking = arg;

	looking->over = true;
	(void)error_set(&looking->failure, failed->errnum > 0 ? (int)failed->errnum : EIO,
		"cannot run '" INIT_INSIDE " --look' in the sandbox");
}

static void on_lost(void *arg, const struct error *why)
{
	struct looking *looking = arg;

	looking->over = true;
	looking->failure = *why;
}

static int look_around(struct place *place, const char *cwd, const struct strv *env,
	struct buf *out, struct error *err)
{
	static const struct link_process_ops ops = {
		.output = on_output, .exited = on_exited, .failed = on_failed, .lost = on_lost};
	static const char *const argv[] = {INIT_INSIDE, "--look", NULL};
	const struct wire_spawn spawn = {
		.uid = WIRE_NO_ID,
		.gid = WIRE_NO_ID,
		.timeout_ms = LOOK_TIMEOUT_MS,
		.cwd = cwd,
		.argv = argv,
		.env = env->items,
	};
	struct looking looking = {.link = place->link};
	int r;

	buf_init(&looking.out, LOOK_MAX);
	r = link_spawn(place->link, &spawn, &ops, &looking, &looking.stream, err);
	while (r == 0 && !looking.over) {
		struct pollfd p = {.fd = link_fd(place->link), .events = link_events(place->link)};

		if (poll(&p, 1, -1) > 0 && link_pump(place->link, p.revents, err) < 0) {
			break;
		}
	}
	if (r == 0 && looking.failure.num != 0) {
		*err = looking.failure;
		r = -err->num;
	}
	if (r == 0 && (looking.exited.code != 0 || looking.out.overflow)) {
		r = error_plain(err, EIO, "the look around in the sandbox failed");
	}
	link_forget(place->link, looking.stream);
	*out = looking.out;
	return r;
}

/* Of an engine on this very host: what the kernel was told in the end. */
static void check_container_groups(const struct place *place, const struct decision *decision,
	struct probe *probe, const json_t *inspected)
{
	int64_t pid =
		json_integer_value(json_object_get(json_object_get(inspected, "State"), "Pid"));

	if (docker_is_process_of(json_string_value(json_object_get(inspected, "Id")), pid)) {
		probe_groups_of(probe, &decision->spec, place->acquired.missing, pid);
	}
}

static int compare(
	struct place *place, struct decision *decision, struct probe *probe, struct error *err)
{
	_cleanup_buf_ struct buf out = {0};
	struct strv env = {0};
	json_t *inspected = NULL;
	int r;

	place_env(place, decision, false, &env);
	strv_add_ref(&env, &decision->arena, ""); /* at least one entry, so items is an array */
	env.items[--env.count] = NULL;
	r = look_around(place, decision->spec.workdir, &env, &out, err);
	if (r < 0) {
		return r;
	}
	probe_inside(probe, &decision->spec, &(struct probe_look){out.data, out.len}, &env);
	if (decision->spec.backend != BACKEND_DOCKER) {
		const struct backend_sandbox *sandbox = &place->sandbox;

		probe_groups_of(probe, &decision->spec, sandbox->missing,
			sandbox->kept ? probe_child_of(sandbox->keeper) : sandbox->keeper);
		return 0;
	}
	r = lifecycle_inspect(place->lifecycle, decision, &inspected, err);
	if (r == 0 && inspected == NULL) {
		r = error_plain(
			err, ENOENT, "the engine knows no container '%s'", decision->spec.name);
	}
	if (r == 0) {
		probe_engine(probe, &decision->spec, inspected);
		check_container_groups(place, decision, probe, inspected);
	}
	json_decref(inspected);
	return r;
}

int probe_run(struct decision *decision, struct probe *ret, struct error *err)
{
	const struct place_opts opts = {.ready = true, .quiet = true};
	struct place place = PLACE_NONE;
	struct error ignored;
	int r = place_open(&place, decision, &opts, err);

	if (r < 0) {
		return r;
	}
	*ret = (struct probe){.checks = json_array()};
	if (place.acquired.stale) {
		probe_add(ret, "configuration", "registry", "today's", "an older one", false);
	}
	r = compare(&place, decision, ret, err);
	if (r < 0) {
		probe_finish(ret);
	}
	(void)place_close(&place, &ignored);
	return r;
}
