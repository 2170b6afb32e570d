/* SPDX-License-Identifier: MIT */
/* creel config migrate: an old configuration in the present layout. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/own.h"
#include "cli/prepare.h"
#include "cli/table.h"

enum { READ_CHUNK = 64 * 1024 };

struct migrate_args {
	struct common_args common;
	bool write;
};

static const struct cmd_option options[] = {
	{"write", 'w', NULL, OPTION_FLAG, offsetof(struct migrate_args, write),
		"change the file, and keep the old one beside it with .bak at its name"},
};

static int read_file(const char *path, struct buf *ret, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		return error_set(err, errno, "cannot read %s", path);
	}
	if (!S_ISREG(st.st_mode)) {
		return error_plain(err, EINVAL, "cannot read %s: it is not a regular file", path);
	}
	buf_init(ret, LIMIT_CONFIG_BYTES);
	for (;;) {
		char *room = buf_reserve(ret, READ_CHUNK);
		ssize_t n = room != NULL ? read(fd, room, READ_CHUNK) : 0;

		if (room == NULL) {
			return error_plain(err, EFBIG, "%s is larger than 16 MiB", path);
		}
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return error_set(err, errno, "cannot read %s", path);
		}
		if (n == 0) {
			return 0;
		}
		buf_commit(ret, (size_t)n);
	}
}

/* path.bak, or path.bak.1, ...: whatever is free. link(2) fails where something stands, so no
 * backup is ever overwritten. */
static int keep_backup(const char *path, char **ret_backup, struct error *err)
{
	for (int i = 0; i < 100; i++) {
		_cleanup_free_ char *backup =
			i == 0 ? xasprintf("%s.bak", path) : xasprintf("%s.bak.%d", path, i);

		if (link(path, backup) == 0) {
			*ret_backup = TAKE_PTR(backup);
			return 0;
		}
		if (errno != EEXIST) {
			return error_set(err, errno, "cannot keep a backup as %s", backup);
		}
	}
	return error_plain(err, EEXIST, "there are 100 backups of %s already", path);
}

static int write_and_close(int adopt_fd, const struct stat *like, const char *text)
{
	_cleanup_close_ int fd = adopt_fd;
	size_t len = strlen(text);

	/* Who could read the old file can read the new one, and nobody else. */
	if (fchown(fd, like->st_uid, like->st_gid) < 0 && errno != EPERM) {
		return -errno;
	}
	if (fchmod(fd, like->st_mode & 07777) < 0) {
		return -errno;
	}
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return -errno;
		}
		text += n;
		len -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* All of the new text or all of the old: a temporary file in the same folder, renamed over it. */
static int replace_file(const char *path, const char *text, struct error *err)
{
	_cleanup_free_ char *temporary = xasprintf("%s.XXXXXX", path);
	struct stat like;
	int fd, r;

	if (stat(path, &like) < 0) {
		return error_set(err, errno, "cannot look at %s", path);
	}
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0) {
		return error_set(err, errno, "cannot write beside %s", path);
	}
	r = write_and_close(fd, &like, text);
	if (r == 0 && rename(temporary, path) < 0) {
		r = -errno;
	}
	if (r < 0) {
		(void)unlink(temporary);
		return error_set(err, -r, "cannot replace %s", path);
	}
	return 0;
}

struct outcome {
	const char *path;
	char *text; /* NULL: nothing to do */
	char *backup; /* NULL: not written */
	struct strv moved;
};

/* The file itself is replaced, not a symbolic link that leads to it, and only while it still holds
 * the text that was read. */
static int write_outcome(
	const struct outcome *outcome, const struct buf *old, char **ret_backup, struct error *err)
{
	_cleanup_free_ char *real = realpath(outcome->path, NULL);
	_cleanup_free_ char *backup = NULL;
	_cleanup_buf_ struct buf now = {0};
	int r;

	if (real == NULL) {
		return error_set(err, errno, "cannot find %s", outcome->path);
	}
	r = keep_backup(real, &backup, err);
	if (r < 0) {
		return r;
	}
	/* The backup is another name of the file: what it holds is what would be replaced. */
	r = read_file(backup, &now, err);
	if (r == 0 && (now.len != old->len || now.data == NULL || old->data == NULL ||
			      memcmp(now.data, old->data, old->len) != 0)) {
		r = error_plain(err, EAGAIN, "%s was changed meanwhile; try again", real);
	}
	if (r == 0) {
		r = replace_file(real, outcome->text, err);
	}
	if (r < 0) {
		(void)unlink(backup);
		return r;
	}
	*ret_backup = TAKE_PTR(backup);
	return 0;
}

static int print_outcome_json(const struct cmd_call *call, const struct outcome *outcome)
{
	json_t *object = json_object(), *moved = json_array();
	int status;

	for (size_t i = 0; i < outcome->moved.count; i++) {
		json_array_append_new(moved, json_string(outcome->moved.items[i]));
	}
	json_object_set_new(object, "path", json_string(outcome->path));
	json_object_set_new(object, "changed", json_boolean(outcome->text != NULL));
	json_object_set_new(object, "moved", moved);
	json_object_set_new(object, "backup",
		outcome->backup != NULL ? json_string(outcome->backup) : json_null());
	json_object_set_new(object, "text",
		outcome->text != NULL && outcome->backup == NULL ? json_string(outcome->text)
								 : json_null());
	status = print_json(call, object);
	json_decref(object);
	return status;
}

static int print_outcome(const struct cmd_call *call, const struct outcome *outcome)
{
	_cleanup_buf_ struct buf out = {0};

	if (outcome->text == NULL) {
		buf_addf(&out, "%s is in the present layout already\n", outcome->path);
	} else if (outcome->backup == NULL) {
		buf_add_str(&out, outcome->text);
	} else {
		buf_addf(&out, "changed %s, the old text is in %s\n", outcome->path,
			outcome->backup);
		for (size_t i = 0; i < outcome->moved.count; i++) {
			buf_addf(&out, "    %s\n", outcome->moved.items[i]);
		}
	}
	return print_text(call, &out);
}

/* The file to work on: the operand, or what every command would read. */
static int find_path(const struct cmd_call *call, struct config **ret_config, const char **ret)
{
	int status;

	if (call->operand_count > 0) {
		*ret = call->operands[0];
		return STATUS_OK;
	}
	status = prepare_config(call, true, ret_config);
	if (status != STATUS_OK) {
		return status;
	}
	*ret = (*ret_config)->path;
	if (*ret == NULL) {
		return fail(call, STATUS_FAILED,
			&(struct failure){
				.code = CODE_NOT_FOUND,
				.message = "there is no configuration file to migrate",
				.hint = "name one: creel config migrate FILE",
			});
	}
	return STATUS_OK;
}

static int run(const struct cmd_call *call)
{
	const struct migrate_args *args = call->args;
	_cleanup_config_ struct config *config = NULL;
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_buf_ struct buf text = {0};
	_cleanup_free_ char *backup = NULL;
	struct outcome outcome = {0};
	struct error err;
	int status = find_path(call, &config, &outcome.path);

	if (status != STATUS_OK) {
		return status;
	}
	if (read_file(outcome.path, &text, &err) < 0 ||
		config_migrate_text(outcome.path, text.data != NULL ? text.data : "", text.len,
			&outcome.text, &outcome.moved, &arena, &err) < 0) {
		return fail_error(call, STATUS_FAILED, CODE_CONFIG_UNREADABLE, &err);
	}
	if (args->write && outcome.text != NULL) {
		if (write_outcome(&outcome, &text, &backup, &err) < 0) {
			return fail_error(call, STATUS_FAILED, CODE_IO, &err);
		}
		outcome.backup = backup;
	}
	return args->common.json ? print_outcome_json(call, &outcome)
				 : print_outcome(call, &outcome);
}

const struct cmd cmd_config_migrate = {
	.name = "config migrate",
	.summary = "bring an old configuration into the present layout",
	.operands = "[FILE]",
	.max_operands = 1,
	.failed_status = STATUS_FAILED,
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.args_size = sizeof(struct migrate_args),
	.description =
		"Prints the configuration with old keys (agent.*, routing.*) moved to their present "
		"places; comments stay. With --write the file is replaced.",
	.run = run,
};
