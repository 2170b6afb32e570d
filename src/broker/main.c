/* SPDX-License-Identifier: MIT */
/*
 * creel-gateway: the daemon. `creel gateway run` executes it.
 *
 *	creel-gateway [--config FILE] [--brand NAME]
 *
 * It stays in the foreground and logs to stderr. TERM and INT: finish what runs, then end; a second one
 * at once. HUP: read the configuration again. Exit status 0 after TERM, 1 when it could not start.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/log_form.h"
#include "base/macro.h"
#include "base/mem.h"
#include "base/own.h"
#include "base/path.h"
#include "broker/audit.h"
#include "broker/broker.h"
#include "broker/listen.h"
#include "broker/tally.h"
#include "os/libexec.h"
#include "os/notify.h"

#define DEFAULT_LISTEN "127.0.0.1:18790"

static int parse_options(char **argv, struct config_request *ret, struct error *err)
{
	for (int i = 1; argv[i] != NULL; i++) {
		if (strcmp(argv[i], "--config") == 0 && argv[i + 1] != NULL) {
			ret->path = argv[++i];
		} else if (strcmp(argv[i], "--brand") == 0 && argv[i + 1] != NULL) {
			ret->brand = argv[++i];
		} else {
			return error_plain(err, EINVAL,
				"unknown option '%s'; usage: creel-gateway [--config FILE] "
				"[--brand NAME]",
				argv[i]);
		}
	}
	return 0;
}

static const char *setting(const struct broker *broker, const char *key, const char *fallback)
{
	const char *value = json_string_value(config_get(broker->config, key));

	return value != NULL ? value : fallback;
}

static int load(struct broker *broker, struct error *err)
{
	int r = config_env_from_process(&broker->config_request.env, err);

	if (r < 0) {
		return r;
	}
	r = config_load(&broker->config_request, &broker->config, err);
	if (r < 0) {
		return r;
	}
	(void)log_form_set(setting(broker, "gateway.log", NULL));
	reload_log_issues(broker->config);
	/* The analyzer does not see that config_load() gives a configuration whenever it succeeds. */
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	return broker->config->error_count == 0
		       ? 0
		       : error_plain(err, EINVAL, "the configuration has %zu errors",
				 broker->config->error_count);
}

/* One gateway per state directory. The lock goes with the process, however it ends. */
static int lock_state(struct broker *broker, struct error *err)
{
	const char *dir = broker->config->state_dir;
	_cleanup_free_ char *path = xasprintf("%s/gateway.lock", dir);
	char pid[32];
	int len;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
		return error_set(err, errno, "cannot make the state directory '%s'", dir);
	}
	broker->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (broker->lock_fd < 0) {
		return error_set(err, errno, "cannot open '%s'", path);
	}
	if (flock(broker->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		return error_plain(err, EBUSY,
			"a gateway runs already for '%s'; 'creel gateway stop' ends it", dir);
	}
	len = snprintf(pid, sizeof(pid), "%d\n", getpid());
	if (ftruncate(broker->lock_fd, 0) < 0 ||
		pwrite(broker->lock_fd, pid, (size_t)len, 0) != len) {
		return error_set(err, errno, "cannot write '%s'", path);
	}
	return 0;
}

static int open_sockets(struct broker *broker, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	const char *listen = setting(broker, "gateway.listen", DEFAULT_LISTEN);
	const char *local = setting(broker, "gateway.socket", NULL);
	int r = 0;

	local = path_join(&arena, broker->config->state_dir,
		local != NULL ? path_expand_home(&arena, local, broker->config->home)
			      : "creel.sock");
	r = listen_unix(local, &broker->unix_fd, err);
	if (r == 0) {
		broker->socket_path = xstrdup(local);
	}
	/* "off": the unix socket alone. */
	if (r == 0 && listen[0] != '\0' && strcmp(listen, "off") != 0) {
		r = listen_tcp(listen, &broker->tcp_fd, &broker->listen, err);
	}
	if (r == 0 && listen_is_public(broker->tcp_fd)) {
		log_warning("%s is reached from other hosts, without encryption: put a proxy with "
			    "TLS before it",
			broker->listen);
	}
	return r;
}

static int open_sessions(struct broker *broker, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("%s/gateway.db", broker->config->state_dir);
	_cleanup_free_ char *notice = NULL;
	int r = sessions_open(path, &broker->sessions, &notice, err);

	if (notice != NULL) {
		log_error("%s", notice);
	}
	return r;
}

static int find_front(struct broker *broker, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	const char *path;
	int r = libexec_find(&arena, "creel-front", "gateway", &path, err);

	if (r == 0) {
		broker->front_path = xstrdup(path);
	}
	return r;
}

/* --- signals --- */

static void on_stop(evutil_socket_t signo, short events, void *arg)
{
	struct broker *broker = arg;

	(void)signo;
	(void)events;
	if (!broker->stopping) {
		log_info("stopping: what runs is finished first");
		broker_record(broker, NULL, "stop", &(struct record_fields){0});
	}
	broker->stopping = true;
	(void)notify_send("STOPPING=1");
	front_stop(broker);
}

static void on_reload(evutil_socket_t signo, short events, void *arg)
{
	(void)signo;
	(void)events;
	reload_config(arg);
}

static void on_child(evutil_socket_t signo, short events, void *arg)
{
	int status;
	pid_t pid;

	(void)signo;
	(void)events;
	/* Workers are known by their sockets; the front and what it needs by their pids. */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		front_reaped(arg, pid, status);
	}
}

/* Only while the front answers: a gateway whose front hangs is as good as dead. */
static void on_watchdog(evutil_socket_t fd, short events, void *arg)
{
	const struct broker *broker = arg;

	(void)fd;
	(void)events;
	if (front_is_well(broker)) {
		(void)notify_send("WATCHDOG=1");
	}
}

static void start_watchdog(struct broker *broker)
{
	uint64_t half_us = notify_watchdog_us() / 2;
	struct timeval every = {
		.tv_sec = (time_t)(half_us / 1000000), .tv_usec = (suseconds_t)(half_us % 1000000)};

	if (half_us > 0) {
		broker->watchdog = event_new(broker->base, -1, EV_PERSIST, on_watchdog, broker);
		(void)event_add(broker->watchdog, &every);
	}
}

static void catch_signals(struct broker *broker)
{
	static const struct {
		int signo;
		event_callback_fn fn;
	} handlers[] = {
		{SIGTERM, on_stop},
		{SIGINT, on_stop},
		{SIGHUP, on_reload},
		{SIGCHLD, on_child},
	};

	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < ARRAY_SIZE(handlers); i++) {
		broker->signals[i] =
			evsignal_new(broker->base, handlers[i].signo, handlers[i].fn, broker);
		(void)event_add(broker->signals[i], NULL);
	}
}

void broker_ready(struct broker *broker)
{
	static bool told;

	if (!told) {
		told = true;
		(void)notify_send("READY=1");
		broker->pruner = pruner_start(broker);
		log_info("ready: %s%s%s", broker->socket_path,
			broker->listen != NULL ? ", http://" : "",
			broker->listen != NULL ? broker->listen : "");
	}
}

/* --- life --- */

/* Each connection is a descriptor of the front, which inherits the limit. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int set_up(struct broker *broker, struct error *err)
{
	int r = load(broker, err);

	r = r < 0 ? r : find_front(broker, err);
	r = r < 0 ? r : lock_state(broker, err);
	r = r < 0 ? r : tokens_load(broker->config, &broker->tokens, err);
	r = r < 0 ? r : broker_record_open(broker, err);
	if (r == 0) {
		broker_record_secrets(broker, broker->config, &broker->tokens);
		tokens_wipe(&broker->tokens, broker->config);
	}
	r = r < 0 ? r : open_sessions(broker, err);
	r = r < 0 ? r : open_sockets(broker, err);
	if (r < 0) {
		return r;
	}
	broker->base = event_base_new();
	if (broker->base == NULL) {
		return error_plain(err, ENOMEM, "cannot make an event loop");
	}
	catch_signals(broker);
	start_watchdog(broker);
	r = front_start(broker, err);
	if (r == 0 && reload_watch(broker, err) < 0) {
		log_warning("%s; send HUP after a change", err->text);
	}
	return r;
}

static void tear_down(struct broker *broker)
{
	front_free(broker);
	broker->pruner = pruner_stop(broker->pruner);
	reload_unwatch(broker);
	for (size_t i = 0; i < ARRAY_SIZE(broker->signals); i++) {
		if (broker->signals[i] != NULL) {
			event_free(broker->signals[i]);
		}
	}
	if (broker->watchdog != NULL) {
		event_free(broker->watchdog);
	}
	if (broker->base != NULL) {
		event_base_free(broker->base);
	}
	if (broker->unix_fd >= 0) {
		(void)unlink(broker->socket_path);
	}
	cleanup_closep(&broker->unix_fd);
	cleanup_closep(&broker->tcp_fd);
	broker->sessions = sessions_close(broker->sessions);
	log_set_filter(NULL, NULL);
	broker->audit = audit_close(broker->audit);
	broker->tally = tally_free(broker->tally);
	tokens_finish(&broker->tokens);
	broker->config = config_free(broker->config);
	free(broker->front_path);
	free(broker->socket_path);
	free(broker->listen);
	cleanup_closep(&broker->lock_fd);
}

int main(int argc, char **argv)
{
	static struct broker broker = {
		.tcp_fd = FD_NONE, .unix_fd = FD_NONE, .lock_fd = FD_NONE, .inotify_fd = FD_NONE};
	struct error err;
	int r;

	(void)argc;
	log_set_name("creel-gateway");
	log_set_level(LOG_LEVEL_INFO);
	log_form_open();
	broker.started_ns = clock_now_ns();
	raise_file_limit();
	r = parse_options(argv, &broker.config_request, &err);
	r = r < 0 ? r : set_up(&broker, &err);
	if (r == 0) {
		broker_record(&broker, NULL, "start", &(struct record_fields){0});
		(void)event_base_dispatch(broker.base);
	} else {
		log_error("%s", err.text);
	}
	tear_down(&broker);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
