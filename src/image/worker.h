/* SPDX-License-Identifier: MIT */
/* creel-image's two processes: who waits for images, and who decodes one. */
#ifndef IMAGE_WORKER_H
#define IMAGE_WORKER_H

/* This process and its children for good: no capability, no new privilege, no file (Landlock, where
 * the kernel has it). 0 or a negative errno. */
int worker_confine_service(void);

/*
 * One request on fd, in a process of its own: limits of memory and time, then a seccomp filter that
 * leaves reading, writing, memory and the end, then the first byte is read. Does not return.
 */
__attribute__((noreturn)) void worker_run(int fd);

#endif
