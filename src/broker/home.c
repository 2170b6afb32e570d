/* SPDX-License-Identifier: MIT */
#include "broker/home.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "backend/docker/owned.h"
#include "backend/native/rundir.h"
#include "base/clock.h"
#include "base/macro.h"
#include "base/mem.h"
#include "base/own.h"
#include "base/path.h"
#include "base/random.h"
#include "base/secret.h"

enum {
	META_MAX = 1024 * 1024,
	LOCK_STEP_MS = 5,
	LOCK_PATIENCE_MS = 1000, /* then whoever waits is told */
	/* Processes of the sandbox that dial in creel-init's place: so many are heard at a time. */
	CALLERS = 8,
	HELLO_SIZE = FRAME_HEADER_SIZE + 128,
};

/* --- the lock --- */

static bool try_lock(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static int wait_for_lock(int fd, const char *name, const struct home_wait *wait, struct error *err)
{
	const struct timespec step = {.tv_nsec = LOCK_STEP_MS * (long)NS_PER_MS};
	uint64_t patience_ns = clock_after_ns(LOCK_PATIENCE_MS * NS_PER_MS);
	int r;

	if (try_lock(fd)) {
		return 0;
	}
	if (wait->never) {
		return error_plain(err, EBUSY, "the sandbox '%s' is in use", name);
	}
	while (clock_left_ms(patience_ns) > 0) {
		(void)nanosleep(&step, NULL);
		if (try_lock(fd)) {
			return 0;
		}
	}
	if (wait->waiting != NULL) {
		wait->waiting(wait->arg, name);
	}
	do {
		r = flock(fd, LOCK_EX);
	} while (r < 0 && errno == EINTR);
	return r == 0 ? 0 : error_set(err, errno, "cannot lock the sandbox '%s'", name);
}

/* Whoever removed the sandbox meanwhile took the locked file along. */
static bool is_still_there(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_nlink > 0;
}

/* Whoever took away the last sandbox took the instance's own directory along. */
static int make_dirs(const char *base, const char *dir)
{
	if (mkdir(dir, 0700) == 0 || errno == EEXIST) {
		return 0;
	}
	if (errno == ENOENT && (mkdir(base, 0700) == 0 || errno == EEXIST)) {
		return -EAGAIN;
	}
	return -errno;
}

static int open_lock(
	const char *path, const char *base, const char *dir, bool create, struct error *err)
{
	int fd, r = create ? make_dirs(base, dir) : 0;

	if (r < 0) {
		return r == -EAGAIN ? r
				    : error_set(err, -r,
					      "cannot make the directory '%s' of a sandbox", dir);
	}
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT : 0), 0600);
	/* Between the two somebody may have removed the directory: then it is made again. */
	if (fd < 0 && !(create && errno == ENOENT)) {
		return error_set(err, errno, "cannot open '%s'", path);
	}
	return fd < 0 ? -EAGAIN : fd;
}

int sandbox_home_lock(struct arena *arena, const char *base, const char *name, bool create,
	const struct home_wait *wait, struct sandbox_home *ret, struct error *err)
{
	const char *dir = path_join(arena, base, name);
	const char *path = path_join(arena, dir, "lock");

	for (;;) {
		_cleanup_close_ int fd = open_lock(path, base, dir, create, err);
		int r;

		if (fd == -EAGAIN) {
			continue;
		}
		r = fd < 0 ? fd : wait_for_lock(fd, name, wait, err);
		if (r < 0) {
			return r;
		}
		if (is_still_there(fd)) {
			*ret = (struct sandbox_home){.dir = dir,
				.run_dir = path_join(arena, dir, "run"),
				.lock_fd = TAKE_FD(fd)};
			return 0;
		}
	}
}

static int64_t modified_ms(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? 0
				  : (int64_t)st.st_mtim.tv_sec * 1000 +
					    st.st_mtim.tv_nsec / (int64_t)NS_PER_MS;
}

bool sandbox_home_in_use(const struct sandbox_home *home, int64_t *ret_used_ms)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_close_ int fd =
		open(path_join(&arena, home->dir, "lock"), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	*ret_used_ms = fd < 0 ? 0 : modified_ms(fd);
	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0;
}

int64_t sandbox_home_touch(int lock_fd)
{
	int64_t before_ms = modified_ms(lock_fd);

	(void)futimens(lock_fd, NULL);
	return before_ms;
}

static int open_dir(const struct sandbox_home *home)
{
	return open(home->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

void sandbox_home_remove(const struct sandbox_home *home)
{
	/* The lock last: until then nobody else makes anything here. */
	static const char *const files[] = {"meta.json", "meta.json.new", "token", "token.new",
		"passwords", "passwords.new", "keeper", "denials", "init", "lock"};
	_cleanup_close_ int dir_fd = open_dir(home);
	_cleanup_arena_ struct arena arena = {0};

	rundir_remove(home->run_dir);
	owned_unmount(path_join(&arena, home->dir, "owned"));
	for (size_t i = 0; dir_fd >= 0 && i < ARRAY_SIZE(files); i++) {
		(void)unlinkat(dir_fd, files[i], 0);
	}
	(void)rmdir(home->dir);
}

/* --- files --- */

static ssize_t read_file(int dir_fd, const char *name, char *ret, size_t size)
{
	_cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	size_t len = 0;
	ssize_t n = -1;

	while (fd >= 0 && len < size && (n = read(fd, ret + len, size - len)) > 0) {
		len += (size_t)n;
	}
	return n < 0 ? -1 : (ssize_t)len;
}

/* Whole or not at all, whenever we are killed. */
static int put_file(int dir_fd, const char *name, const char *temporary, const void *data,
	size_t len, const char *dir, struct error *err)
{
	_cleanup_close_ int fd = openat(
		dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	const char *at = data;
	ssize_t n = 0;

	while (fd >= 0 && len > 0 && (n = write(fd, at, len)) > 0) {
		at += n;
		len -= (size_t)n;
	}
	if (fd < 0 || len > 0 || renameat(dir_fd, temporary, dir_fd, name) < 0) {
		int num = n == 0 && fd >= 0 && len > 0 ? EIO : errno;

		(void)unlinkat(dir_fd, temporary, 0);
		return error_set(err, num, "cannot write '%s' in '%s'", name, dir);
	}
	return 0;
}

json_t *sandbox_home_meta(const struct sandbox_home *home)
{
	_cleanup_close_ int dir_fd = open_dir(home);
	_cleanup_free_ char *text = NULL;
	ssize_t n;
	json_t *meta;

	if (dir_fd < 0) {
		return NULL;
	}
	text = xmalloc(META_MAX);
	n = read_file(dir_fd, "meta.json", text, META_MAX);
	meta = n > 0 && n < META_MAX ? json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL)
				     : NULL;
	if (!json_is_object(meta)) {
		json_decref(meta);
		return NULL;
	}
	return meta;
}

int sandbox_home_put_meta(const struct sandbox_home *home, const json_t *meta, struct error *err)
{
	_cleanup_close_ int dir_fd = open_dir(home);
	_cleanup_free_ char *text = json_dumps(meta, JSON_COMPACT);

	if (dir_fd < 0 || text == NULL) {
		return error_set(
			err, text == NULL ? EILSEQ : errno, "cannot write into '%s'", home->dir);
	}
	return put_file(dir_fd, "meta.json", "meta.json.new", text, strlen(text), home->dir, err);
}

void sandbox_home_drop_meta(const struct sandbox_home *home)
{
	_cleanup_close_ int dir_fd = open_dir(home);

	if (dir_fd >= 0) {
		(void)unlinkat(dir_fd, "meta.json", 0);
	}
}

int sandbox_home_token(const struct sandbox_home *home, uint8_t ret[WIRE_TOKEN_SIZE])
{
	_cleanup_close_ int dir_fd = open_dir(home);
	char token[WIRE_TOKEN_SIZE + 1];
	ssize_t n = dir_fd < 0 ? -1 : read_file(dir_fd, "token", token, sizeof(token));

	if (n != WIRE_TOKEN_SIZE) {
		return -ENOENT;
	}
	(void)memcpy(ret, token, WIRE_TOKEN_SIZE);
	explicit_bzero(token, sizeof(token));
	return 0;
}

static bool are_passwords(const struct home_passwords *passwords)
{
	return strlen(passwords->text[0]) == HOME_PASSWORD_LEN &&
	       strlen(passwords->text[1]) == HOME_PASSWORD_LEN;
}

int sandbox_home_passwords(
	const struct sandbox_home *home, struct home_passwords *ret, struct error *err)
{
	_cleanup_close_ int dir_fd = open_dir(home);
	char data[sizeof(ret->text) + 1];
	ssize_t n = dir_fd < 0 ? -1 : read_file(dir_fd, "passwords", data, sizeof(data));

	if (n == (ssize_t)sizeof(ret->text)) {
		(void)memcpy(ret->text, data, sizeof(ret->text));
		ret->text[0][HOME_PASSWORD_LEN] = ret->text[1][HOME_PASSWORD_LEN] = '\0';
		explicit_bzero(data, sizeof(data));
		if (are_passwords(ret)) {
			return 0;
		}
	}
	random_letters(ret->text[0], HOME_PASSWORD_LEN);
	random_letters(ret->text[1], HOME_PASSWORD_LEN);
	return put_file(
		dir_fd, "passwords", "passwords.new", ret->text, sizeof(ret->text), home->dir, err);
}

/* --- the socket --- */

/* Connecting needs permission to write to the socket. */
static int open_up(const struct sandbox_home *home, int dir_fd, struct error *err)
{
	if (fchmodat(dir_fd, "socket", 0666, 0) < 0 || fchmodat(dir_fd, "token", 0444, 0) < 0 ||
		fchmodat(dir_fd, "init", 0555, 0) < 0 || fchmod(dir_fd, 0755) < 0) {
		return error_set(err, errno, "cannot set the modes in '%s'", home->run_dir);
	}
	return 0;
}

int sandbox_home_prepare(const struct sandbox_home *home, bool open_to_all,
	uint8_t ret_token[WIRE_TOKEN_SIZE], int *ret_listen_fd, struct error *err)
{
	_cleanup_close_ int listen_fd = FD_NONE;
	_cleanup_close_ int dir_fd = open_dir(home);
	_cleanup_close_ int run_fd = FD_NONE;
	int r;

	rundir_remove(home->run_dir);
	r = rundir_prepare(home->run_dir, ret_token, &listen_fd, err);
	if (r == 0 && open_to_all) {
		run_fd = open(home->run_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = open_up(home, run_fd, err);
	}
	if (r == 0) {
		r = put_file(
			dir_fd, "token", "token.new", ret_token, WIRE_TOKEN_SIZE, home->dir, err);
	}
	if (r == 0) {
		*ret_listen_fd = TAKE_FD(listen_fd);
	}
	return r;
}

int sandbox_home_listen(const struct sandbox_home *home, uint32_t uid, struct error *err)
{
	_cleanup_close_ int dir_fd =
		open(home->run_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (dir_fd < 0 || fd < 0) {
		return error_set(err, errno, "cannot listen in '%s'", home->run_dir);
	}
	(void)unlinkat(dir_fd, "socket.new", 0);
	(void)snprintf(
		address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/socket.new", dir_fd);
	/* Under its name only when it is complete: creel-init dials at the first sight of it. */
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
		fchmodat(dir_fd, "socket.new", uid == WIRE_NO_ID ? 0666 : 0600, 0) < 0 ||
		(uid != WIRE_NO_ID && uid != geteuid() &&
			fchownat(dir_fd, "socket.new", uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) < 0) ||
		listen(fd, CALLERS) < 0 || renameat(dir_fd, "socket.new", dir_fd, "socket") < 0) {
		return error_set(err, errno, "cannot listen in '%s'", home->run_dir);
	}
	return TAKE_FD(fd);
}

void sandbox_home_seal(const struct sandbox_home *home)
{
	_cleanup_close_ int dir_fd =
		open(home->run_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir_fd >= 0) {
		(void)unlinkat(dir_fd, "token", 0);
		(void)unlinkat(dir_fd, "socket", 0);
	}
}

/* --- who calls --- */

/* 1: it is the sandbox. 0: look again. Negative: somebody else, also when a part of a hello comes: the
 * real one is sent in one go. */
static int identify(int fd, const uint8_t *token, struct wire_hello *ret)
{
	uint8_t data[HELLO_SIZE];
	struct frame_header header;
	struct wire_hello hello;
	struct error err;
	ssize_t n = recv(fd, data, sizeof(data), MSG_PEEK | MSG_DONTWAIT);
	int r;

	if (n <= 0) {
		return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -EPIPE;
	}
	r = frame_peek(data, (size_t)n, &header, &err);
	if (r <= 0 || header.kind != FRAME_HELLO || header.stream != 0 ||
		frame_get_hello((struct wire_bytes){data + FRAME_HEADER_SIZE, header.length},
			&hello, &err) < 0 ||
		!secret_equal(hello.token, token, WIRE_TOKEN_SIZE)) {
		return -EPROTO;
	}
	explicit_bzero(hello.token, sizeof(hello.token));
	*ret = hello;
	return 1;
}

struct callers {
	struct pollfd fds[CALLERS + 1]; /* the first is the listening socket */
	size_t oldest; /* gives way when all places are taken */
};

static void admit(struct callers *callers)
{
	int fd = accept4(callers->fds[0].fd, NULL, NULL, SOCK_CLOEXEC);
	struct pollfd *place = NULL;

	if (fd < 0) {
		return;
	}
	for (size_t i = 1; i <= CALLERS && place == NULL; i++) {
		place = callers->fds[i].fd < 0 ? &callers->fds[i] : NULL;
	}
	if (place == NULL) {
		place = &callers->fds[1 + callers->oldest];
		callers->oldest = (callers->oldest + 1) % CALLERS;
		(void)close(place->fd);
	}
	*place = (struct pollfd){.fd = fd, .events = POLLIN};
}

static int hear(struct callers *callers, const uint8_t *token, struct wire_hello *ret)
{
	for (size_t i = 1; i <= CALLERS; i++) {
		struct pollfd *p = &callers->fds[i];
		int r = p->fd >= 0 && p->revents != 0 ? identify(p->fd, token, ret) : 0;

		/* One that was half made and has been removed: an engine that outlived whoever asked it
		 * may have started it in the directory of the one that is made now. */
		if (r > 0 && (p->revents & POLLHUP) != 0) {
			r = -EPIPE;
		}
		if (r > 0) {
			return TAKE_FD(p->fd);
		}
		if (r < 0) {
			(void)close(TAKE_FD(p->fd));
		}
	}
	return -EAGAIN;
}

int sandbox_home_await(int listen_fd, const uint8_t token[WIRE_TOKEN_SIZE], int timeout_ms,
	struct wire_hello *ret, struct error *err)
{
	uint64_t deadline_ns = clock_after_ns((uint64_t)timeout_ms * NS_PER_MS);
	struct callers callers = {.fds[0] = {.fd = listen_fd, .events = POLLIN}};
	int fd = -EAGAIN;

	for (size_t i = 1; i <= CALLERS; i++) {
		callers.fds[i].fd = FD_NONE;
	}
	while (fd < 0) {
		int n = poll(callers.fds, CALLERS + 1, clock_left_ms(deadline_ns));

		if (n == 0 || (n < 0 && errno != EINTR)) {
			break;
		}
		fd = n > 0 ? hear(&callers, token, ret) : fd;
		if (n > 0 && callers.fds[0].revents != 0) {
			admit(&callers);
		}
	}
	for (size_t i = 1; i <= CALLERS; i++) {
		cleanup_closep(&callers.fds[i].fd);
	}
	return fd >= 0 ? fd
		       : error_plain(err, ETIMEDOUT, "the sandbox did not dial home within %d ms",
				 timeout_ms);
}
