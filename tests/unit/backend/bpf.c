/* SPDX-License-Identifier: MIT */
/* The subset of classic BPF that system call filters are made of, run instruction by instruction. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "bpf.h"

static uint32_t load(const struct seccomp_data *data, uint32_t offset)
{
	uint32_t word;

	assert_true(offset + sizeof(word) <= sizeof(*data) && offset % 4 == 0);
	memcpy(&word, (const char *)data + offset, sizeof(word));
	return word;
}

static size_t jump(const struct sock_filter *op, size_t at, bool condition)
{
	return at + 1 + (condition ? op->jt : op->jf);
}

uint32_t bpf_run(const struct sock_filter *code, size_t len, const struct seccomp_data *data,
	size_t *ret_steps)
{
	uint32_t a = 0;
	size_t at = 0;

	for (size_t steps = 0;; steps++) {
		const struct sock_filter *op = &code[at];

		assert_true(at < len);
		switch (op->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			a = load(data, op->k);
			at++;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= op->k;
			at++;
			break;
		case BPF_JMP | BPF_JA:
			at += 1 + op->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			at = jump(op, at, a == op->k);
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			at = jump(op, at, a > op->k);
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			at = jump(op, at, a >= op->k);
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			at = jump(op, at, (a & op->k) != 0);
			break;
		case BPF_RET | BPF_K:
			if (ret_steps != NULL) {
				*ret_steps = steps;
			}
			return op->k;
		default:
			fail_msg("instruction 0x%x", op->code);
		}
	}
}
