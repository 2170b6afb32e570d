/* SPDX-License-Identifier: MIT */
/* Finding, making and connecting to lasting sandboxes. */
#include "broker/lifecycle.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/own.h"
#include "base/path.h"
#include "broker/lifecycle-internal.h"
#include "broker/lifecycle-list.h"
#include "wire/link.h"

enum {
	/* A sandbox that is known to be complete dials within a millisecond. If it does not, it is time
	 * to look what has become of it. */
	QUICK_DIAL_MS = 100,
	/* One that is to go: not to be taken for idle because the machine is busy. */
	STALE_DIAL_MS = 5000,
	/* A machine under load takes longer, a container to start, too. */
	DIAL_MS = 30000,
	DIAL_STEP_MS = 500,
	READY_MS = 10000,
	RECORD_EVERY_MS = 60 * 1000,
};

/* --- what a sandbox is --- */

/* It was used now. The registry hears of it once a minute; the lock's own time is the exact one. */
static void record(struct acquiring *a)
{
	int64_t now_ms = lifecycle_now_ms();
	bool recent = now_ms - sandbox_home_touch(a->home.lock_fd) < RECORD_EVERY_MS;
	struct registry_row row;
	struct registry *registry;
	struct error ignored;

	if ((recent && !a->ret->created) || !life_row(a->meta, &a->arena, &row)) {
		return;
	}
	registry = life_registry(a->lifecycle);
	row.last_used_ms = now_ms;
	if (registry != NULL) {
		(void)registry_put(registry, &row, &ignored);
	}
}

static bool is_current(const struct acquiring *a)
{
	const char *hash = json_string_value(json_object_get(a->meta, "configHash"));
	const char *backend = json_string_value(json_object_get(a->meta, "backend"));

	return hash != NULL && strcmp(hash, a->spec->config_hash) == 0 && backend != NULL &&
	       strcmp(backend, backend_kind_name(a->spec->backend)) == 0;
}

static char **env_of(const json_t *meta)
{
	const json_t *list = json_object_get(meta, "env"), *item;
	char **env;
	size_t i, count = 0;

	if (!json_is_array(list)) {
		return NULL;
	}
	env = xcalloc(json_array_size(list) + 1, sizeof(*env));
	json_array_foreach(list, i, item)
	{
		if (json_is_string(item)) {
			env[count++] = xstrdup(json_string_value(item));
		}
	}
	return env;
}

void lifecycle_acquired_finish(struct lifecycle_acquired *acquired)
{
	if (acquired->lock_fd >= 0) {
		(void)sandbox_home_touch(acquired->lock_fd);
	}
	cleanup_closep(&acquired->stream_fd);
	cleanup_closep(&acquired->lock_fd);
	if (acquired->has_denials) {
		denial_fds_finish(&acquired->denials);
	}
	for (char **entry = acquired->env; entry != NULL && *entry != NULL; entry++) {
		free(*entry);
	}
	free(acquired->env);
	free(acquired->notice);
	free(acquired->name);
	explicit_bzero(&acquired->passwords, sizeof(acquired->passwords));
	*acquired = (struct lifecycle_acquired)LIFECYCLE_ACQUIRED_NONE;
}

/* --- connecting --- */

static const struct life_ops *ops_of(const struct acquiring *a)
{
	return life_ops_of(backend_kind_name(a->spec->backend));
}

/* Who may connect besides us. */
static uint32_t socket_uid(const struct acquiring *a)
{
	const json_t *uid = json_object_get(a->meta, "hostUid");

	return ops_of(a)->open_to_all ? WIRE_NO_ID : (uint32_t)json_integer_value(uid);
}

static int listen_for(struct acquiring *a, struct error *err)
{
	if (a->listen_fd >= 0) {
		return 0;
	}
	a->listen_fd = sandbox_home_listen(&a->home, socket_uid(a), err);
	return a->listen_fd < 0 ? a->listen_fd : 0;
}

static int take_call(struct acquiring *a, int timeout_ms, struct error *err)
{
	int fd = sandbox_home_await(a->listen_fd, a->token, timeout_ms, &a->hello, err);

	if (fd < 0) {
		return fd;
	}
	/* The next one who wants it listens anew, so that nobody finds a socket that nobody serves. */
	sandbox_home_seal(&a->home);
	cleanup_closep(&a->listen_fd);
	a->listen_fd = FD_NONE;
	a->ret->stream_fd = fd;
	return 0;
}

static int ended_early(const struct acquiring *a, struct error *err)
{
	return error_plain(err, EIO,
		"the sandbox '%s' of image '%s' ended before it dialled home; is the image for another "
		"processor?",
		a->spec->name, a->spec->image);
}

/* Until it calls, or has ended. */
static int await_call(struct acquiring *a, struct error *err)
{
	uint64_t deadline_ns = clock_after_ns(DIAL_MS * NS_PER_MS);
	enum life_state state;
	struct error ignored;

	for (;;) {
		json_t *meta = json_incref(a->meta);
		int r = take_call(a, DIAL_STEP_MS, err);

		if (r == -ETIMEDOUT) {
			r = ops_of(a)->look(a, &state, &ignored);
			r = r == 0 && state != LIFE_RUNNING ? ended_early(a, err) : -ETIMEDOUT;
		}
		json_decref(a->meta);
		a->meta = meta;
		if (r != -ETIMEDOUT) {
			return r;
		}
		if (clock_left_ms(deadline_ns) == 0) {
			return error_plain(err, ETIMEDOUT,
				"the sandbox '%s' does not answer: is it paused, or the container engine "
				"on another host? 'creel sandbox recreate' makes it anew",
				a->spec->name);
		}
	}
}

static void hang_up(struct acquiring *a)
{
	cleanup_closep(&a->ret->stream_fd);
	a->ret->stream_fd = FD_NONE;
}

/* --- what is there already --- */

/* Does anything live in there that a command has left, or is? */
static bool is_busy(const struct acquiring *a)
{
	return a->hello.version == WIRE_VERSION &&
	       (a->hello.capabilities & WIRE_HELLO_POPULATED) != 0;
}

/* Gone: the sandbox and what the home says of it. */
static int clear(struct acquiring *a, struct error *err)
{
	const char *backend = json_string_value(json_object_get(a->meta, "backend"));
	const char *socket = json_string_value(json_object_get(a->meta, "socket"));
	const struct life_ops *ops = life_ops_of(backend);
	int r;

	hang_up(a);
	ops = ops != NULL ? ops : ops_of(a);
	socket = socket != NULL ? socket : a->spec->docker_socket;
	r = ops->remove(a->lifecycle, &a->home, a->spec->name, socket, err);
	if (r == 0) {
		json_decref(TAKE_PTR(a->meta));
		sandbox_home_drop_meta(&a->home);
		cleanup_closep(&a->listen_fd);
		a->listen_fd = FD_NONE;
	}
	return r;
}

char *lifecycle_stale_notice(const struct decision *d)
{
	_cleanup_free_ char *how =
		d->scope == SCOPE_SESSION
			? xasprintf("creel sandbox recreate --session '%s'", d->spec.scope_key)
		: d->scope == SCOPE_AGENT
			? xasprintf("creel sandbox recreate --agent %s", d->agent_id)
			: xstrdup("creel sandbox recreate --all");

	return xasprintf(
		"the configuration of this sandbox has changed, but processes run in it, so that it is "
		"still the old one; it is made anew when they have ended, or at once with '%s'",
		how);
}

/* It is not what the configuration asks for any more (contract D12). 1: it stays for now. */
static int replace_stale(struct acquiring *a, struct error *err)
{
	struct error ignored;
	int r = take_call(a, STALE_DIAL_MS, &ignored);

	if (r < 0 || !is_busy(a)) {
		return clear(a, err);
	}
	a->ret->stale = true;
	a->ret->notice = lifecycle_stale_notice(a->decision);
	return 1;
}

/*
 * An engine that was killed while it started a container may refuse to start it ever again. Nothing that
 * lasts is in one that has stopped: it is made anew. Where the engine is gone, why it did not start counts.
 */
static int replace_dead(struct acquiring *a, struct error *err)
{
	struct error ignored;
	int r;

	cleanup_closep(&a->listen_fd);
	a->listen_fd = FD_NONE;
	r = clear(a, &ignored);
	return r < 0 ? -err->num : r;
}

/* It has stopped: the engine was restarted, or this host. 1: it runs again; 0: it is gone. */
static int start_again(struct acquiring *a, struct error *err)
{
	const struct life_ops *ops = ops_of(a);
	struct error ignored;
	int r;

	cleanup_closep(&a->listen_fd);
	a->listen_fd = FD_NONE;
	r = sandbox_home_prepare(&a->home, ops->open_to_all, a->token, &a->listen_fd, err);
	if (r < 0) {
		return r;
	}
	if (ops->restart(a, err) < 0) {
		return replace_dead(a, err);
	}
	r = await_call(a, err);
	if (r < 0) {
		return r;
	}
	(void)sandbox_home_put_meta(&a->home, a->meta, &ignored);
	return 1;
}

static int connect_running(struct acquiring *a, struct error *err)
{
	struct error ignored;
	int r;

	/* Nobody could prove to be it. */
	if (sandbox_home_token(&a->home, a->token) < 0) {
		return clear(a, err);
	}
	r = listen_for(a, err);
	if (r < 0) {
		return access(a->home.run_dir, F_OK) < 0 ? clear(a, err) : r;
	}
	if (!is_current(a)) {
		return replace_stale(a, err);
	}
	r = await_call(a, err);
	if (r < 0) {
		return r;
	}
	if (a->hello.version != WIRE_VERSION) {
		return clear(a, err);
	}
	(void)sandbox_home_put_meta(&a->home, a->meta, &ignored);
	return 1;
}

/* Without a word with the engine: whoever calls with this token is the sandbox. 1: it did. */
static int connect_quickly(struct acquiring *a)
{
	struct error ignored;

	a->meta = sandbox_home_meta(&a->home);
	if (a->meta == NULL || !is_current(a) || sandbox_home_token(&a->home, a->token) < 0 ||
		listen_for(a, &ignored) < 0) {
		return 0;
	}
	return take_call(a, QUICK_DIAL_MS, &ignored) == 0 ? 1 : 0;
}

/* 1: connected. 0: there is none now. */
static int find(struct acquiring *a, struct error *err)
{
	const struct life_ops *ops = ops_of(a);
	enum life_state state;
	const char *backend;
	int r = connect_quickly(a);

	if (r > 0) {
		return a->hello.version == WIRE_VERSION ? 1 : clear(a, err);
	}
	backend = json_string_value(json_object_get(a->meta, "backend"));
	if (backend != NULL && strcmp(backend, backend_kind_name(a->spec->backend)) != 0) {
		return clear(a, err);
	}
	r = ops->look(a, &state, err);
	if (r < 0) {
		return r;
	}
	if (state == LIFE_ABSENT) {
		json_decref(TAKE_PTR(a->meta));
		return 0;
	}
	if (a->meta == NULL || (state == LIFE_STOPPED && (!is_current(a) || !ops->restart))) {
		return clear(a, err);
	}
	return state == LIFE_RUNNING ? connect_running(a, err) : start_again(a, err);
}

/* --- a new one --- */

static int set_up(struct acquiring *a, struct error *err)
{
	struct link *link;
	int r;

	if (a->spec->setup_command == NULL) {
		return 0;
	}
	link = link_new(TAKE_FD(a->ret->stream_fd), a->token, false, NULL, NULL);
	r = link_wait_ready(link, READY_MS, err);
	r = r < 0 ? error_prefix(err, "the sandbox did not start")
		  : setup_run(link, a->spec, a->opts->setup_output, a->opts->arg, err);
	(void)link_free(link);
	return r;
}

static int make_and_connect(struct acquiring *a, struct error *err)
{
	const struct life_ops *ops = ops_of(a);
	int r;

	cleanup_closep(&a->listen_fd);
	a->listen_fd = FD_NONE;
	r = sandbox_home_prepare(&a->home, ops->open_to_all, a->token, &a->listen_fd, err);
	r = r < 0 ? r : ops->make(a, err);
	r = r < 0 ? r : await_call(a, err);
	r = r < 0 ? r : set_up(a, err);
	r = r < 0 ? r : ops->settle(a, err);
	r = r < 0 ? r : sandbox_home_put_meta(&a->home, a->meta, err);
	/* Whoever works in it begins with HELLO. */
	if (r == 0 && a->ret->stream_fd < 0) {
		r = listen_for(a, err);
		r = r < 0 ? r : await_call(a, err);
	}
	return r;
}

static int make_new(struct acquiring *a, struct error *err)
{
	struct error ignored;
	int r = make_and_connect(a, err);

	if (r < 0) {
		(void)clear(a, &ignored);
		sandbox_home_remove(&a->home);
		return r;
	}
	a->ret->created = true;
	return 0;
}

/* --- acquire --- */

static void hand_out(struct acquiring *a)
{
	struct lifecycle_acquired *ret = a->ret;
	const json_t *missing = json_object_get(a->meta, "missing");

	(void)memcpy(ret->token, a->token, sizeof(ret->token));
	ret->backend = backend_kind_name(a->spec->backend);
	ret->name = xstrdup(a->spec->name);
	ret->env = env_of(a->meta);
	for (size_t i = 0; i < LAYER_COUNT_; i++) {
		ret->missing[i] = json_is_true(json_array_get(missing, i));
	}
	ret->has_denials = a->opts->denials && ops_of(a)->denials(a, &ret->denials);
	ret->lock_fd = TAKE_FD(a->home.lock_fd);
}

static int acquire_locked(struct acquiring *a, struct error *err)
{
	int r = find(a, err);

	if (r == 0) {
		r = make_new(a, err);
	}
	if (r < 0) {
		hang_up(a);
		return r;
	}
	if (a->opts->kind == KIND_BROWSER) {
		r = sandbox_home_passwords(&a->home, &a->ret->passwords, err);
		if (r < 0) {
			hang_up(a);
			return r;
		}
	}
	record(a);
	hand_out(a);
	return 0;
}

int lifecycle_acquire(struct lifecycle *lifecycle, struct decision *decision,
	const struct lifecycle_opts *opts, struct lifecycle_acquired *ret, struct error *err)
{
	struct acquiring a = {
		.lifecycle = lifecycle,
		.decision = decision,
		.spec = &decision->spec,
		.opts = opts,
		.listen_fd = FD_NONE,
		.home.lock_fd = FD_NONE,
		.ret = ret,
	};
	const struct home_wait wait = {
		.never = opts->try_lock, .waiting = opts->waiting, .arg = opts->arg};
	int r;

	*ret = (struct lifecycle_acquired)LIFECYCLE_ACQUIRED_NONE;
	if (ops_of(&a) == NULL) {
		return error_plain(err, ENOTSUP, "the backend '%s' has no sandboxes that last",
			backend_kind_name(decision->spec.backend));
	}
	if (!opts->no_prune) {
		lifecycle_prune_sometimes(lifecycle);
	}
	r = sandbox_home_lock(&a.arena, lifecycle->base, a.spec->name, true, &wait, &a.home, err);
	if (r == 0) {
		r = acquire_locked(&a, err);
	}
	cleanup_closep(&a.listen_fd);
	cleanup_closep(&a.home.lock_fd);
	json_decref(a.meta);
	explicit_bzero(a.token, sizeof(a.token));
	arena_finish(&a.arena);
	return r;
}
