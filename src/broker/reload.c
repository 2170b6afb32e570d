/* SPDX-License-Identifier: MIT */
/* The configuration read anew: all of it, or none. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/log.h"
#include "base/log_form.h"
#include "base/mem.h"
#include "base/own.h"
#include "broker/broker.h"
#include "os/notify.h"

enum { SETTLE_MS = 200 }; /* editors write, rename and change modes: once for all of it */

static void set_problem(struct broker *broker, const char *text)
{
	free(broker->reload_problem);
	broker->reload_problem = text != NULL ? xstrdup(text) : NULL;
}

static void add_issue(struct buf *line, const struct config_issue *issue)
{
	buf_addf(line, "%s:%d:%d: %s: %s", issue->file != NULL ? issue->file : "-", issue->line,
		issue->column, issue->path, issue->message);
}

void reload_log_issues(const struct config *config)
{
	for (size_t i = 0; i < config->issue_count; i++) {
		_cleanup_buf_ struct buf line = {0};

		if (!config->issues[i].warning) {
			add_issue(&line, &config->issues[i]);
			log_with(LOG_LEVEL_ERROR, LOG_FIELDS({"key", config->issues[i].path}),
				"%s%s%s", line.data, config->issues[i].hint != NULL ? "; " : "",
				config->issues[i].hint != NULL ? config->issues[i].hint : "");
		}
	}
}

/* The first error stands for all; each is logged. */
static void refuse_invalid(struct broker *broker, const struct config *config)
{
	_cleanup_buf_ struct buf first = {0};
	size_t i = 0;

	while (i < config->issue_count && config->issues[i].warning) {
		i++;
	}
	if (i < config->issue_count) {
		add_issue(&first, &config->issues[i]);
	}
	set_problem(broker, first.data != NULL ? first.data : "the configuration has errors");
	reload_log_issues(config);
}

static void adopt(struct broker *broker, struct config *config, struct tokens *tokens)
{
	bool same;

	broker_record_secrets(broker, config, tokens);
	tokens_wipe(tokens, config);
	same = json_equal(broker->config->root, config->root);
	(void)config_free(broker->config);
	broker->config = config;
	tokens_finish(&broker->tokens);
	broker->tokens = *tokens;
	broker->generation++;
	set_problem(broker, NULL);
	(void)log_form_set(json_string_value(config_get(config, "gateway.log")));
	front_forget(broker, NULL);
	if (!same) {
		acquire_drop_outside(broker);
	}
	front_settings(broker);
}

void reload_config(struct broker *broker)
{
	struct config *config = NULL;
	struct tokens tokens;
	struct error err;
	int r;

	(void)notify_send("RELOADING=1");
	r = config_load(&broker->config_request, &config, &err);

	if (r == 0 && config->error_count > 0) {
		refuse_invalid(broker, config);
		r = -EINVAL;
	} else if (r == 0 && strcmp(config->state_dir, broker->config->state_dir) != 0) {
		r = error_plain(&err, EINVAL,
			"another state directory ('%s') needs a restart of the gateway",
			config->state_dir);
		set_problem(broker, err.text);
	} else if (r == 0) {
		r = tokens_load(config, &tokens, &err);
	}
	if (r == 0) {
		adopt(broker, config, &tokens);
		log_info("configuration %s was read again",
			config->path != NULL ? config->path : "");
	} else {
		if (config == NULL || config->error_count == 0) {
			set_problem(broker, err.text);
			log_error("%s", err.text);
		}
		(void)config_free(config);
		log_error("the configuration was not taken; what ran before runs on");
	}
	(void)notify_send("READY=1");
	broker_record(broker, NULL, "reload",
		&(struct record_fields){.kind = "config",
			.decision = r == 0 ? "allowed" : "failed",
			.reason = broker->reload_problem});
	front_event(broker, "config.reloaded",
		json_pack("{s:b,s:s?}", "ok", r == 0, "problem", broker->reload_problem));
}

/* --- when the file changes --- */

static void on_settled(evutil_socket_t fd, short events, void *arg)
{
	(void)fd;
	(void)events;
	reload_config(arg);
}

static bool names_config(const struct broker *broker, const struct inotify_event *event)
{
	const char *slash =
		broker->config->path != NULL ? strrchr(broker->config->path, '/') : NULL;

	return slash != NULL && event->len > 0 && strcmp(event->name, slash + 1) == 0;
}

static void on_change(evutil_socket_t fd, short events, void *arg)
{
	struct broker *broker = arg;
	_Alignas(struct inotify_event) char space[4096];
	struct timeval settle = {.tv_usec = (suseconds_t)SETTLE_MS * 1000};
	ssize_t n = read(fd, space, sizeof(space));

	(void)events;
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *event = (const void *)(space + at);

		if (names_config(broker, event)) {
			(void)event_add(broker->reload_timer, &settle);
		}
		at += (ssize_t)(sizeof(*event) + event->len);
	}
}

int reload_watch(struct broker *broker, struct error *err)
{
	_cleanup_free_ char *dir = NULL;
	char *slash;

	broker->reload_timer = evtimer_new(broker->base, on_settled, broker);
	if (broker->config->path == NULL) {
		return 0;
	}
	dir = xstrdup(broker->config->path);
	slash = strrchr(dir, '/');
	if (slash == NULL || slash == dir) {
		return 0;
	}
	*slash = '\0';
	/* The directory: whoever replaces the file by another makes a watch of the old one blind. */
	broker->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (broker->inotify_fd < 0 || inotify_add_watch(broker->inotify_fd, dir,
					      IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR) < 0) {
		return error_set(err, errno, "cannot watch '%s' for changes", dir);
	}
	broker->reload_event = event_new(
		broker->base, broker->inotify_fd, EV_READ | EV_PERSIST, on_change, broker);
	(void)event_add(broker->reload_event, NULL);
	return 0;
}

void reload_unwatch(struct broker *broker)
{
	if (broker->reload_event != NULL) {
		event_free(broker->reload_event);
	}
	if (broker->reload_timer != NULL) {
		event_free(broker->reload_timer);
	}
	cleanup_closep(&broker->inotify_fd);
	free(broker->reload_problem);
}
