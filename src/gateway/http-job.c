/* SPDX-License-Identifier: MIT */
/* An exchange that waits for a tool or for the broker. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/own.h"
#include "gateway/http-internal.h"

struct job {
	struct http_exchange *x; /* NULL: the client is gone */
	struct gateway_call *call;
	struct gateway_ask *ask;
	int denied_status;
};

static struct job *job_new(struct http_exchange *x)
{
	struct job *job = xcalloc(1, sizeof(*job));

	job->x = x;
	return job;
}

/* What runs for a client that is gone is killed with its tree; what is in the background stays. */
static void on_gone(void *arg)
{
	struct job *job = arg;

	job->x = NULL;
	if (job->ask != NULL) {
		gateway_ask_forget(job->ask);
		free(job);
	} else if (job->call != NULL) {
		gateway_call_abort(job->call); /* its done frees the job */
	}
}

/* --- tools --- */

static void answer_failure(struct http_exchange *x, struct tool_result *result, int denied_status)
{
	const char *type = result->failure.type;
	int status = strcmp(type, TOOL_FAIL_DENIED) == 0 ? denied_status : gateway_status_of(type);
	json_t *error = http_failure_json(type, result->failure.message, result->failure.hint);

	if (result->details != NULL) {
		(void)json_object_set(error, "details", result->details);
	}
	if (status == 401) {
		http_exchange_add_header(x, "WWW-Authenticate", "Bearer");
	}
	http_exchange_reply_json(x, status, json_pack("{s:b, s:o}", "ok", 0, "error", error));
}

static void on_tool_done(void *arg, struct tool_result *result)
{
	struct job *job = arg;
	struct http_exchange *x = job->x;
	int denied_status = job->denied_status;

	free(job);
	if (x != NULL && result->failure.message != NULL) {
		answer_failure(x, result, denied_status);
	} else if (x != NULL) {
		json_t *object = json_object();

		(void)json_object_set(object, "content", result->content);
		(void)json_object_set_new(object, "details",
			result->details != NULL ? json_incref(result->details) : json_object());
		http_exchange_succeed(x, object);
	}
	tool_result_finish(result);
}

void http_exchange_call(struct http_exchange *x, const struct http_tool_call *call)
{
	struct job *job = job_new(x);
	struct gateway_call *started;

	job->denied_status = call->denied_status;
	http_exchange_on_close(x, on_gone, job);
	started = gateway_call_start(
		http_exchange_gateway(x), &(struct gateway_call_opts){
						  .caller = http_exchange_caller(x),
						  .agent = call->agent,
						  .session = call->session,
						  .tool = call->tool,
						  .args = call->args,
						  .done = on_tool_done,
						  .arg = job,
					  });
	json_decref(call->args);
	if (started != NULL) {
		job->call = started; /* else it is over, and the job freed */
	}
}

/* --- the broker --- */

static void on_answer(void *arg, const json_t *result, const struct gateway_failure *failure)
{
	struct job *job = arg;
	struct http_exchange *x = job->x;

	free(job);
	if (failure != NULL) {
		http_exchange_fail_as(x, failure);
	} else {
		http_exchange_succeed(x, json_incref((json_t *)(uintptr_t)result));
	}
}

void http_exchange_ask(struct http_exchange *x, const char *op, json_t *args)
{
	struct job *job = job_new(x);
	struct gateway_ask *ask;

	http_exchange_on_close(x, on_gone, job);
	ask = gateway_ask(
		http_exchange_gateway(x), http_exchange_caller(x), op, args, on_answer, job);
	if (ask != NULL) {
		job->ask = ask;
	}
}
