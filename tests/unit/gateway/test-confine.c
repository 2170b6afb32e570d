/* SPDX-License-Identifier: MIT */
/* What a front that was taken over can still do: with the very confinement that the front applies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../scratch.h"
#include "gateway/confine.h"

/* What a parent has prepared: a directory with a file, and a socket that listens, as an engine does. */
struct stage {
	char dir[SCRATCH_PATH_SIZE], file[96], socket[96];
	int listener, unconnected, pair[2];
};

static int set_up(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd;

	assert_non_null(s);
	scratch_make(s->dir, "confine");
	(void)snprintf(s->file, sizeof(s->file), "%s/creel.json", s->dir);
	(void)snprintf(s->socket, sizeof(s->socket), "%s/engine.sock", s->dir);
	fd = open(s->file, O_WRONLY | O_CREAT, 0666);
	assert_true(fd >= 0);
	(void)close(fd);
	s->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	(void)memcpy(name.sun_path, s->socket, strlen(s->socket));
	assert_int_equal(bind(s->listener, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(listen(s->listener, 4), 0);
	s->unconnected = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s->pair), 0);
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct stage *s = *state;

	scratch_remove(s->dir);
	(void)close(s->listener);
	(void)close(s->unconnected);
	(void)close(s->pair[0]);
	(void)close(s->pair[1]);
	free(s);
	return 0;
}

/* In a child that is confined. 0: the attempt failed; else its number. */
static int attempt(const struct stage *s)
{
	static char *const argv[] = {(char *)(uintptr_t) "true", NULL};
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	void *page;

	(void)memcpy(name.sun_path, s->socket, strlen(s->socket));
	if (open(s->file, O_RDONLY) >= 0 || open(s->dir, O_RDONLY | O_DIRECTORY) >= 0 ||
		open("/proc/self/status", O_RDONLY) >= 0 || open("/etc/passwd", O_RDONLY) >= 0) {
		return 1;
	}
	if (syscall(SYS_openat, AT_FDCWD, s->file, O_RDONLY) >= 0 ||
		syscall(SYS_openat2, AT_FDCWD, s->file, NULL, 0) >= 0 || unlink(s->file) == 0 ||
		rename(s->file, s->socket) == 0) {
		return 2;
	}
	if (socket(AF_UNIX, SOCK_STREAM, 0) >= 0 || socket(AF_INET, SOCK_STREAM, 0) >= 0 ||
		connect(s->unconnected, (struct sockaddr *)&name, sizeof(name)) == 0 ||
		bind(s->unconnected, (struct sockaddr *)&name, sizeof(name)) == 0) {
		return 3;
	}
	(void)execve("/bin/true", argv, NULL);
	if (syscall(SYS_execveat, s->pair[0], "", argv, NULL, 0) == 0 || fork() >= 0 ||
		syscall(SYS_clone3, NULL, 0) >= 0) {
		return 4;
	}
	if (kill(getppid(), 0) == 0 || ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0 ||
		syscall(SYS_pidfd_open, getppid(), 0) >= 0 ||
		syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0) >= 0) {
		return 5;
	}
	/* Other names of kill(2) and of typing into a terminal. */
	if (fcntl(s->pair[0], F_SETOWN, getppid()) == 0 || fcntl(s->pair[0], F_SETSIG, 9) == 0 ||
		ioctl(s->pair[0], FIOASYNC, &(int){1}) == 0 || ioctl(2, TIOCSTI, "x") == 0) {
		return 6;
	}
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED || mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0 ||
		mmap(NULL, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED) {
		return 7;
	}
	if (setuid(0) == 0 || syscall(SYS_io_uring_setup, 1, NULL) >= 0 ||
		syscall(SYS_memfd_create, "x", 0) >= 0 || syscall(SYS_unshare, 0) >= 0 ||
		syscall(SYS_setns, 0, 0) >= 0 || syscall(SYS_mount, "", "", "", 0, "") >= 0) {
		return 8;
	}
	return 0;
}

static int run_confined(const struct stage *s, int (*fn)(const struct stage *s))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct error err;

		_exit(front_confine(&err) == 0 ? fn(s) : 99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status)) {
		print_message("signal %d\n", WTERMSIG(status));
		return -1;
	}
	return WEXITSTATUS(status);
}

static void nothing_can_be_reached(void **state)
{
	assert_int_equal(run_confined(*state, attempt), 0);
}

/* The same attempts do something where nothing confines: this test could fail. */
static void without_it_they_succeed(void **state)
{
	const struct stage *s = *state;
	int fd = open(s->file, O_RDONLY);

	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(kill(getpid(), 0), 0);
	assert_int_not_equal(attempt(s), 0);
}

/* What the front lives by. */
static int work(const struct stage *s)
{
	char c = 0;
	int copy = fcntl(s->pair[0], F_DUPFD_CLOEXEC, 3), pair[2];
	void *big = malloc(16 * 1024 * 1024);

	if (big == NULL || copy < 0 || write(copy, "x", 1) != 1 || read(s->pair[1], &c, 1) != 1 ||
		c != 'x') {
		return 1;
	}
	free(big);
	if (fcntl(copy, F_SETFL, O_NONBLOCK) < 0 || recv(copy, &c, 1, 0) >= 0 || errno != EAGAIN) {
		return 2;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 || close(pair[0]) < 0) {
		return 3;
	}
	return accept4(s->listener, NULL, NULL, SOCK_NONBLOCK) < 0 && errno == EPERM ? 4 : 0;
}

static void what_it_needs_is_there(void **state)
{
	const struct stage *s = *state;

	assert_int_equal(fcntl(s->listener, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(run_confined(s, work), 0);
}

/* --- every other system call --- */

enum {
	CALLS_END = 512
}; /* numbers of this architecture end below; new ones are refused like these */

/* What strace(1) saw of a front at work, and what libc's malloc, abort and exit need. */
static const int used[] = {
	__NR_read,
	__NR_readv,
	__NR_pread64,
	__NR_write,
	__NR_writev,
	__NR_recvfrom,
	__NR_recvmsg,
	__NR_sendto,
	__NR_sendmsg,
	__NR_accept4,
	__NR_shutdown,
	__NR_close,
	__NR_fstat,
	__NR_lseek,
	__NR_setsockopt,
	__NR_getsockopt,
	__NR_getsockname,
	__NR_getpeername,
	__NR_dup,
	__NR_dup3,
	__NR_epoll_ctl,
	__NR_epoll_pwait,
	__NR_ppoll,
	__NR_clock_gettime,
	__NR_gettimeofday,
	__NR_getrandom,
	__NR_restart_syscall,
	__NR_rt_sigreturn,
	__NR_rt_sigprocmask,
	__NR_brk,
	__NR_munmap,
	__NR_mremap,
	__NR_madvise,
	__NR_futex,
	__NR_exit,
	__NR_exit_group,
	__NR_getpid,
	__NR_gettid,
#ifdef __NR_dup2
	__NR_dup2,
#endif
#ifdef __NR_epoll_wait
	__NR_epoll_wait,
#endif
#ifdef __NR_poll
	__NR_poll,
#endif
#ifdef __x86_64__
	/* uretprobe and uprobe: no filter sees them, and from anywhere but the kernel's own trampolines
	 * they end in SIGILL. */
	335,
	336,
#endif
};

static bool is_used(int number)
{
	for (size_t i = 0; i < sizeof(used) / sizeof(*used); i++) {
		if (used[i] == number) {
			return true;
		}
	}
	return false;
}

/* Number plus one of the first that got through; those that depend on an argument get another one. */
static int call_everything(const struct stage *s)
{
	(void)s;
	for (int number = 0; number < CALLS_END; number++) {
		errno = 0;
		if (!is_used(number) &&
			(syscall(number, -1L, -1L, -1L, -1L, -1L, -1L) != -1 || errno != EPERM)) {
			(void)dprintf(STDERR_FILENO, "system call %d is not refused\n", number);
			return 1;
		}
	}
	return 0;
}

static void every_other_call_is_refused(void **state)
{
	assert_int_equal(run_confined(*state, call_everything), 0);
}

#ifdef __x86_64__
static int call_by_other_numbers(const struct stage *s)
{
	(void)s;
	return (int)syscall(0x40000000L | __NR_getpid);
}

static void other_numberings_are_deadly(void **state)
{
	assert_int_equal(run_confined(*state, call_by_other_numbers), -1);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_can_be_reached, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_it_they_succeed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_it_needs_is_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_other_call_is_refused, set_up, tear_down),
#ifdef __x86_64__
		cmocka_unit_test_setup_teardown(other_numberings_are_deadly, set_up, tear_down),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
