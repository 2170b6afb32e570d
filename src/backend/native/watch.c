/* SPDX-License-Identifier: MIT */
/* Refuses what the filter refuses, and says so. */
#include "backend/native/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/own.h"
#include "os/sys.h"

enum {
	/* Whose call it was takes some reads in /proc: work outside of the sandbox's limits. A program
	 * that makes more than this is told about less. */
	LOOKS_PER_SECOND = 100,
	MAX_PARENTS = 64,
	STATUS_SIZE = 4096,
};

bool watch_is_possible(void)
{
	uint32_t action = SECCOMP_RET_USER_NOTIF;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

/* The last number in a line of /proc/PID/status: in "NStgid:\t4711\t12", that in the sandbox. 0: none. */
static uint32_t last_number(const char *text, const char *line)
{
	const char *at = strstr(text, line);
	const char *end;

	if (at == NULL) {
		return 0;
	}
	end = at + 1 + strcspn(at + 1, "\n");
	while (end > at && end[-1] != '\t') {
		end--;
	}
	return (uint32_t)num_leading_u64(end);
}

/* The command in whose tree this task is: the ancestor that creel-init started, by its number in the
 * sandbox. 0: unknown. The task waits for our answer, so that it cannot go away meanwhile unless it is
 * killed. */
static uint32_t command_of(pid_t init, uint32_t task)
{
	char status[STATUS_SIZE];
	char path[40];

	for (int i = 0; i < MAX_PARENTS && task > 1; i++) {
		uint32_t parent;

		(void)snprintf(path, sizeof(path), "/proc/%u/status", task);
		if (sys_read_file(AT_FDCWD, path, status, sizeof(status)) <= 0) {
			return 0;
		}
		parent = last_number(status, "\nPPid:");
		if (parent == (uint32_t)init) {
			return last_number(status, "\nNStgid:");
		}
		task = parent;
	}
	return 0;
}

static bool is_news(struct watch *w, const struct seccomp_notif *call)
{
	uint64_t second = clock_now_ns() / NS_PER_S;

	for (size_t i = 0; i < WATCH_RECENT; i++) {
		if (w->recent[i].pid == call->pid && w->recent[i].number == call->data.nr) {
			return false;
		}
	}
	if (second != w->second) {
		w->second = second;
		w->in_second = 0;
	}
	if (++w->in_second > LOOKS_PER_SECOND) {
		return false;
	}
	w->recent[w->recent_at].pid = call->pid;
	w->recent[w->recent_at].number = call->data.nr;
	w->recent_at = (w->recent_at + 1) % WATCH_RECENT;
	return true;
}

static void tell(struct watch *w, const struct seccomp_notif *call)
{
	struct denial_event event = {
		.sequence = ++w->sequence,
		.pid = command_of(w->init, call->pid),
		.number = call->data.nr,
		.args = {call->data.args[0], call->data.args[1], call->data.args[2]},
	};

	denial_ring_add(w->ring_fd, &event);
}

/* As the filter itself answers where nobody listens. */
static int refusal_of(const struct seccomp_data *call)
{
	uint32_t family = (uint32_t)call->args[0];
	bool known = family == AF_UNIX || family == AF_INET || family == AF_INET6 ||
		     family == AF_NETLINK;

	if (call->nr == SYS_socketpair || (call->nr == SYS_socket && !known)) {
		return EAFNOSUPPORT;
	}
	return EPERM;
}

void watch_answer(struct watch *w)
{
	/* The kernel's structs may be longer than those that we know, seccomp_unotify(2). */
	union {
		struct seccomp_notif call;
		char space[512];
	} in;
	union {
		struct seccomp_notif_resp answer;
		char space[512];
	} out;

	(void)memset(&in, 0, sizeof(in));
	(void)memset(&out, 0, sizeof(out));
	/* Fails when the caller was killed since it asked. */
	if (ioctl(w->listener_fd, SECCOMP_IOCTL_NOTIF_RECV, &in) < 0) {
		return;
	}
	/* First the event: who waits for the caller's end finds it there. */
	if (is_news(w, &in.call)) {
		tell(w, &in.call);
	}
	out.answer.id = in.call.id;
	out.answer.error = -refusal_of(&in.call.data);
	(void)ioctl(w->listener_fd, SECCOMP_IOCTL_NOTIF_SEND, &out);
}
