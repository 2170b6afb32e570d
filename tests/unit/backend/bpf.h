/* SPDX-License-Identifier: MIT */
/* The kernel's part of a system call filter: a small machine that runs classic BPF. */
#ifndef TESTS_UNIT_BACKEND_BPF_H
#define TESTS_UNIT_BACKEND_BPF_H

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#	define NATIVE AUDIT_ARCH_X86_64
#else
#	define NATIVE AUDIT_ARCH_AARCH64
#endif

/*
 * What the filter of len instructions returns for data. *ret_steps: how many instructions ran before the
 * return; may be NULL. Fails the test where the filter leaves its end, reads beside data, or has an
 * instruction that neither our generator nor libseccomp emits (Documentation/networking/filter.rst).
 */
uint32_t bpf_run(const struct sock_filter *code, size_t len, const struct seccomp_data *data,
	size_t *ret_steps);

#endif
