/* SPDX-License-Identifier: MIT */
/* A directory of a test's own below /tmp. */
#ifndef TESTS_UNIT_SCRATCH_H
#define TESTS_UNIT_SCRATCH_H

enum { SCRATCH_PATH_SIZE = 64 };

/* Make an empty one, /tmp/creel-NAME-..., its path in ret. Fails the test if it cannot. */
void scratch_make(char ret[SCRATCH_PATH_SIZE], const char *name);

/* Remove path and everything below it; links are not followed. Fails the test if something stays. */
void scratch_remove(const char *path);

#endif
