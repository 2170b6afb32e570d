/* SPDX-License-Identifier: MIT */
/*
 * The container, as an engine is asked for it. What is not configurable: no new privileges, no
 * restart, no log, no capability added, nothing of the host's namespaces, no health check of the
 * image's (it would run beside the tools), creel-init as the first process.
 */
#include "backend/docker/create.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "backend/docker/seccomp.h"
#include "base/arena.h"
#include "base/error.h"
#include "base/macro.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/own.h"

enum {
	NANO_PER_MILLI_CPU = 1000000,
	/* Docker's own profile has 12 KiB. */
	PROFILE_MAX = 1024 * 1024,
	GPUS_MAX = 1024,
};

#define SECCOMP "seccomp="

static json_t *text_list(const struct strv *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->count; i++) {
		json_array_append_new(array, json_string(list->items[i]));
	}
	return array;
}

/* --- labels --- */

static void add_label(json_t *labels, const char *prefix, const char *name, const char *value)
{
	_cleanup_free_ char *key = xasprintf("%s%s", prefix, name);

	if (value != NULL && value[0] != '\0') {
		json_object_set_new(labels, key, json_string(value));
	}
}

/* The original's labels under the brand's name; ours say which instance of Creel it belongs to. */
static json_t *labels_of(const struct sandbox_spec *spec, const struct create_opts *opts)
{
	json_t *labels = json_object();
	const char *prefix = spec->label_prefix != NULL ? spec->label_prefix : "creel.";
	_cleanup_free_ char *now = xasprintf("%llu", (unsigned long long)opts->now_ms);
	_cleanup_arena_ struct arena arena = {0};

	add_label(labels, prefix, "sandbox", "1");
	add_label(labels, prefix, "sessionKey", spec->scope_key);
	add_label(labels, prefix, "createdAtMs", now);
	add_label(labels, prefix, "configHash", spec->config_hash);
	add_label(labels, "creel.", "instance", spec->instance);
	add_label(labels, "creel.", "agent", opts->agent);
	add_label(labels, "creel.", "kind", opts->kind);
	add_label(labels, "creel.", "workspace", spec->workspace_dir);
	/* The engine is given its id. */
	add_label(labels, "creel.", "image", spec->image);
	add_label(labels, "creel.", "dangerousBinds", spec_dangerous(spec, &arena));
	if (opts->once) {
		add_label(labels, "creel.", "once", "1");
	}
	return labels;
}

/* --- mounts --- */

/* SELinux relabelling can be asked for in the older form only, "source:target:mode". */
static bool wants_relabel(const struct spec_mount *mount)
{
	const char *mode = mount->raw != NULL ? strrchr(mount->raw, ':') : NULL;

	return mode != NULL && strchr(mode, '/') == NULL && strpbrk(mode, "zZ") != NULL;
}

/*
 * A mount of this form fails when its source is not there; the older form would make a directory that
 * belongs to root. Read-only ones come without what is mounted below them on the host: before
 * API 1.44 that would stay writable.
 */
static json_t *bind_of(const char *source, const char *target, bool read_only)
{
	return json_pack("{s:s,s:s,s:s,s:b,s:{s:s,s:b}}", "Type", "bind", "Source", source,
		"Target", target, "ReadOnly", read_only ? 1 : 0, "BindOptions", "Propagation",
		"rprivate", "NonRecursive", read_only ? 1 : 0);
}

static void add_mounts(
	json_t *host, const struct sandbox_spec *spec, const struct create_opts *opts)
{
	json_t *mounts = json_array(), *binds = json_array();

	for (size_t i = 0; i < spec->mount_count; i++) {
		const struct spec_mount *m = &spec->mounts[i];

		if (wants_relabel(m)) {
			_cleanup_free_ char *text =
				xasprintf("%s:%s%s", m->source, m->target, strrchr(m->raw, ':'));

			json_array_append_new(binds, json_string(text));
		} else {
			json_array_append_new(mounts, bind_of(m->source, m->target, m->read_only));
		}
	}
	json_array_append_new(mounts, bind_of(opts->run_dir, DOCKER_RUN_TARGET, true));
	json_array_append_new(mounts, bind_of(opts->init_path, DOCKER_INIT_TARGET, true));
	json_object_set_new(host, "Mounts", mounts);
	json_object_set_new(host, "Binds", binds);
}

/* "/tmp:size=64m" is a target and its options. */
static json_t *tmpfs_of(const struct strv *list)
{
	json_t *object = json_object();

	for (size_t i = 0; i < list->count; i++) {
		const char *item = list->items[i];
		size_t len = strcspn(item, ":");

		json_object_setn_new(
			object, item, len, json_string(item[len] == ':' ? item + len + 1 : ""));
	}
	return object;
}

/* --- security options --- */

/* The engine wants the profile itself, not its name. */
static int read_profile(const char *path, json_t **ret, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = xmalloc(PROFILE_MAX);
	json_error_t where;
	ssize_t n = fd < 0 ? -1 : read(fd, text, PROFILE_MAX);

	if (n < 0) {
		return error_set(
			err, errno, "cannot read the profile '%s' of docker.seccompProfile", path);
	}
	if (n == PROFILE_MAX) {
		return error_plain(err, EFBIG,
			"the profile '%s' of docker.seccompProfile is longer than 1 MiB", path);
	}
	*ret = json_loadb(text, (size_t)n, 0, &where);
	return *ret != NULL ? 0
			    : error_plain(err, EINVAL,
				      "the profile '%s' of docker.seccompProfile is not JSON: "
				      "line %d: %s",
				      path, where.line, where.text);
}

static int security_option(const char *option, json_t *list, struct error *err)
{
	const char *value = option + sizeof(SECCOMP) - 1;
	_cleanup_free_ char *text = NULL, *item = NULL;
	json_t *profile;
	int r;

	/* Newer engines know their own profile by this name. */
	if (strncmp(option, SECCOMP, sizeof(SECCOMP) - 1) != 0 || strcmp(value, "builtin") == 0) {
		json_array_append_new(list, json_string(option));
		return 0;
	}
	r = read_profile(value, &profile, err);
	if (r < 0) {
		return r;
	}
	text = json_dumps(profile, JSON_COMPACT);
	item = xasprintf(SECCOMP "%s", text != NULL ? text : "");
	json_array_append_new(list, json_string(item));
	json_decref(profile);
	return 0;
}

static int add_security(json_t *host, const struct sandbox_spec *spec, struct error *err)
{
	json_t *list = json_array();
	bool named = false;
	int r = 0;

	json_object_set_new(host, "SecurityOpt", list);
	for (size_t i = 0; i < spec->security_opt.count && r == 0; i++) {
		const char *option = spec->security_opt.items[i];

		named = named || strncmp(option, SECCOMP, sizeof(SECCOMP) - 1) == 0;
		r = security_option(option, list, err);
	}
	if (!named) {
		_cleanup_free_ char *own = docker_seccomp_option(spec);

		json_array_append_new(list, json_string(own));
	}
	return r;
}

/* --- limits --- */

static void add_limits(json_t *host, const struct sandbox_spec *spec)
{
	json_t *ulimits = json_array();

	for (size_t i = 0; i < spec->ulimit_count; i++) {
		const struct spec_ulimit *u = &spec->ulimits[i];

		json_array_append_new(
			ulimits, json_pack("{s:s,s:I,s:I}", "Name", u->name, "Soft",
					 (json_int_t)u->soft, "Hard", (json_int_t)u->hard));
	}
	json_object_set_new(host, "Ulimits", ulimits);
	if (spec->pids_limit > 0) {
		json_object_set_new(host, "PidsLimit", json_integer(spec->pids_limit));
	}
	if (spec->memory > 0) {
		json_object_set_new(host, "Memory", json_integer(spec->memory));
	}
	if (spec->memory_swap != 0) {
		json_object_set_new(host, "MemorySwap", json_integer(spec->memory_swap));
	}
	if (spec->cpu_millis > 0) {
		json_object_set_new(
			host, "NanoCpus", json_integer(spec->cpu_millis * NANO_PER_MILLI_CPU));
	}
}

/* --- GPUs --- */

/* As docker run --gpus takes it: "all", a number, "device=0,GPU-3a". */
static int add_gpus(json_t *host, const char *gpus, struct error *err)
{
	static const char by_id[] = "device=";
	json_t *request = json_pack("{s:s,s:[[s]]}", "Driver", "", "Capabilities", "gpu");
	uint32_t count;

	if (strcmp(gpus, "all") == 0) {
		json_object_set_new(request, "Count", json_integer(-1));
	} else if (num_parse_u32(gpus, 1, GPUS_MAX, &count) == 0) {
		json_object_set_new(request, "Count", json_integer(count));
	} else if (strncmp(gpus, by_id, sizeof(by_id) - 1) == 0 &&
		   gpus[sizeof(by_id) - 1] != '\0') {
		json_t *ids = json_array();

		for (const char *at = gpus + sizeof(by_id) - 1; *at != '\0';) {
			size_t len = strcspn(at, ",");

			json_array_append_new(ids, json_stringn(at, len));
			at += len + (at[len] == ',' ? 1 : 0);
		}
		json_object_set_new(request, "DeviceIDs", ids);
	} else {
		json_decref(request);
		return error_plain(err, EINVAL,
			"docker.gpus is '%.100s': it takes all, a number, or device=ID,ID", gpus);
	}
	json_object_set_new(host, "DeviceRequests", json_pack("[o]", request));
	return 0;
}

/* --- what the kernel tells --- */

/*
 * Covered in /proc and /sys: what engines cover by themselves, in their newest versions, and what root
 * in a container could read besides. A list replaces the engine's own.
 */
static json_t *masked_paths(void)
{
	static const char *const paths[] = {"/proc/acpi", "/proc/asound", "/proc/interrupts",
		"/proc/kcore", "/proc/key-users", "/proc/keys", "/proc/kmsg", "/proc/kpagecount",
		"/proc/kpageflags", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",
		"/proc/slabinfo", "/proc/timer_list", "/proc/timer_stats", "/proc/vmallocinfo",
		"/sys/devices/virtual/powercap", "/sys/firmware"};
	json_t *list = json_array();
	int processors = get_nprocs_conf();

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		json_array_append_new(list, json_string(paths[i]));
	}
	for (int i = 0; i < processors; i++) {
		json_array_append_new(
			list, json_sprintf("/sys/devices/system/cpu/cpu%d/thermal_throttle", i));
	}
	return list;
}

static json_t *host_config(const struct sandbox_spec *spec, const struct create_opts *opts)
{
	json_t *host = json_pack("{s:s,s:b,s:o,s:o,s:o,s:o,s:{s:s},s:{s:s},s:b,s:s,s:b,s:b}",
		"NetworkMode", spec->network, "ReadonlyRootfs", spec->read_only_root ? 1 : 0,
		"Tmpfs", tmpfs_of(&spec->tmpfs), "CapDrop", text_list(&spec->cap_drop), "Dns",
		text_list(&spec->dns), "ExtraHosts", text_list(&spec->extra_hosts), "RestartPolicy",
		"Name", "no", "LogConfig", "Type", "none", "AutoRemove", opts->once ? 1 : 0,
		"IpcMode", "private", "Privileged", 0, "PublishAllPorts", 0);

	if (spec->runtime != NULL) {
		json_object_set_new(host, "Runtime", json_string(spec->runtime));
	}
	json_object_set_new(host, "MaskedPaths", masked_paths());
	add_mounts(host, spec, opts);
	add_limits(host, spec);
	return host;
}

int docker_create_body(const struct sandbox_spec *spec, const struct create_opts *opts,
	json_t **ret, struct error *err)
{
	json_t *host = host_config(spec, opts);
	json_t *command = json_pack("[s,s]", "--dir", DOCKER_RUN_TARGET);
	json_t *body = json_pack("{s:s,s:s,s:o,s:[s],s:o,s:o,s:{s:[s]},s:o}", "Image", spec->image,
		"WorkingDir", spec->workdir, "Env", text_list(&spec->env), "Entrypoint",
		DOCKER_INIT_TARGET, "Cmd", command, "Labels", labels_of(spec, opts), "Healthcheck",
		"Test", "NONE", "HostConfig", host);
	int r = add_security(host, spec, err);

	if (r == 0 && spec->gpus != NULL) {
		r = add_gpus(host, spec->gpus, err);
	}
	if (spec->user != NULL) {
		json_object_set_new(body, "User", json_string(spec->user));
	}
	if (opts->once) {
		json_array_append_new(command, json_string("--once"));
	}
	if (r < 0) {
		json_decref(body);
		return r;
	}
	*ret = body;
	return 0;
}

const char *docker_setup_script(const char *image)
{
	if (strstr(image, "sandbox-common") != NULL) {
		return "creel image build common (or scripts/sandbox-common-setup.sh)";
	}
	if (strstr(image, "sandbox-browser") != NULL) {
		return "creel image build browser (or scripts/sandbox-browser-setup.sh)";
	}
	return "creel image build (or scripts/sandbox-setup.sh)";
}
