/* SPDX-License-Identifier: MIT */
/* Makes the directory that a test writes in, and removes it with what is in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "scratch.h"

/* How many directories nftw() keeps open at once; deeper trees work too. */
enum { WALK_FDS = 16 };

void scratch_make(char ret[SCRATCH_PATH_SIZE], const char *name)
{
	int n = snprintf(ret, SCRATCH_PATH_SIZE, "/tmp/creel-%s-XXXXXX", name);

	assert_in_range(n, 1, SCRATCH_PATH_SIZE - 1);
	assert_non_null(mkdtemp(ret));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

void scratch_remove(const char *path)
{
	assert_int_equal(nftw(path, remove_one, WALK_FDS, FTW_DEPTH | FTW_PHYS), 0);
}
