/* SPDX-License-Identifier: MIT */
/* creel image build: what the setup scripts do, with the names and the engine of the configuration. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/request.h"
#include "cli/table.h"
#include "os/libexec.h"
#include "sandbox/engine.h"

struct build_args {
	struct common_args common;
	const char *root, *name, *mirror;
};

#define OFFSET(member) offsetof(struct build_args, member)
static const struct cmd_option options[] = {
	{"root", 0, "DIR", OPTION_TEXT, OFFSET(root),
		"make a directory for sandbox.native.root instead of an image"},
	{"name", 0, "NAME:TAG", OPTION_TEXT, OFFSET(name), "give the image another name"},
	{"mirror", 0, "URL", OPTION_TEXT, OFFSET(mirror),
		"take Debian's packages from there; default http://deb.debian.org/debian"},
};

enum { LISTS_MAX = 3 };

static const struct kind {
	const char *name, *image; /* image: behind the brand */
	const char *lists[LISTS_MAX]; /* NULL-terminated; see scripts/sandbox-image */
} kinds[] = {
	{"sandbox", "-sandbox:bookworm-slim", {"sandbox.packages"}},
	{"common", "-sandbox-common:bookworm-slim",
		{"sandbox.packages", "sandbox-common.packages"}},
	{"browser", "-sandbox-browser:bookworm-slim", {"sandbox-browser.packages"}},
};

static const struct kind *find_kind(const struct cmd_call *call)
{
	const char *name = call->operand_count > 0 ? call->operands[0] : kinds[0].name;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(kinds[i].name, name) == 0) {
			return &kinds[i];
		}
	}
	return NULL;
}

/* The script speaks to the engine that sandboxes are made by. */
static int name_engine(struct decision *decision, struct arena *arena, struct error *err)
{
	int r = engine_find(decision, err);

	if (r < 0) {
		return r;
	}
	return setenv("DOCKER_HOST", arena_printf(arena, "unix://%s", decision->spec.docker_socket),
		       1) < 0
		       ? error_set(err, errno, "cannot set DOCKER_HOST")
		       : 0;
}

/* The script takes this process's place: it has the terminal, its signals and its exit status. */
static int exec_script(const struct cmd_call *call, const struct kind *kind,
	struct decided *decided, struct error *err)
{
	const struct build_args *args = call->args;
	struct arena *arena = &decided->arena;
	const char *argv[4 + LISTS_MAX] = {"sandbox-image"};
	const char *script;
	size_t n = 1;
	int r = libexec_find(arena, "sandbox-image", "../images", &script, err);

	if (r == 0 && args->root == NULL) {
		r = name_engine(decided->decision, arena, err);
	}
	if (r < 0) {
		return r;
	}
	if (args->root != NULL) {
		argv[n++] = "--root";
	}
	argv[n++] = args->root != NULL   ? args->root
		    : args->name != NULL ? args->name
					 : arena_printf(arena, "%s%s", decided->config->brand->name,
						   kind->image);
	for (size_t i = 0; i < LISTS_MAX && kind->lists[i] != NULL; i++) {
		argv[n++] = kind->lists[i];
	}
	argv[n] = NULL;
	if ((args->mirror != NULL && setenv("CREEL_MIRROR", args->mirror, 1) < 0) ||
		(args->common.json && setenv("CREEL_IMAGE_JSON", "1", 1) < 0)) {
		return error_set(err, errno, "cannot set the environment");
	}
	(void)execv(script, (char *const *)(uintptr_t)argv);
	return error_set(err, errno, "cannot start '%s'", script);
}

static int run(const struct cmd_call *call)
{
	static const struct request_args nobody;
	const struct build_args *args = call->args;
	const struct kind *kind = find_kind(call);
	_cleanup_decided_ struct decided decided = {0};
	struct error err;
	int status;

	if (kind == NULL) {
		return fail_usage(args->common.json,
			"image build: an image is one of sandbox, common, browser");
	}
	if (args->root != NULL && args->name != NULL) {
		return fail_usage(args->common.json,
			"image build: --root makes a directory, which has no --name");
	}
	status = request_decide(call, &nobody, NULL, false, &decided);
	if (status != STATUS_OK) {
		return status;
	}
	(void)exec_script(call, kind, &decided, &err);
	return fail_error(call, STATUS_FAILED, CODE_IO, &err);
}

const struct cmd cmd_image_build = {
	.name = "image build",
	.summary = "make a sandbox image, or a root for the native backend",
	.operands = "[sandbox|common|browser]",
	.max_operands = 1,
	.operand_words = "sandbox common browser",
	.failed_status = STATUS_FAILED,
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.args_size = sizeof(struct build_args),
	.description =
		"Makes the image that the docker backend uses by default: sandbox has a shell, git, jq, "
		"python3 and ripgrep; common also compilers and Node.js; browser Chromium and what shows "
		"its screen. From debian:bookworm-slim where the engine has it or can get it, else from "
		"Debian's packages with mmdebstrap, without any registry.",
	.run = run,
};
