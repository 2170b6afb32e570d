/* SPDX-License-Identifier: MIT */
/* Kernel interfaces that Debian 12's headers or C libraries lack. Values are kernel ABI. */
#ifndef OS_COMPAT_H
#define OS_COMPAT_H

#include <stdint.h>
#include <sys/syscall.h>

/* One number for every architecture since Linux 5.1. */
#ifndef SYS_clone3
#	define SYS_clone3 435
#endif
#ifndef SYS_close_range
#	define SYS_close_range 436
#endif
#ifndef SYS_openat2
#	define SYS_openat2 437
#endif
#ifndef SYS_landlock_create_ruleset
#	define SYS_landlock_create_ruleset 444
#	define SYS_landlock_add_rule 445
#	define SYS_landlock_restrict_self 446
#endif

#ifndef CLONE_INTO_CGROUP
#	define CLONE_INTO_CGROUP 0x200000000ULL
#endif

/* Landlock, by the ABI version that brought each right (landlock(7)). The names differ from
 * linux/landlock.h's so that both may be included. */
#define LL_CREATE_RULESET_VERSION 1U
#define LL_RULE_PATH_BENEATH 1
#define LL_FS_EXECUTE (1ULL << 0)
#define LL_FS_WRITE_FILE (1ULL << 1)
#define LL_FS_READ_FILE (1ULL << 2)
#define LL_FS_READ_DIR (1ULL << 3)
#define LL_FS_REMOVE_DIR (1ULL << 4)
#define LL_FS_REMOVE_FILE (1ULL << 5)
#define LL_FS_MAKE_CHAR (1ULL << 6)
#define LL_FS_MAKE_DIR (1ULL << 7)
#define LL_FS_MAKE_REG (1ULL << 8)
#define LL_FS_MAKE_SOCK (1ULL << 9)
#define LL_FS_MAKE_FIFO (1ULL << 10)
#define LL_FS_MAKE_BLOCK (1ULL << 11)
#define LL_FS_MAKE_SYM (1ULL << 12)
#define LL_FS_REFER (1ULL << 13) /* 2 */
#define LL_FS_TRUNCATE (1ULL << 14) /* 3 */
#define LL_FS_IOCTL_DEV (1ULL << 15) /* 5 */
#define LL_SCOPE_ABSTRACT_UNIX (1ULL << 0) /* 6 */
#define LL_SCOPE_SIGNAL (1ULL << 1) /* 6 */

struct ll_ruleset_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net; /* 4 */
	uint64_t scoped; /* 6 */
};

struct ll_path_beneath_attr {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));

#endif
