/* SPDX-License-Identifier: MIT */
/*
 * A native sandbox with layers taken away, for the test that the attack suite can fail. Nothing of
 * it is in any program that is installed: the linker puts these functions between the backend and
 * what it calls (ld --wrap), in this test alone.
 */
#ifndef TESTS_SECURITY_WEAKEN_H
#define TESTS_SECURITY_WEAKEN_H

enum {
	WITHOUT_SECCOMP = 1 << 0,
	WITHOUT_LANDLOCK = 1 << 1,
	WITH_CAPABILITIES = 1 << 2,
	WITHOUT_NO_NEW_PRIVS = 1 << 3, /* and so without seccomp, which needs it */
	WITH_HOST_NETWORK = 1 << 4,
	WITH_HOST_PIDS = 1 << 5,
	WITH_HOST_IPC = 1 << 6,
	WITH_HOST_NAME = 1 << 7,
	WITH_WRITABLE_ROOT = 1 << 8,
	WITH_WRITABLE_BINDS = 1 << 9,
	WITHOUT_MASKS = 1 << 10,
	WITHOUT_LIMITS = 1 << 11,
	WITH_OUTSIDE = 1 << 12, /* the directory around the workspace is there, too */
	WITH_DESCRIPTORS = 1 << 13,
	WITH_ENVIRONMENT = 1 << 14,
	WITH_HOST_DEVICES = 1 << 15, /* all of /dev */
	WITH_OLD_ROOT = 1 << 16, /* it stays, mounted over the new one */
	WITH_OPEN_INIT = 1 << 17, /* a creel-init that may be traced: creel-init-open */
	WITH_HOST_USERS = 1 << 18,
	WITH_HOST_MOUNTS = 1 << 19,
};

/* What the sandboxes that this process starts from now on go without. */
extern unsigned weakened;

#endif
