/* SPDX-License-Identifier: MIT */
#include "selftest/decoy.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "base/macro.h"
#include "base/own.h"

#define BASE_PREFIX "creel-selftest-"

enum {
	LEAKED_FD = 900,
	VISITOR_WAIT_MS = 200,
	DEPTH_MAX = 16,
};

/* --- making --- */

static int make_dir(const char *path, mode_t mode, uid_t owner, struct error *err)
{
	/* chmod(2), because the caller's umask is whatever it is. */
	if (mkdir(path, 0700) < 0 || (geteuid() == 0 && chown(path, owner, owner) < 0) ||
		chmod(path, mode) < 0) {
		return error_set(err, errno, "cannot make '%s'", path);
	}
	return 0;
}

static int make_file(
	const char *dir, const char *name, const char *text, uid_t owner, struct error *err)
{
	char path[200];
	_cleanup_close_ int fd = FD_NONE;
	size_t len = strlen(text);

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, len) != (ssize_t)len || fchmod(fd, 0666) < 0 ||
		(geteuid() == 0 && fchown(fd, owner, owner) < 0)) {
		return error_set(err, errno, "cannot write '%s'", path);
	}
	return 0;
}

/* They are the sandbox user's own: nothing but the sandbox protects them. */
static int make_files(const struct decoy *decoy, uid_t owner, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < attack_count && r == 0; i++) {
		r = make_file(decoy->outside, attacks[i].id, decoy->canary, owner, err);
		if (r == 0) {
			r = make_file(decoy->read_only, attacks[i].id, decoy->canary, owner, err);
		}
	}
	return r;
}

static int copy_probe(
	const struct decoy *decoy, int probe_fd, const char *name, mode_t mode, struct error *err)
{
	char path[160];
	_cleanup_close_ int fd = FD_NONE;
	char buffer[16384];
	off_t at = 0;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/%s", decoy->workspace, name);
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0700);
	while (fd >= 0 && (n = pread(probe_fd, buffer, sizeof(buffer), at)) > 0) {
		if (write(fd, buffer, (size_t)n) != n) {
			break;
		}
		at += n;
	}
	if (fd < 0 || at == 0 || fchmod(fd, mode) < 0) {
		return error_set(err, errno, "cannot copy creel-probe to '%s'", path);
	}
	return 0;
}

/* A program of root's that would raise whoever runs it. A file system without such attributes has
 * no such program. */
static int make_raisers(const struct decoy *decoy, int probe_fd, struct error *err)
{
	/* struct vfs_cap_data, revision 2: CAP_SYS_ADMIN and CAP_DAC_OVERRIDE, effective. */
	static const uint8_t caps[20] = {0x01, 0x00, 0x00, 0x02, 0x02, 0x00, 0x20, 0x00};
	char path[160];
	int r = copy_probe(decoy, probe_fd, "set-user-id", 06755, err);

	if (r == 0) {
		r = copy_probe(decoy, probe_fd, "file-capabilities", 0755, err);
	}
	(void)snprintf(path, sizeof(path), "%s/file-capabilities", decoy->workspace);
	if (r == 0 && setxattr(path, "security.capability", caps, sizeof(caps), 0) < 0) {
		(void)unlink(path);
	}
	return r;
}

static int listen_inet(int type, int *ret_port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	_cleanup_close_ int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, len) < 0 ||
		(type == SOCK_STREAM && listen(fd, 64) < 0) ||
		getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
		return -errno;
	}
	*ret_port = ntohs(address.sin_port);
	return TAKE_FD(fd);
}

static int listen_unix(const char *name, bool abstract)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	size_t len = strlen(name);

	if (len + 2 > sizeof(address.sun_path)) {
		return -ENAMETOOLONG;
	}
	memcpy(address.sun_path + (abstract ? 1 : 0), name, len);
	if (fd < 0 ||
		bind(fd, (const struct sockaddr *)&address,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len)) < 0 ||
		listen(fd, 64) < 0) {
		return -errno;
	}
	return TAKE_FD(fd);
}

static int make_sockets(struct decoy *decoy, uid_t owner, struct error *err)
{
	int spare;

	(void)snprintf(decoy->abstract, sizeof(decoy->abstract), "%s", decoy->base + 1);
	(void)snprintf(decoy->sibling_abstract, sizeof(decoy->sibling_abstract), "%s.sibling",
		decoy->base + 1);
	(void)snprintf(decoy->path_socket, sizeof(decoy->path_socket), "%s/socket", decoy->base);
	decoy->tcp_fd = listen_inet(SOCK_STREAM, &decoy->tcp_port);
	decoy->udp_fd = listen_inet(SOCK_DGRAM, &decoy->udp_port);
	decoy->abstract_fd = listen_unix(decoy->abstract, true);
	decoy->path_fd = listen_unix(decoy->path_socket, false);
	/* A number that nobody on the host listens on. */
	spare = listen_inet(SOCK_STREAM, &decoy->sibling_port);
	if (decoy->tcp_fd < 0 || decoy->udp_fd < 0 || decoy->abstract_fd < 0 ||
		decoy->path_fd < 0 || spare < 0) {
		return error_plain(err, EIO, "cannot listen on decoy sockets");
	}
	(void)close(spare);
	if (chmod(decoy->path_socket, 0777) < 0 ||
		(geteuid() == 0 && chown(decoy->path_socket, owner, owner) < 0)) {
		return error_set(err, errno, "cannot open up '%s'", decoy->path_socket);
	}
	return 0;
}

/* A process that only waits to be found. It has the secret in its environment, as we do. */
static int make_victim(struct decoy *decoy, struct error *err)
{
	pid_t starter = getpid();
	pid_t pid = fork();

	if (pid < 0) {
		return error_set(err, errno, "cannot start a decoy process");
	}
	if (pid == 0) {
		(void)prctl(PR_SET_NAME, "creel-victim");
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)prctl(PR_SET_DUMPABLE, 1);
		while (getppid() == starter) {
			(void)pause();
		}
		_exit(0);
	}
	decoy->victim = pid;
	decoy->victim_nice = getpriority(PRIO_PROCESS, (id_t)pid);
	return 0;
}

/* What a careless caller does to itself. */
static int be_careless(const struct decoy *decoy, struct error *err)
{
	char path[160];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/proc-descriptors", decoy->outside);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || dup2(fd, LEAKED_FD) < 0 ||
		setenv("CREEL_SELFTEST_SECRET", decoy->canary, 1) < 0) {
		return error_set(err, errno, "cannot leave decoys in this process");
	}
	return close(fd) < 0 ? -errno : 0;
}

static int make_canary(struct decoy *decoy, struct error *err)
{
	uint8_t bytes[DECOY_CANARY_HEX / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
		return error_set(err, errno, "cannot get random bytes");
	}
	for (size_t i = 0; i < sizeof(bytes); i++) {
		(void)snprintf(decoy->canary + 2 * i, 3, "%02x", bytes[i]);
	}
	return 0;
}

static int make_dirs(struct decoy *decoy, uid_t owner, struct error *err)
{
	const struct {
		char *path;
		size_t size;
		const char *name;
		mode_t mode;
		uid_t owner;
	} dirs[] = {
		{decoy->workspace, sizeof(decoy->workspace), "workspace", 0700, owner},
		{decoy->outside, sizeof(decoy->outside), "outside", 0777, owner},
		{decoy->read_only, sizeof(decoy->read_only), "ro", 0777, owner},
		{decoy->home, sizeof(decoy->home), "home", 0700, geteuid()},
	};
	int r = 0;

	(void)snprintf(decoy->base, sizeof(decoy->base), "/tmp/" BASE_PREFIX "XXXXXX");
	if (mkdtemp(decoy->base) == NULL) {
		decoy->base[0] = '\0';
		return error_set(err, errno, "cannot make a directory in /tmp");
	}
	decoy->lock_fd = open(decoy->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (decoy->lock_fd < 0 || flock(decoy->lock_fd, LOCK_SH) < 0) {
		return error_set(err, errno, "cannot lock '%s'", decoy->base);
	}
	if (chmod(decoy->base, 0755) < 0) {
		return error_set(err, errno, "cannot open up '%s'", decoy->base);
	}
	for (size_t i = 0; i < ARRAY_SIZE(dirs) && r == 0; i++) {
		(void)snprintf(dirs[i].path, dirs[i].size, "%s/%s", decoy->base, dirs[i].name);
		r = make_dir(dirs[i].path, dirs[i].mode, dirs[i].owner, err);
	}
	return r;
}

int decoy_make(struct decoy *decoy, int probe_fd, uid_t owner, struct error *err)
{
	int r;

	*decoy = (struct decoy){.lock_fd = FD_NONE,
		.tcp_fd = FD_NONE,
		.udp_fd = FD_NONE,
		.abstract_fd = FD_NONE,
		.path_fd = FD_NONE};
	r = make_canary(decoy, err);
	if (r == 0) {
		r = make_dirs(decoy, owner, err);
	}
	if (r == 0) {
		r = make_files(decoy, owner, err);
	}
	if (r == 0) {
		r = copy_probe(decoy, probe_fd, "creel-probe", 0755, err);
	}
	if (r == 0 && geteuid() == 0) {
		r = make_raisers(decoy, probe_fd, err);
	}
	if (r == 0) {
		r = make_sockets(decoy, owner, err);
	}
	if (r == 0) {
		r = be_careless(decoy, err);
	}
	return r == 0 ? make_victim(decoy, err) : r;
}

/* --- the end --- */

/* What sandboxes left in the workspace is hostile: beneath descriptors, no link followed. */
static void remove_tree(int dir_fd, const char *name, int depth)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *item;

	while (dir != NULL && depth < DEPTH_MAX && (item = readdir(dir)) != NULL) {
		if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0) {
			continue;
		}
		if (unlinkat(dirfd(dir), item->d_name, 0) < 0) {
			remove_tree(dirfd(dir), item->d_name, depth + 1);
		}
	}
	if (dir != NULL) {
		(void)closedir(dir);
	}
	(void)unlinkat(dir_fd, name, AT_REMOVEDIR);
}

void decoy_finish(struct decoy *decoy)
{
	if (decoy->victim > 0) {
		(void)kill(decoy->victim, SIGKILL);
		(void)waitpid(decoy->victim, NULL, 0);
		decoy->victim = 0;
	}
	cleanup_closep(&decoy->tcp_fd);
	cleanup_closep(&decoy->udp_fd);
	cleanup_closep(&decoy->abstract_fd);
	cleanup_closep(&decoy->path_fd);
	if (decoy->base[0] != '\0') {
		remove_tree(AT_FDCWD, decoy->base, 0);
		decoy->base[0] = '\0';
	}
	cleanup_closep(&decoy->lock_fd);
}

void decoy_sweep(void)
{
	DIR *tmp = opendir("/tmp");
	const struct dirent *item;

	while (tmp != NULL && (item = readdir(tmp)) != NULL) {
		_cleanup_close_ int fd = FD_NONE;
		struct stat st;

		if (strncmp(item->d_name, BASE_PREFIX, strlen(BASE_PREFIX)) != 0) {
			continue;
		}
		fd = openat(
			dirfd(tmp), item->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
			flock(fd, LOCK_EX | LOCK_NB) == 0) {
			remove_tree(dirfd(tmp), item->d_name, 0);
		}
	}
	if (tmp != NULL) {
		(void)closedir(tmp);
	}
}

/* --- looking afterwards --- */

/* The name that a visitor left; "?" when it left none. */
static void read_name(int fd, char *ret, size_t size)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n = poll(&p, 1, VISITOR_WAIT_MS) == 1 ? read(fd, ret, size - 1) : 0;

	(void)snprintf(
		ret + (n > 0 ? n : 0), size - (size_t)(n > 0 ? n : 0), "%s", n > 0 ? "" : "?");
}

static void verify_sockets(
	struct decoy *decoy, void (*fn)(void *arg, const char *id, const char *what), void *arg)
{
	const struct {
		int fd;
		const char *what;
	} listeners[] = {
		{decoy->tcp_fd, "a connection to the host's loopback arrived"},
		{decoy->abstract_fd, "a connection to the host's abstract socket arrived"},
		{decoy->path_fd, "a connection to the host's socket file arrived"},
	};
	char name[64];
	ssize_t n;

	for (size_t i = 0; i < ARRAY_SIZE(listeners); i++) {
		int fd;

		while ((fd = accept4(listeners[i].fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
			read_name(fd, name, sizeof(name));
			(void)close(fd);
			fn(arg, name, listeners[i].what);
		}
	}
	while ((n = recv(decoy->udp_fd, name, sizeof(name) - 1, MSG_DONTWAIT)) >= 0) {
		name[n] = '\0';
		fn(arg, name, "a datagram to the host's loopback arrived");
	}
}

static bool is_whole(const char *dir, const char *name, const char *canary)
{
	char path[200], text[DECOY_CANARY_HEX + 2];
	_cleanup_close_ int fd = FD_NONE;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	return n == DECOY_CANARY_HEX && memcmp(text, canary, DECOY_CANARY_HEX) == 0;
}

void decoy_verify(
	struct decoy *decoy, void (*fn)(void *arg, const char *id, const char *what), void *arg)
{
	int status;

	verify_sockets(decoy, fn, arg);
	for (size_t i = 0; i < attack_count; i++) {
		if (!is_whole(decoy->outside, attacks[i].id, decoy->canary)) {
			fn(arg, attacks[i].id, "the host's file was changed");
		}
		if (!is_whole(decoy->read_only, attacks[i].id, decoy->canary)) {
			fn(arg, attacks[i].id, "the file in the read-only bind was changed");
		}
	}
	if (decoy->victim > 0 && waitpid(decoy->victim, &status, WNOHANG) != 0) {
		decoy->victim = 0;
		fn(arg, "proc-signal-host", "the process of the host was ended");
	} else if (decoy->victim > 0 &&
		   getpriority(PRIO_PROCESS, (id_t)decoy->victim) > decoy->victim_nice) {
		fn(arg, "proc-renice-host", "the process of the host was slowed down");
	}
}

static bool dir_whole(const char *path, const char *canary, char *what, size_t size)
{
	DIR *dir = opendir(path);
	const struct dirent *item;
	size_t count = 0;
	bool whole = true;

	while (dir != NULL && (item = readdir(dir)) != NULL) {
		if (item->d_name[0] == '.') {
			continue;
		}
		count++;
		if (attack_index(item->d_name) < 0 || !is_whole(path, item->d_name, canary)) {
			whole = false;
			(void)snprintf(what, size, "%.90s in the host's directory", item->d_name);
		}
	}
	if (dir != NULL) {
		(void)closedir(dir);
	}
	if (whole && count != attack_count) {
		(void)snprintf(what, size, "%zu of %zu files are left", count, attack_count);
	}
	return whole && count == attack_count;
}

bool decoy_files_whole(const struct decoy *decoy, char *what, size_t size)
{
	return dir_whole(decoy->outside, decoy->canary, what, size) &&
	       dir_whole(decoy->read_only, decoy->canary, what, size);
}

bool decoy_orphans_gone(const struct decoy *decoy)
{
	char path[160];
	_cleanup_close_ int fd = FD_NONE;

	(void)snprintf(path, sizeof(path), "%s/orphan-lock", decoy->workspace);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	return fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0;
}
