/* SPDX-License-Identifier: MIT */
/*
 * creel-init as a whole for AFL++ (scripts/fuzz-afl), in persistent mode: what its main() does, from
 * closing descriptors to killing what is left, with a gateway that says the input and hangs up.
 * It lives in an empty directory, as nobody, in a pid namespace that the script makes: file tools work
 * on that directory, programs are not found, and a signal reaches nothing else.
 */
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>

#define main init_main
/* Its parts, which no header has. */
#include "init/main.c" /* NOLINT(bugprone-suspicious-include) */
#undef main

enum { INPUT_MAX = 100000, NOBODY = 65534, INPUTS_PER_PROCESS = 1000 };

__AFL_FUZZ_INIT();

/* The host's files are out of reach from here on. */
static bool leave_the_host(void)
{
	char place[] = "/tmp/creel-afl-XXXXXX";
	const char *made = mkdtemp(place);
	int fd;

	if (made == NULL || chmod(made, 0755) < 0 ||
		(geteuid() != 0 && unshare(CLONE_NEWUSER) < 0) || chdir(made) < 0 ||
		chroot(".") < 0 || mkdir("dev", 0755) < 0) {
		return false;
	}
	/* An ordinary file does for what is written to /dev/null. */
	fd = open("dev/null", O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	(void)fchmod(fd, 0666);
	(void)mkdir("w", 0777);
	(void)chmod("w", 0777);
	(void)close(fd);
	if (geteuid() == 0 && (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)) {
		return false;
	}
	return chdir("w") == 0;
}

/* Descriptor 0 is the gateway's end: creel-init leaves 0 to 2 alone and closes all others. */
static int make_stream(const unsigned char *data, size_t size)
{
	struct wire_welcome welcome = {.version = WIRE_VERSION};
	_cleanup_buf_ struct buf say = {0};
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0) {
		return FD_NONE;
	}
	if ((data[0] & 1) == 0) {
		frame_add_welcome(&say, &welcome);
	}
	buf_add(&say, data + 1, size - 1);
	(void)send(fds[0], say.data, say.len, MSG_NOSIGNAL);
	(void)shutdown(fds[0], SHUT_WR);
	(void)dup2(fds[0], 0);
	return fds[1];
}

static void live(const unsigned char *data, size_t size)
{
	struct init init = {.next_stream = 1};
	struct options options = {.fd = make_stream(data, size), .once = true};
	struct error err;
	sigset_t set;

	if (options.fd < 3 || open_signals(&set, true) < 0) {
		abort();
	}
	close_others(options.fd);
	if (open_standard(&init.null_fd) < 0) {
		abort();
	}
	init.environ = (const char *const *)environ;
	(void)run(&init, &options, &set, &err);
	kill_everything(&init);
}

int main(void)
{
	/* First, while the memory that it shares with afl-fuzz may be reached. */
	__AFL_INIT();
	const unsigned char *data = __AFL_FUZZ_TESTCASE_BUF;

	if (!leave_the_host()) {
		return EXIT_FAILURE;
	}
	while (__AFL_LOOP(INPUTS_PER_PROCESS)) {
		int size = __AFL_FUZZ_TESTCASE_LEN;

		if (size > 0 && size <= INPUT_MAX) {
			live(data, (size_t)size);
		}
	}
	return EXIT_SUCCESS;
}
