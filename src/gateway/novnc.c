/* SPDX-License-Identifier: MIT */
/* noVNC's files in memory, and the tickets that are out. */
#include "gateway/novnc.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/own.h"
#include "base/secret.h"

enum {
	FILES_MAX = 200, /* noVNC has about 60 scripts, 700 KiB of them */
	FILE_MAX = 1024 * 1024,
	DEPTH_MAX = 6,
	TICKETS_MAX = 256,
};

struct file {
	char *path;
	struct buf data;
};

struct ticket {
	struct ticket *next;
	enum novnc_use kind;
	struct gateway_browser *use;
	bool control;
	uint64_t until_ns;
	char text[NOVNC_TICKET_LEN + 1];
};

static struct file files[FILES_MAX];
static size_t file_count;
static struct ticket *tickets;
static size_t ticket_count;

/* --- files --- */

static void load_file(int dir_fd, const char *name, const char *path)
{
	_cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct file *file = &files[file_count];
	char chunk[16 * 1024];
	ssize_t n;

	if (fd < 0 || file_count >= FILES_MAX) {
		return;
	}
	buf_init(&file->data, FILE_MAX);
	while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
		buf_add(&file->data, chunk, (size_t)n);
	}
	if (n < 0 || file->data.overflow || file->data.len == 0) {
		buf_finish(&file->data);
		return;
	}
	file->path = xstrdup(path);
	file_count++;
}

static bool is_script(const char *name)
{
	size_t len = strlen(name);

	return len > 3 && strcmp(name + len - 3, ".js") == 0;
}

static void load_directory(int adopt_fd, const char *prefix, int depth)
{
	DIR *dir = adopt_fd >= 0 ? fdopendir(adopt_fd) : NULL;
	const struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		_cleanup_free_ char *path = xasprintf("%s%s", prefix, entry->d_name);
		_cleanup_free_ char *below = xasprintf("%s/", path);
		int fd;

		if (entry->d_name[0] == '.') {
			continue;
		}
		if (is_script(entry->d_name)) {
			load_file(dirfd(dir), entry->d_name, path);
			continue;
		}
		fd = depth < DEPTH_MAX ? openat(dirfd(dir), entry->d_name,
						 O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
				       : FD_NONE;
		if (fd >= 0) {
			load_directory(fd, below, depth + 1);
		}
	}
	if (dir != NULL) {
		(void)closedir(dir);
	}
}

void novnc_load(const char *directory)
{
	static const char *const parts[] = {"core", "vendor"};
	_cleanup_close_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < 2; i++) {
		_cleanup_free_ char *prefix = xasprintf("%s/", parts[i]);

		load_directory(openat(fd, parts[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC), prefix, 0);
	}
}

const char *novnc_file(const char *path, size_t *ret_len)
{
	for (size_t i = 0; i < file_count; i++) {
		if (strcmp(files[i].path, path) == 0) {
			*ret_len = files[i].data.len;
			return files[i].data.data;
		}
	}
	return NULL;
}

/* --- tickets --- */

static struct gateway_browser *unlink_ticket(struct ticket **at)
{
	struct ticket *ticket = *at;
	struct gateway_browser *use = ticket->use;

	*at = ticket->next;
	ticket_count--;
	explicit_bzero(ticket->text, sizeof(ticket->text));
	free(ticket);
	return use;
}

static void drop_old(uint64_t now_ns)
{
	struct ticket **at = &tickets;

	while (*at != NULL) {
		if ((*at)->until_ns <= now_ns) {
			gateway_browser_close(unlink_ticket(at));
		} else {
			at = &(*at)->next;
		}
	}
}

bool novnc_ticket_new(enum novnc_use kind, struct gateway_browser *adopt_use, bool control,
	char ret[NOVNC_TICKET_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t random[NOVNC_TICKET_LEN / 2];
	struct ticket *ticket;

	drop_old(clock_now_ns());
	if (ticket_count >= TICKETS_MAX ||
		getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
		gateway_browser_close(adopt_use);
		return false;
	}
	for (size_t i = 0; i < sizeof(random); i++) {
		ret[2 * i] = digits[random[i] >> 4];
		ret[2 * i + 1] = digits[random[i] & 15];
	}
	ret[NOVNC_TICKET_LEN] = '\0';
	ticket = xcalloc(1, sizeof(*ticket));
	*ticket = (struct ticket){
		.next = tickets,
		.kind = kind,
		.use = adopt_use,
		.control = control,
		.until_ns = clock_after_ns(NOVNC_TICKET_MS * NS_PER_MS),
	};
	memcpy(ticket->text, ret, sizeof(ticket->text));
	tickets = ticket;
	ticket_count++;
	return true;
}

struct gateway_browser *novnc_ticket_take(
	enum novnc_use kind, const char *ticket, bool *ret_control)
{
	drop_old(clock_now_ns());
	for (struct ticket **at = &tickets; *at != NULL; at = &(*at)->next) {
		if ((*at)->kind == kind && secret_text_equal((*at)->text, ticket)) {
			*ret_control = (*at)->control;
			return unlink_ticket(at);
		}
	}
	return NULL;
}

void novnc_finish(void)
{
	drop_old(UINT64_MAX);
}
