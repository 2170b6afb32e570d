/* SPDX-License-Identifier: MIT */
/* The caller's terminal: raw while a command has it, and put back on every way out. */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stdint.h>

/* Rows and columns of the first of 0, 1, 2 that is a terminal; 24 by 80 when none is. */
void terminal_size(uint16_t *ret_rows, uint16_t *ret_columns);

/*
 * Make fd raw. terminal_restore() puts back what was there, and so do exit(3) and a fatal signal of
 * the process's own (abort, segmentation fault). 0, also when fd is no terminal and nothing was done.
 */
int terminal_make_raw(int fd);
/* Safe to repeat, and in a signal handler. */
void terminal_restore(void);

#endif
