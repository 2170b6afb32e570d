/* SPDX-License-Identifier: MIT */
#include "broker/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/own.h"

enum { BACKLOG = 1024 };

union address {
	struct sockaddr_storage storage;
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static char *show_address(int fd)
{
	union address address = {0};
	socklen_t len = sizeof(address);
	char text[INET6_ADDRSTRLEN] = "";

	(void)getsockname(fd, &address.any, &len);
	if (address.any.sa_family == AF_INET6) {
		(void)inet_ntop(AF_INET6, &address.in6.sin6_addr, text, sizeof(text));
		return xasprintf("[%s]:%u", text, ntohs(address.in6.sin6_port));
	}
	(void)inet_ntop(AF_INET, &address.in.sin_addr, text, sizeof(text));
	return xasprintf("%s:%u", text, ntohs(address.in.sin_port));
}

/* "HOST:PORT" or "[HOST]:PORT" in numbers; port 0 is any that is free. */
static int parse_address(const char *text, struct addrinfo **ret)
{
	const struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM,
	};
	const char *colon = strrchr(text, ':');
	_cleanup_free_ char *host = NULL;
	size_t len = colon != NULL ? (size_t)(colon - text) : 0;

	if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
		host = xstrndup(text + 1, len - 2);
	} else if (len > 0) {
		host = xstrndup(text, len);
	}
	return host != NULL && getaddrinfo(host, colon + 1, &hints, ret) == 0 ? 0 : -EINVAL;
}

int listen_tcp(const char *address, int *ret_fd, char **ret_shown, struct error *err)
{
	struct addrinfo *info = NULL;
	_cleanup_close_ int fd = FD_NONE;
	int one = 1, r = 0;

	if (parse_address(address, &info) < 0) {
		return error_plain(err, EINVAL,
			"gateway.listen '%s' is no address and port, such as 127.0.0.1:18790",
			address);
	}
	fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
		r = error_set(err, errno,
			"cannot listen on %s (gateway.listen); is another program there?", address);
	}
	freeaddrinfo(info);
	if (r == 0) {
		*ret_shown = show_address(fd);
		*ret_fd = TAKE_FD(fd);
	}
	return r;
}

int listen_unix(const char *path, int *ret_fd, struct error *err)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = FD_NONE;
	mode_t old;
	int r;

	if (strlen(path) >= sizeof(name.sun_path)) {
		return error_plain(err, ENAMETOOLONG,
			"the socket's path '%s' is longer than the %zu bytes that a unix socket may "
			"have; set gateway.socket to a shorter one",
			path, sizeof(name.sun_path) - 1);
	}
	(void)memcpy(name.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return error_set(err, errno, "cannot make a unix socket");
	}
	(void)unlink(path);
	old = umask(0177);
	r = bind(fd, (struct sockaddr *)&name, sizeof(name)) < 0 || listen(fd, BACKLOG) < 0
		    ? error_set(err, errno, "cannot listen on '%s'", path)
		    : 0;
	(void)umask(old);
	if (r == 0) {
		*ret_fd = TAKE_FD(fd);
	}
	return r;
}

bool listen_is_public(int fd)
{
	union address address = {0};
	socklen_t len = sizeof(address);

	if (fd < 0 || getsockname(fd, &address.any, &len) < 0) {
		return false;
	}
	if (address.any.sa_family == AF_INET6) {
		return !IN6_IS_ADDR_LOOPBACK(&address.in6.sin6_addr);
	}
	return (ntohl(address.in.sin_addr.s_addr) >> 24) != IN_LOOPBACKNET;
}
