/* SPDX-License-Identifier: MIT */
#include "backend/setup.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/macro.h"
#include "base/own.h"

enum {
	/* Packages are installed here, over networks of all kinds. */
	SETUP_TIMEOUT_MS = 10 * 60 * 1000,
	/* How much of the output's end an error has room for. */
	TAIL_SIZE = 600,
};

struct setup {
	struct link *link;
	setup_output_fn *show;
	void *arg;
	uint32_t stream;
	char tail[TAIL_SIZE + 1];
	size_t tail_len;
	bool over;
	struct wire_exited exited;
	struct error failure; /* num 0: it ran */
};

static void keep_tail(struct setup *setup, const uint8_t *data, size_t len)
{
	size_t keep;

	if (len > TAIL_SIZE) {
		data += len - TAIL_SIZE;
		len = TAIL_SIZE;
	}
	keep = setup->tail_len + len > TAIL_SIZE ? TAIL_SIZE - len : setup->tail_len;
	(void)memmove(setup->tail, setup->tail + setup->tail_len - keep, keep);
	(void)memcpy(setup->tail + keep, data, len);
	setup->tail_len = keep + len;
}

static void on_output(
	void *arg, enum wire_channel channel, uint64_t offset, const uint8_t *data, size_t len)
{
	struct setup *setup = arg;

	(void)offset;
	keep_tail(setup, data, len);
	if (setup->show != NULL) {
		setup->show(setup->arg, data, len);
	}
	link_consumed(setup->link, setup->stream, channel, len);
}

static void on_exited(void *arg, const struct wire_exited *exited)
{
	struct setup *setup = arg;

	setup->over = true;
	setup->exited = *exited;
}

static void on_failed(void *arg, const struct wire_failed *failed)
{
	struct setup *setup = arg;

	setup->over = true;
	(void)error_set(&setup->failure, failed->errnum > 0 ? (int)failed->errnum : EIO,
		"docker.setupCommand could not be started with 'sh' in the sandbox");
}

static void on_lost(void *arg, const struct error *why)
{
	struct setup *setup = arg;

	setup->over = true;
	setup->failure = *why;
	(void)error_prefix(&setup->failure, "the sandbox ended during docker.setupCommand");
}

static const struct link_process_ops process_ops = {
	.output = on_output,
	.exited = on_exited,
	.failed = on_failed,
	.lost = on_lost,
};

/* The end of its output in one line, without half a line at the front. */
static const char *last_words(struct setup *setup)
{
	char *text = setup->tail, *line;

	setup->tail[setup->tail_len] = '\0';
	line = setup->tail_len == TAIL_SIZE ? strchr(text, '\n') : NULL;
	text = line != NULL && line[1] != '\0' ? line + 1 : text;
	for (char *c = text; *c != '\0'; c++) {
		if (*c == '\n') {
			*c = c[1] == '\0' ? '\0' : ' ';
		}
	}
	return text;
}

static int judge(struct setup *setup, struct error *err)
{
	const struct wire_exited *exited = &setup->exited;
	_cleanup_buf_ struct buf tail = {0}; /* a terminal must not obey it */
	const char *words;

	if (setup->failure.num != 0) {
		*err = setup->failure;
		return -err->num;
	}
	if (exited->code == 0 && !exited->timed_out) {
		return 0;
	}
	words = last_words(setup);
	buf_add_str(&tail, words[0] != '\0' ? ": " : "");
	buf_add_printable(&tail, words, strlen(words), TAIL_SIZE);
	if (exited->timed_out) {
		return error_plain(err, ETIMEDOUT,
			"docker.setupCommand did not end within %d minutes; the sandbox is "
			"removed%s",
			SETUP_TIMEOUT_MS / 60000, tail.data);
	}
	return error_plain(err, EIO,
		"docker.setupCommand failed with %s %d; the sandbox is removed%s",
		exited->code >= 0 ? "status" : "signal",
		exited->code >= 0 ? exited->code : exited->signal, tail.data);
}

static int drive(struct setup *setup, struct error *err)
{
	while (!setup->over) {
		struct pollfd p = {.fd = link_fd(setup->link), .events = link_events(setup->link)};
		int r = 0;

		if (poll(&p, 1, -1) > 0) {
			r = link_pump(setup->link, p.revents, err);
		}
		/* on_lost() has said more. */
		if (r < 0 && !setup->over) {
			return r;
		}
	}
	return judge(setup, err);
}

static bool declares(const struct strv *env, const char *name, size_t len)
{
	for (size_t i = 0; i < env->count; i++) {
		if (strncmp(env->items[i], name, len) == 0) {
			return true;
		}
	}
	return false;
}

/* What a login would set, unless the configuration does. */
static void make_env(const struct sandbox_spec *spec, struct arena *arena, struct strv *ret)
{
	const char *defaults[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		arena_printf(arena, "HOME=%s", spec->workdir),
	};

	for (size_t i = 0; i < ARRAY_SIZE(defaults); i++) {
		if (!declares(&spec->env, defaults[i], strcspn(defaults[i], "=") + 1)) {
			strv_add_ref(ret, arena, defaults[i]);
		}
	}
	for (size_t i = 0; i < spec->env.count; i++) {
		strv_add_ref(ret, arena, spec->env.items[i]);
	}
}

int setup_run(struct link *link, const struct sandbox_spec *spec, setup_output_fn *show, void *arg,
	struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	const char *const argv[] = {"/bin/sh", "-lc", spec->setup_command, NULL};
	struct setup setup = {.link = link, .show = show, .arg = arg};
	struct strv env = {0};
	struct wire_spawn spawn = {
		.flags = WIRE_SPAWN_MERGE,
		.uid = WIRE_NO_ID,
		.gid = WIRE_NO_ID,
		.timeout_ms = SETUP_TIMEOUT_MS,
		.cwd = spec->workdir,
		.argv = argv,
	};
	int r;

	if (spec->setup_command == NULL) {
		return 0;
	}
	make_env(spec, &arena, &env);
	spawn.env = env.items;
	r = link_spawn(link, &spawn, &process_ops, &setup, &setup.stream, err);
	if (r == 0) {
		r = drive(&setup, err);
	}
	/* Nothing may point to this frame any more. */
	if (setup.stream != 0) {
		link_forget(link, setup.stream);
	}
	return r;
}
