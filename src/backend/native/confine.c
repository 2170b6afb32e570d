/* SPDX-License-Identifier: MIT */
/*
 * The first process's steps: the namespaces, the network, and what confines it. It shares its memory
 * with the builder and the starter, and errno with them: none of its calls may fail and the start go on.
 */
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/native/apply-internal.h"
#include "backend/native/facts.h"
#include "base/macro.h"
#include "base/own.h"
#include "native-seccomp.h"
#include "os/compat.h"
#include "os/sys.h"

enum {
	/* How long to wait for word from the builder before looking whether it lives. */
	NEWS_STEP_MS = 100,
	/* How often to ask before that: for about as long as it takes to be woken on another processor.
	 * What is waited for is nearly there, and nothing else can be done. */
	NEWS_TRIES = 200,
};

/* A starter without stdin would otherwise have its place taken by a descriptor of ours. */
static void fill_standard_descriptors(void)
{
	struct pollfd fds[] = {{.fd = 0}, {.fd = 1}, {.fd = 2}};

	/* One question for all three; a closed descriptor is an event that nobody has to ask for. */
	(void)poll(fds, 3, 0);
	for (int i = 0; i <= 2; i++) {
		if ((fds[i].revents & POLLNVAL) != 0) {
			(void)open("/dev/null", O_RDWR | O_CLOEXEC);
		}
	}
}

/* The kernel's struct sigaction, sigaction(2): SIG_DFL, no flags, no mask. */
static void reset_signal(int signo)
{
	static const uint64_t normal[4];

	(void)syscall(SYS_rt_sigaction, signo, normal, NULL, sizeof(uint64_t));
}

/* creel-init must not inherit ignored signals (signal(7)). */
static void reset_signals(void)
{
	for (int signo = 1; signo < _NSIG; signo++) {
		if (signo != SIGKILL && signo != SIGSTOP) {
			reset_signal(signo);
		}
	}
}

static int make_namespaces(int which, struct error *err)
{
	char why[200];
	int num;

	if (unshare(which) == 0) {
		return 0;
	}
	num = errno;
	facts_explain_clone(num, why, sizeof(why));
	return error_set(err, num, "cannot make the namespaces of a sandbox: %s", why);
}

int apply_begin(struct apply_context *context, struct error *err)
{
	err->num = 0;
	/* The parent is the starter or the keeper: either's death ends the sandbox. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) {
		return error_set(err, errno, "cannot start the sandbox: prctl");
	}
	umask(022); /* also what creel-init and its commands start with */
	/* Ignored, it would take the builder's end away from creel-init. */
	reset_signal(SIGCHLD);
	fill_standard_descriptors();
	if (make_namespaces(PLAN_UNSHARE_BEFORE, err) < 0) {
		return -err->num;
	}
	context->builder_fd = eventfd(0, EFD_SEMAPHORE | EFD_CLOEXEC);
	return context->builder_fd < 0 ? error_set(err, errno, "cannot start the sandbox: eventfd")
				       : 0;
}

/* Nothing but loopback, which is up. */
static int make_network(struct error *err)
{
	int r = make_namespaces(PLAN_UNSHARE_BESIDE, err);

	if (r < 0) {
		return r;
	}
	r = sys_loopback_up();
	return r < 0 ? error_set(err, -r,
			       "cannot start the sandbox: its loopback interface (layer netns)")
		     : 0;
}

/* The builder has news: the plan is complete, the new root is entered, or it failed. One that was
 * killed says nothing. */
static int await_news(struct apply_context *context, struct error *err)
{
	struct pollfd news = {.fd = context->builder_fd, .events = POLLIN};
	uint64_t one;

	for (int i = 0; i < NEWS_TRIES && poll(&news, 1, 0) <= 0; i++) {
	}
	while (news.revents == 0 && poll(&news, 1, NEWS_STEP_MS) <= 0) {
		if (waitpid(context->builder, NULL, WNOHANG) == context->builder) {
			return error_plain(err, EIO, "cannot start the sandbox: its builder died");
		}
	}
	if (read(context->builder_fd, &one, sizeof(one)) != (ssize_t)sizeof(one)) {
		return error_set(err, errno, "cannot start the sandbox: reading of its builder");
	}
	if (context->build_err.num != 0) {
		*err = context->build_err;
		return -err->num;
	}
	return 0;
}

static int do_await_root(struct apply *a, const struct plan_step *step)
{
	(void)step;
	return await_news(a->context, a->err);
}

static int do_become(struct apply *a, const struct plan_step *step)
{
	(void)step;
	if (apply_take_ids(a->plan, a->err) < 0) {
		return -a->err->num;
	}
	/* After the change of ids, which clears it. A parent that died before this line is noticed by
	 * creel-init as the end of its stream. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) {
		return error_set(a->err, errno, "cannot start the sandbox: prctl");
	}
	return 0;
}

static int do_rlimit(struct apply *a, const struct plan_step *step)
{
	struct rlimit64 limit = {.rlim_cur = step->soft, .rlim_max = step->hard};

	if (prlimit64(0, step->mode, &limit, NULL) < 0) {
		return error_set(a->err, errno,
			"cannot start the sandbox: setting the limit %s to %llu%s%s%s",
			step->source, (unsigned long long)step->hard, step->key != NULL ? " (" : "",
			step->key != NULL ? step->key : "", step->key != NULL ? ")" : "");
	}
	return 0;
}

/* Descriptors: null on 0-2, the stream on 3, every other one closed by exec. Seccomp and
 * Landlock are in force by now and let all of this through. */
static int arrange_descriptors(struct apply *a)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int r;

	if (null < 0) {
		return error_set(a->err, errno, "cannot start the sandbox: /dev/null");
	}
	for (int fd = 0; fd <= 2; fd++) {
		if (dup3(null, fd, 0) < 0) {
			return error_set(a->err, errno, "cannot start the sandbox: dup3");
		}
	}
	/* Now, not at the end of the function: it may well be descriptor 3. */
	(void)close(null);
	/* launch_make_pair() keeps both sockets off 0-3; what else is on 3 is of no more use, not to the
	 * builder either, whose table of descriptors this is until exec. */
	if (a->context->stream_fd == 3) {
		r = apply_no(fcntl(3, F_SETFD, 0));
	} else if (a->context->stream_fd >= 0) {
		r = apply_no(dup3(a->context->stream_fd, 3, 0));
	} else {
		r = 0;
	}
	if (r == 0) {
		unsigned first = a->context->stream_fd >= 0 ? 4 : 3;

		r = sys_close_range(first, ~0U, CLOSE_RANGE_CLOEXEC);
	}
	return r < 0 ? error_set(a->err, -r, "cannot start the sandbox: closing descriptors") : 0;
}

static int do_exec(struct apply *a, const struct plan_step *step)
{
	static const char *const with_stream[] = {
		"creel-init", "--plain-signals", "--join", "--fd", "3", NULL};
	static const char *const with_dir[] = {
		"creel-init", "--plain-signals", "--join", "--dir", "/run/creel", NULL};
	static const char *const no_env[] = {NULL};
	const char *const *argv = a->context->stream_fd >= 0 ? with_stream : with_dir;
	char path[64];

	if (arrange_descriptors(a) < 0) {
		return -a->err->num;
	}
	(void)snprintf(path, sizeof(path), "/%s", step->target);
	/* The casts: execve(2) changes neither strings nor arrays, its prototype is older than const. */
	(void)execve(path, (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)no_env);
	return error_set(a->err, errno, "cannot start the sandbox: executing creel-init");
}

static int do_bounding(struct apply *a, const struct plan_step *step)
{
	int r = sys_limit_capabilities(step->mode);

	return r < 0 ? apply_fail(a, step, r, "limiting the capabilities of") : 0;
}

static int do_no_new_privs(struct apply *a, const struct plan_step *step)
{
	int r = apply_no(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));

	return r < 0 ? apply_fail(a, step, r, "setting no_new_privs for") : 0;
}

/* The listener leaves us before anything is executed: whoever has it may let a refused call go on. */
static int send_listener(const struct apply *a, int listener_fd)
{
	char one = 1;
	struct iovec iov = {.iov_base = &one, .iov_len = 1};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} rights;
	struct msghdr message = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &rights,
		.msg_controllen = sizeof(rights)};

	rights.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
		.cmsg_len = CMSG_LEN(sizeof(int))};
	memcpy(CMSG_DATA(&rights.header), &listener_fd, sizeof(listener_fd));
	return sendmsg(a->context->control_fd, &message, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

static int install_filter(const struct apply *a)
{
	_cleanup_close_ int listener_fd = FD_NONE;

	if (a->context->listen) {
		listener_fd = sys_seccomp_listen(
			seccomp_filter_telling, ARRAY_SIZE(seccomp_filter_telling));
		if (listener_fd >= 0) {
			return send_listener(a, listener_fd);
		}
		/* Somebody listens to a filter on us already, and there can be one alone: as in some
		 * containers. This is the one failure after which the start goes on. */
		if (listener_fd != -EBUSY) {
			return listener_fd;
		}
	}
	return sys_seccomp_filter(seccomp_filter, ARRAY_SIZE(seccomp_filter));
}

static int do_seccomp(struct apply *a, const struct plan_step *step)
{
	int r = install_filter(a);

	return r < 0 ? apply_fail(a, step, r, "installing the seccomp filter for") : 0;
}

static int do_landlock(struct apply *a, const struct plan_step *step)
{
	int r = sys_landlock_restrict(a->context->ruleset_fd);

	return r < 0 ? apply_fail(a, step, r, "applying Landlock to") : 0;
}

static int do_capabilities(struct apply *a, const struct plan_step *step)
{
	int r = sys_drop_capabilities();

	return r < 0 ? apply_fail(a, step, r, "dropping capabilities of") : 0;
}

static int do_hostname(struct apply *a, const struct plan_step *step)
{
	return sethostname(step->source, strlen(step->source)) < 0
		       ? apply_fail(a, step, -errno, "setting the host name of")
		       : 0;
}

/* It came before the plan was there. */
static int do_network(struct apply *a, const struct plan_step *step)
{
	(void)a;
	(void)step;
	return 0;
}

/* The builder has the others. */
static int (*const confine_steps[STEP_COUNT_])(struct apply *a, const struct plan_step *step) = {
	[STEP_NETWORK] = do_network,
	[STEP_HOSTNAME] = do_hostname,
	[STEP_BOUNDING] = do_bounding,
	[STEP_NO_NEW_PRIVS] = do_no_new_privs,
	[STEP_SECCOMP] = do_seccomp,
	[STEP_AWAIT_ROOT] = do_await_root,
	[STEP_BECOME] = do_become,
	[STEP_RLIMIT] = do_rlimit,
	[STEP_LANDLOCK] = do_landlock,
	[STEP_CAPABILITIES] = do_capabilities,
	[STEP_EXEC] = do_exec,
};

int apply_confine(struct apply_context *context, struct error *err)
{
	struct apply a = {
		.context = context,
		.plan = context->plan,
		.root_fd = FD_NONE,
		.err = err,
	};
	int r = make_network(err);

	if (r == 0) {
		reset_signals();
		r = await_news(context, err);
	}
	if (r < 0) {
		return r;
	}
	err->num = 0;
	for (size_t i = 0; i < context->plan->step_count; i++) {
		const struct plan_step *step = &context->plan->steps[i];

		r = step_is_builders(step->kind) ? 0 : confine_steps[step->kind](&a, step);
		if (r < 0) {
			return r;
		}
	}
	return error_plain(err, EINVAL, "the plan ends without executing anything");
}
