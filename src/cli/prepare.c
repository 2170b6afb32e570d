/* SPDX-License-Identifier: MIT */
#include "cli/prepare.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/own.h"

int prepare_config(const struct cmd_call *call, bool allow_invalid, struct config **ret)
{
	const struct common_args *common = cmd_common(call);
	struct config_request request = {.path = common->config, .brand = common->brand};
	_cleanup_config_ struct config *config = NULL;
	struct error err;

	if (common->brand != NULL && brand_by_name(common->brand) == NULL) {
		return fail(call, call->cmd->failed_status,
			&(struct failure){
				.code = CODE_USAGE,
				.message =
					"option '--brand' takes creel, openclaw, clawdbot, verso or "
					"equabot",
			});
	}
	if (config_env_from_process(&request.env, &err) < 0 ||
		config_load(&request, &config, &err) < 0) {
		return fail_error(call, call->cmd->failed_status, CODE_CONFIG_UNREADABLE, &err);
	}
	if (config->error_count > 0 && !allow_invalid) {
		return fail_config(call, call->cmd->failed_status, config);
	}
	*ret = TAKE_PTR(config);
	return 0;
}

int prepare_decision(const struct cmd_call *call, const struct config *config,
	const struct decide_request *request, struct decision **ret)
{
	struct error err;

	if (decide(config, request, ret, &err) < 0) {
		return fail_error(call, call->cmd->failed_status, CODE_REFUSED, &err);
	}
	return 0;
}

int prepare_directory(const struct cmd_call *call, const char *path, char **ret)
{
	_cleanup_free_ char *real = realpath(path, NULL);
	_cleanup_buf_ struct buf shown = {0};
	struct error err;
	struct stat st;
	int num;

	if (real != NULL && stat(real, &st) == 0 && S_ISDIR(st.st_mode)) {
		*ret = TAKE_PTR(real);
		return 0;
	}
	num = real != NULL ? ENOTDIR : errno;
	buf_add_escaped(&shown, path, strlen(path), 200);
	(void)error_set(&err, num, "cannot use the workspace '%s'", shown.data);
	return fail(call, call->cmd->failed_status,
		&(struct failure){
			.code = CODE_REFUSED,
			.message = err.text,
			.hint = num == ENOENT
					? "make the directory first, or name another one with "
					  "--workspace"
					: NULL,
		});
}
