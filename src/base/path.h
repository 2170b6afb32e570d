/* SPDX-License-Identifier: MIT */
/* Path text. Nothing here touches a file system. */
#ifndef BASE_PATH_H
#define BASE_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

bool path_is_absolute(const char *path);

/* "/a/./b//../c/" -> "/a/c". ".." at the root stays at the root. path must be absolute. */
char *path_normalize(struct arena *a, const char *path);

/* Is path dir itself or below it? Both absolute and normalised. "/" contains everything. */
bool path_is_below(const char *path, const char *dir);

/* dir + "/" + name, or name alone when it is absolute. */
char *path_join(struct arena *a, const char *dir, const char *name);

/* The part after the last '/'; "/" gives "". Points into path. */
const char *path_basename(const char *path);

/* "~" and "~/x" with home put in; anything else copied as it is ("~user" is not expanded). */
char *path_expand_home(struct arena *a, const char *path, const char *home);

#endif
