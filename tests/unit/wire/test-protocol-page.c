/* SPDX-License-Identifier: MIT */
/* docs/PROTOCOL.md names every kind of frame that the headers have, with its number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/macro.h"

/* The source tree is the first argument. */
static const char *root;

static void read_text(const char *name, struct buf *ret)
{
	char path[4096], chunk[4096];
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", root, name);
	f = fopen(path, "re");
	assert_non_null(f);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0) {
		buf_add(ret, chunk, n);
	}
	assert_int_equal(fclose(f), 0);
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) != 0 || c == '_';
}

/* Is text there as a word of its own? */
static bool has_word(const char *line, size_t line_len, const char *text, size_t len)
{
	for (size_t i = 0; i + len <= line_len; i++) {
		if (memcmp(line + i, text, len) == 0 && (i == 0 || !is_word(line[i - 1])) &&
			(i + len == line_len || !is_word(line[i + len]))) {
			return true;
		}
	}
	return false;
}

/* One row of the table has both the name and the number. */
static bool page_has(const char *page, const char *name, size_t name_len, const char *number)
{
	while (*page != '\0') {
		size_t len = strcspn(page, "\n");

		if (page[0] == '|' && has_word(page, len, name, name_len) &&
			has_word(page, len, number, strlen(number))) {
			return true;
		}
		page += len + (page[len] == '\n');
	}
	return false;
}

static int check_header(const char *name, const char *page)
{
	static const char prefix[] = "\tFRAME_";
	_cleanup_buf_ struct buf header = {0};
	int found = 0;

	read_text(name, &header);
	for (const char *at = header.data; (at = strstr(at, prefix)) != NULL;) {
		char number[8] = "";
		size_t len;

		at += sizeof(prefix) - 1;
		len = strcspn(at, " ");
		if (sscanf(at + len, " = %7[0-9],", number) != 1) {
			continue; /* FRAME_HEADER_SIZE, counted in bytes */
		}
		if (strncmp(at, "HEADER_SIZE", len) == 0) {
			continue;
		}
		found++;
		if (!page_has(page, at, len, number)) {
			fail_msg("docs/PROTOCOL.md does not name %.*s with its number %s", (int)len,
				at, number);
		}
	}
	return found;
}

static void every_kind_is_on_the_page(void **state)
{
	static const char *const headers[] = {
		"src/wire/frame.h", "src/wire/frame_connect.h", "src/wire/frame_file.h"};
	_cleanup_buf_ struct buf page = {0};
	int found = 0;

	(void)state;
	read_text("docs/PROTOCOL.md", &page);
	for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
		found += check_header(headers[i], page.data);
	}
	assert_true(found >= 40);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_is_on_the_page),
	};

	if (argc != 2) {
		return EXIT_FAILURE;
	}
	root = argv[1];
	return cmocka_run_group_tests_name("wire protocol page", tests, NULL, NULL);
}
