/* SPDX-License-Identifier: MIT */
#include "os/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/num.h"
#include "base/own.h"

/* The length that counts for connect(2): an abstract name has no final NUL. */
static socklen_t make_address(const char *name, struct sockaddr_un *ret)
{
	size_t len = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof(ret->sun_path)) {
		return 0;
	}
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	(void)memcpy(ret->sun_path, name, len);
	if (name[0] == '@') {
		ret->sun_path[0] = '\0';
		return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	}
	return (socklen_t)sizeof(*ret);
}

int notify_send(const char *state)
{
	const char *name = getenv("NOTIFY_SOCKET");
	_cleanup_close_ int fd = FD_NONE;
	struct sockaddr_un address;
	socklen_t len;

	if (name == NULL || name[0] == '\0') {
		return 0;
	}
	len = make_address(name, &address);
	if (len == 0) {
		return -EINVAL;
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return -errno;
	}
	return sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
		       len) < 0
		       ? -errno
		       : 0;
}

uint64_t notify_watchdog_us(void)
{
	const char *pid = getenv("WATCHDOG_PID");
	const char *us = getenv("WATCHDOG_USEC");
	uint64_t number;

	if (us == NULL || (pid != NULL && (num_parse_u64(pid, 1, INT32_MAX, &number) < 0 ||
						  number != (uint64_t)getpid()))) {
		return 0;
	}
	return num_parse_u64(us, 1, UINT64_MAX, &number) == 0 ? number : 0;
}
