/* SPDX-License-Identifier: MIT */
/* Calling home: the token that proves who calls, and the socket in the directory beside it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/own.h"
#include "init/internal.h"

int conn_read_token(struct init *init, struct error *err)
{
	_cleanup_close_ int dir_fd = open(init->conn.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = FD_NONE;
	uint8_t token[WIRE_TOKEN_SIZE + 1];
	ssize_t n;

	if (dir_fd < 0) {
		return error_set(err, errno, "cannot open '%s'", init->conn.dir);
	}
	fd = openat(dir_fd, "token", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		return error_set(err, errno, "cannot open '%s/token'", init->conn.dir);
	}
	n = read(fd, token, sizeof(token));
	if (n < 0) {
		return error_set(err, errno, "cannot read '%s/token'", init->conn.dir);
	}
	if (n != WIRE_TOKEN_SIZE) {
		return error_plain(err, EINVAL, "'%s/token' must hold %d bytes", init->conn.dir,
			WIRE_TOKEN_SIZE);
	}
	memcpy(init->conn.token, token, WIRE_TOKEN_SIZE);
	explicit_bzero(token, sizeof(token));
	return 0;
}

int conn_dial(struct init *init, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = FD_NONE;
	int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", init->conn.dir);
	int r;

	if (n < 0 || (size_t)n >= sizeof(address.sun_path)) {
		return error_set(err, ENAMETOOLONG, "cannot dial '%s/socket'", init->conn.dir);
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return error_set(err, errno, "cannot make a socket");
	}
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		return error_set(err, errno, "cannot dial '%s/socket'", init->conn.dir);
	}
	r = conn_adopt(init, fd);
	if (r < 0) {
		return error_set(err, -r, "cannot use the stream");
	}
	(void)TAKE_FD(fd);
	return 0;
}
