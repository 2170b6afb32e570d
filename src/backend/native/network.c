/* SPDX-License-Identifier: MIT */
/*
 * Making a network namespace takes the kernel longer than all mounts of a sandbox together, and needs
 * nothing of them: a helper makes it meanwhile, on another processor if there is one.
 */
#include "backend/native/network.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"
#include "os/sys.h"

enum { STACK_SIZE = 64 * 1024 };

/*
 * The helper shares memory and descriptors with the process that waits for it, so that it costs no
 * copy and can leave the namespace's descriptor behind. It shares errno as well: it writes it only
 * when it fails, and then the start fails too. It calls nothing but the kernel.
 */
static struct {
	_Alignas(16) char stack[STACK_SIZE];
	int fd; /* of the namespace */
	int num; /* why not */
} shared;

static int helper(void *unused)
{
	int r;

	(void)unused;
	if (unshare(CLONE_NEWNET) < 0) {
		shared.num = errno;
		return 1;
	}
	r = sys_loopback_up();
	if (r < 0) {
		shared.num = -r;
		return 1;
	}
	shared.fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (shared.fd < 0) {
		shared.num = errno;
		return 1;
	}
	return 0;
}

int network_begin(struct network *network, struct error *err)
{
	shared.fd = FD_NONE;
	shared.num = 0;
	network->helper = clone(helper, shared.stack + STACK_SIZE,
		CLONE_VM | CLONE_FILES | CLONE_UNTRACED | SIGCHLD, NULL);
	return network->helper < 0 ? error_set(err, errno,
					     "cannot start the sandbox: making a network namespace")
				   : 0;
}

int network_join(struct network *network, struct error *err)
{
	int status;
	pid_t pid;

	do {
		pid = waitpid(network->helper, &status, 0);
	} while (pid < 0 && errno == EINTR);
	if (pid < 0 || status != 0 || shared.fd < 0) {
		return error_set(err, shared.num != 0 ? shared.num : EIO,
			"cannot start the sandbox: making a network namespace (layer netns)");
	}
	if (setns(shared.fd, CLONE_NEWNET) < 0) {
		return error_set(err, errno,
			"cannot start the sandbox: entering its network namespace (layer netns)");
	}
	(void)close(shared.fd);
	return 0;
}
