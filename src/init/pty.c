/* SPDX-License-Identifier: MIT */
/* Pseudo terminals by ioctl(2) alone: grantpt(3) and ptsname(3) want /dev and helpers. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/own.h"
#include "init/internal.h"

#ifndef TIOCGPTPEER
#	define TIOCGPTPEER _IO('T', 0x41)
#endif

/* By descriptor where the kernel can (4.13): a name under /dev/pts may belong to another instance
 * of devpts than the one that the master came from. */
static int open_peer(int master)
{
	int fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	char path[32];
	int number;

	if (fd >= 0) {
		return fd;
	}
	if (ioctl(master, TIOCGPTN, &number) < 0) {
		return -errno;
	}
	(void)snprintf(path, sizeof(path), "/dev/pts/%d", number);
	fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	return fd >= 0 ? fd : -errno;
}

int pty_open(uint16_t rows, uint16_t columns, uint32_t uid, int *ret_master, int *ret_terminal)
{
	_cleanup_close_ int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	int unlock = 0, terminal;

	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0) {
		return -errno;
	}
	terminal = open_peer(master);
	if (terminal < 0) {
		return terminal;
	}
	if (uid != WIRE_NO_ID && fchown(terminal, uid, (gid_t)-1) < 0) {
		/* Only opening its name anew would need it, and most never do. */
		errno = 0;
	}
	if (rows > 0 && columns > 0) {
		pty_resize(master, rows, columns);
	}
	*ret_master = TAKE_FD(master);
	*ret_terminal = terminal;
	return 0;
}

void pty_resize(int master, uint16_t rows, uint16_t columns)
{
	struct winsize size = {.ws_row = rows, .ws_col = columns};

	(void)ioctl(master, TIOCSWINSZ, &size);
}

size_t pty_eof(int master, bool line_open, char ret[2])
{
	struct termios t;

	if (tcgetattr(master, &t) < 0 || t.c_cc[VEOF] == _POSIX_VDISABLE) {
		return 0;
	}
	ret[0] = ret[1] = (char)t.c_cc[VEOF];
	/* On an open line the first one only hands the line over, termios(3). */
	return (t.c_lflag & ICANON) != 0 && line_open ? 2 : 1;
}
