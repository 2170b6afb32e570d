/* SPDX-License-Identifier: MIT */
/*
 * One image in a confined process. The libraries take a file from a sandbox apart, with a history of
 * memory errors: whoever takes this process over can read and write one socket and burn 20 s.
 */
#include "image/worker.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/macro.h"
#include "base/own.h"
#include "image/shrink.h"
#include "os/compat.h"
#include "os/sys.h"

#if defined(__x86_64__)
#	define TARGET_AUDIT AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#	define TARGET_AUDIT AUDIT_ARCH_AARCH64
#else
#	error "this architecture has no system call filter here yet"
#endif

static int confine_files(void)
{
	int abi = sys_landlock_abi();
	uint64_t rights = (LL_FS_MAKE_SYM << 1) - 1;
	_cleanup_close_ int ruleset_fd = FD_NONE;

	if (abi < 0) {
		return 0; /* the filter of the child allows no file either */
	}
	rights |= abi >= 2 ? LL_FS_REFER : 0;
	rights |= abi >= 3 ? LL_FS_TRUNCATE : 0;
	rights |= abi >= 5 ? LL_FS_IOCTL_DEV : 0;
	ruleset_fd = sys_landlock_create(
		rights, abi >= 6 ? LL_SCOPE_ABSTRACT_UNIX | LL_SCOPE_SIGNAL : 0, abi);
	return ruleset_fd < 0 ? ruleset_fd : sys_landlock_restrict(ruleset_fd);
}

int worker_confine_service(void)
{
	int r = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;

	if (r == 0) {
		r = confine_files();
	}
	if (r == 0 && sys_has_capability(CAP_SETPCAP)) {
		r = sys_drop_capabilities();
	}
	return r;
}

static int limit(__rlimit_resource_t what, rlim_t value)
{
	return setrlimit(what, &(struct rlimit){value, value}) < 0 ? -errno : 0;
}

static int confine_resources(void)
{
	int r = limit(RLIMIT_AS, LIMIT_IMAGE_MEMORY);

	r = r < 0 ? r : limit(RLIMIT_CPU, LIMIT_IMAGE_CPU_S);
	r = r < 0 ? r : limit(RLIMIT_NPROC, 0);
	r = r < 0 ? r : limit(RLIMIT_NOFILE, 0);
	r = r < 0 ? r : limit(RLIMIT_FSIZE, 0);
	r = r < 0 ? r : limit(RLIMIT_CORE, 0);
	(void)alarm(LIMIT_IMAGE_WALL_S);
	return r;
}

#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define KILL BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
#define ALLOW_CALL(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##name, 0, 1), ALLOW
/* The low half of the third argument, where both calls have the protection. */
#define ALLOW_UNLESS_EXECUTABLE(name)                                          \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##name, 0, 4), LOAD(args[2]), \
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1), KILL, ALLOW

static int confine_calls(void)
{
	/* What an allocator does, one socket, the end. No file, no process, no signal, no clock. */
	static const struct sock_filter filter[] = {
		LOAD(arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TARGET_AUDIT, 1, 0),
		KILL,
		LOAD(nr),
		ALLOW_CALL(read),
		ALLOW_CALL(write),
		ALLOW_CALL(brk),
		ALLOW_CALL(munmap),
		ALLOW_CALL(mremap),
		ALLOW_CALL(madvise),
		ALLOW_CALL(getrandom), /* malloc(3) of glibc 2.36 */
		ALLOW_CALL(exit_group),
		ALLOW_UNLESS_EXECUTABLE(mmap),
		ALLOW_UNLESS_EXECUTABLE(mprotect),
		KILL,
	};

	return sys_seccomp_filter(filter, ARRAY_SIZE(filter));
}

static bool read_all(int fd, void *ret, size_t len)
{
	uint8_t *at = ret;

	while (len > 0) {
		ssize_t n = read(fd, at, len);

		if (n <= 0) {
			return false;
		}
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static bool write_all(int fd, const void *data, size_t len)
{
	const uint8_t *at = data;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n <= 0) {
			return false;
		}
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static bool answer(int fd, const struct image_reply *reply, const void *data)
{
	_cleanup_buf_ struct buf head = {0};

	image_reply_add(&head, reply);
	return write_all(fd, head.data, head.len) && write_all(fd, data, reply->len);
}

static bool answer_failure(int fd, const struct error *err)
{
	size_t len = strnlen(err->text, IMAGE_TEXT_MAX);

	return answer(fd, &(struct image_reply){.errnum = (uint32_t)err->num, .len = (uint32_t)len},
		err->text);
}

static bool serve(int fd)
{
	_cleanup_(image_shrunk_finish) struct image_shrunk image = {0};
	_cleanup_buf_ struct buf file = {0};
	uint8_t head[IMAGE_REQUEST_SIZE];
	struct image_request request;
	struct error err;

	if (!read_all(fd, head, sizeof(head)) || image_request_get(head, &request, &err) < 0 ||
		!read_all(fd, buf_reserve(&file, request.len), request.len)) {
		return false;
	}
	buf_commit(&file, request.len);
	if (image_shrink(file.data, file.len, &request.bounds, &image, &err) < 0) {
		return answer_failure(fd, &err);
	}
	return answer(fd,
		&(struct image_reply){
			.width = image.width,
			.height = image.height,
			.source_width = image.source_width,
			.source_height = image.source_height,
			.animated = image.animated,
			.mime = image.mime,
			.len = (uint32_t)image.data.len,
		},
		image.data.data);
}

void worker_run(int fd)
{
	struct error err;
	int r = confine_resources();

	if (r == 0) {
		r = confine_calls();
	}
	if (r < 0) {
		/* Nothing is decoded outside: a kernel without seccomp attaches what fits already. */
		(void)error_set(&err, -r, "creel-image cannot confine itself");
		_exit(answer_failure(fd, &err) ? 1 : 2);
	}
	_exit(serve(fd) ? 0 : 1);
}
