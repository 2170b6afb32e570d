/* SPDX-License-Identifier: MIT */
/* creel gateway run, status, stop: the daemon. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/macro.h"
#include "base/own.h"
#include "cli/gateway-client.h"
#include "cli/prepare.h"
#include "cli/table.h"
#include "os/libexec.h"

/* --- run --- */

static int run_gateway(const struct cmd_call *call)
{
	const struct common_args *common = cmd_common(call);
	_cleanup_arena_ struct arena arena = {0};
	const char *argv[6] = {"creel-gateway"};
	size_t count = 1;
	const char *path;
	struct error err;

	if (libexec_find(&arena, "creel-gateway", "broker", &path, &err) < 0) {
		return fail_error(call, STATUS_FAILED, CODE_NOT_FOUND, &err);
	}
	if (common->config != NULL) {
		argv[count++] = "--config";
		argv[count++] = common->config;
	}
	if (common->brand != NULL) {
		argv[count++] = "--brand";
		argv[count++] = common->brand;
	}
	(void)execv(path, (char *const *)(uintptr_t)argv);
	(void)error_set(&err, errno, "cannot start '%s'", path);
	return fail_error(call, STATUS_FAILED, CODE_CANNOT_EXECUTE, &err);
}

const struct cmd cmd_gateway_run = {
	.name = "gateway run",
	.summary = "serve HTTP and MCP until told to stop",
	.operands = "",
	.failed_status = STATUS_FAILED,
	.args_size = sizeof(struct common_args),
	.description =
		"Runs the gateway in the foreground and logs to standard error: HTTP and MCP on gateway.listen "
		"and on a unix socket, tool calls in sandboxes that last. INT and TERM let what runs "
		"finish; HUP reads the configuration again, as a change of the file does. While it runs, "
		"'creel exec' and 'creel tool' go through it.",
	.run = run_gateway,
};

/* --- status --- */

static int ask(const struct cmd_call *call, json_t **ret, struct error *err)
{
	_cleanup_config_ struct config *config = NULL;
	const struct gateway_request request = {"GET", "/v1/status", NULL};
	json_t *answer = NULL;
	int http = 0, status = prepare_config(call, true, &config), r;

	if (status != STATUS_OK) {
		return status;
	}
	r = gateway_client_ask(config, &request, &http, &answer, err);
	if (r == 0 && http != 200) {
		r = error_plain(err, EIO, "the gateway answered %d", http);
	}
	*ret = r == 0 ? json_incref(json_object_get(answer, "result")) : NULL;
	json_decref(answer);
	return r < 0 ? fail_error(call, STATUS_FAILED, r == -ENOENT ? CODE_NOT_FOUND : CODE_IO, err)
		     : STATUS_OK;
}

static void add_text(struct buf *out, const char *label, const json_t *value)
{
	if (json_is_string(value)) {
		buf_addf(out, "%-10s ", label);
		buf_add_printable(out, json_string_value(value), json_string_length(value), 0);
		buf_add_char(out, '\n');
	} else if (json_is_integer(value)) {
		buf_addf(out, "%-10s %" JSON_INTEGER_FORMAT "\n", label, json_integer_value(value));
	}
}

static int run_status(const struct cmd_call *call)
{
	static const struct {
		const char *label, *key;
	} rows[] = {
		{"version", "version"},
		{"pid", "pid"},
		{"config", "config"},
		{"problem", "configProblem"},
		{"listen", "listen"},
		{"socket", "socket"},
		{"sessions", "sessions"},
		{"sandboxes", "sandboxes"},
		{"approvals", "approvals"},
	};
	_cleanup_buf_ struct buf out = {0};
	struct error err;
	json_t *status;
	int r = ask(call, &status, &err);

	if (r != STATUS_OK) {
		return r;
	}
	if (cmd_common(call)->json) {
		r = print_json(call, status);
	} else {
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			add_text(&out, rows[i].label, json_object_get(status, rows[i].key));
		}
		r = print_text(call, &out);
	}
	json_decref(status);
	return r;
}

const struct cmd cmd_gateway_status = {
	.name = "gateway status",
	.summary = "say what the running gateway does",
	.operands = "",
	.failed_status = STATUS_FAILED,
	.args_size = sizeof(struct common_args),
	.description = "Asks the gateway that runs for this configuration. Status 1: none runs.",
	.run = run_status,
};

/* --- stop --- */

/* The process cannot be mistaken for another of its number: its pidfd is taken before it is asked again. */
static int stop(const struct cmd_call *call, const json_t *status)
{
	pid_t pid = (pid_t)json_integer_value(json_object_get(status, "pid"));
	_cleanup_close_ int fd = pidfd_open(pid, 0);
	struct error err;
	json_t *again = NULL;
	bool same;

	if (fd < 0) {
		(void)error_set(&err, errno, "the gateway (pid %d) is gone", pid);
		return fail_error(call, STATUS_FAILED, CODE_NOT_FOUND, &err);
	}
	if (ask(call, &again, &err) != STATUS_OK) {
		return STATUS_FAILED;
	}
	same = json_integer_value(json_object_get(again, "pid")) == pid;
	json_decref(again);
	if (!same || pidfd_send_signal(fd, SIGTERM, NULL, 0) < 0) {
		(void)error_set(
			&err, same ? errno : ESRCH, "cannot stop the gateway (pid %d)", pid);
		return fail_error(call, STATUS_FAILED, CODE_IO, &err);
	}
	(void)poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, -1);
	return STATUS_OK;
}

static int run_stop(const struct cmd_call *call)
{
	struct error err;
	json_t *status;
	int r = ask(call, &status, &err);

	if (r == STATUS_OK) {
		r = stop(call, status);
		json_decref(status);
	}
	return r;
}

const struct cmd cmd_gateway_stop = {
	.name = "gateway stop",
	.summary = "stop the running gateway, and wait for its end",
	.operands = "",
	.failed_status = STATUS_FAILED,
	.args_size = sizeof(struct common_args),
	.description =
		"Tells the gateway to take nothing new and to finish what runs, 20 s at most, and waits until it "
		"has ended. Sandboxes and the processes in them stay.",
	.run = run_stop,
};
