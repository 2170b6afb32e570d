/* SPDX-License-Identifier: MIT */
#include "cli/sandboxes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "cli/gateway-client.h"

enum { ANSWER_MAX = 64 };

void sandboxes_finish(struct sandboxes *sandboxes)
{
	lifecycle_list_finish(&sandboxes->list);
	sandboxes->lifecycle = lifecycle_close(sandboxes->lifecycle);
	sandboxes->config = config_free(sandboxes->config);
}

int sandboxes_read(const struct cmd_call *call, struct sandboxes *ret)
{
	struct error err;
	int status = prepare_config(call, false, &ret->config);

	if (status != STATUS_OK) {
		return status;
	}
	if (lifecycle_open(ret->config, &ret->lifecycle, &err) < 0) {
		return fail_error(call, STATUS_FAILED, CODE_IO, &err);
	}
	lifecycle_list(ret->lifecycle, &ret->list);
	return STATUS_OK;
}

void sandboxes_keep(struct lifecycle_list *list,
	bool (*passes)(const void *arg, const struct lifecycle_sandbox *sandbox), const void *arg)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		if (passes(arg, &list->items[i])) {
			list->items[kept++] = list->items[i];
		}
	}
	list->count = kept;
}

bool sandboxes_is_agents(const struct lifecycle_sandbox *sandbox, const char *agent)
{
	const char *key = sandbox->row.scope_key;
	size_t len = strlen(agent);

	return key != NULL && strncmp(key, "agent:", 6) == 0 && strncmp(key + 6, agent, len) == 0 &&
	       (key[6 + len] == '\0' || key[6 + len] == ':');
}

void sandboxes_add_age(struct buf *out, int64_t ms)
{
	static const struct {
		int64_t ms;
		const char *unit;
	} units[] = {{INT64_C(86400000), "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}};

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (ms >= units[i].ms) {
			buf_addf(out, "%" PRId64 " %s", ms / units[i].ms, units[i].unit);
			return;
		}
	}
	buf_add_str(out, "0 s");
}

bool sandboxes_confirm(const char *question)
{
	_cleanup_buf_ struct buf out = {0};
	char answer[ANSWER_MAX];
	size_t len = 0;

	buf_addf(&out, "%s [y/N] ", question);
	(void)!write(STDERR_FILENO, out.data, out.len);
	while (len < sizeof(answer) - 1 && read(STDIN_FILENO, &answer[len], 1) == 1 &&
		answer[len] != '\n') {
		len++;
	}
	answer[len] = '\0';
	return strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0;
}

/* --- removing --- */

static const char *noun(bool browser)
{
	return browser ? "sandbox browser containers" : "sandbox containers";
}

static void say_which(const struct sandboxes *sandboxes, bool browser, struct buf *out)
{
	buf_addf(out, "These %s will be removed:\n", noun(browser));
	for (size_t i = 0; i < sandboxes->list.count; i++) {
		const struct lifecycle_sandbox *item = &sandboxes->list.items[i];

		buf_addf(out, "  %s (%s%s)\n", item->row.name, sandbox_status_name(item->status),
			item->in_use ? ", in use: what runs in it ends" : "");
	}
	buf_add_str(out, "Workspaces stay; new sandboxes are made when they are needed.\n");
}

/* A gateway holds those that it uses, and writes down who took one away. -ENOENT: there is none. */
static int remove_by_gateway(
	const struct sandboxes *sandboxes, const struct registry_row *row, struct error *err)
{
	_cleanup_buf_ struct buf path = {0};
	const char *message;
	json_t *result;
	int r;

	buf_add_str(&path, "/v1/sandboxes/");
	gateway_client_add_encoded(&path, row->name);
	buf_addf(&path, "?browser=%s",
		strcmp(row->kind, sandbox_kind_name(KIND_BROWSER)) == 0 ? "true" : "false");
	r = gateway_client_result(sandboxes->config,
		&(struct gateway_request){.method = "DELETE", .path = path.data}, &result, err);
	if (r == -ESRCH) {
		return 0; /* somebody else was faster */
	}
	if (r < 0) {
		return r;
	}
	message = json_string_value(
		json_object_get(json_array_get(json_object_get(result, "failed"), 0), "message"));
	r = message != NULL ? error_plain(err, EIO, "%s", message) : 0;
	json_decref(result);
	return r;
}

static int remove_one(
	const struct sandboxes *sandboxes, const struct registry_row *row, struct error *err)
{
	int r = remove_by_gateway(sandboxes, row, err);

	return r == -ENOENT ? lifecycle_remove(sandboxes->lifecycle, row, false, err) : r;
}

static int remove_all(
	struct sandboxes *sandboxes, json_t *rows, struct buf *out, size_t *ret_failed)
{
	size_t removed = 0;

	*ret_failed = 0;
	for (size_t i = 0; i < sandboxes->list.count; i++) {
		const struct registry_row *row = &sandboxes->list.items[i].row;
		struct error err;
		bool failed = remove_one(sandboxes, row, &err) < 0;
		json_t *entry = json_pack(
			"{s:s,s:b}", "containerName", row->name, "removed", failed ? 0 : 1);

		if (failed) {
			(void)json_object_set_new(entry, "error", json_string(err.text));
			buf_addf(out, "%s: %s\n", row->name, err.text);
			(*ret_failed)++;
		}
		removed += failed ? 0 : 1;
		(void)json_array_append_new(rows, entry);
	}
	buf_addf(out, "Done: %zu removed, %zu failed\n", removed, *ret_failed);
	return *ret_failed > 0 ? STATUS_FAILED : STATUS_OK;
}

int sandboxes_remove(
	const struct cmd_call *call, struct sandboxes *sandboxes, bool browser, bool force)
{
	bool as_json = cmd_common(call)->json;
	_cleanup_buf_ struct buf out = {0};
	_cleanup_buf_ struct buf which = {0};
	json_t *rows = json_array(), *object;
	size_t failed;
	int status = STATUS_OK, printed;

	if (sandboxes->list.count == 0) {
		buf_addf(&out, "No %s match.\n", noun(browser));
	} else {
		say_which(sandboxes, browser, &which);
		if (!force) {
			(void)!write(STDERR_FILENO, which.data, which.len);
		}
		if (force || sandboxes_confirm("Remove them?")) {
			status = remove_all(sandboxes, rows, &out, &failed);
		} else {
			buf_add_str(&out, "Cancelled.\n");
		}
	}
	object = json_pack("{s:o}", "containers", rows);
	printed = as_json ? print_json(call, object) : print_text(call, &out);
	json_decref(object);
	return status != STATUS_OK ? status : printed;
}
