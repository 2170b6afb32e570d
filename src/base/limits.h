/* SPDX-License-Identifier: MIT */
/* Every ceiling on what a peer, a file or a caller can make us hold, each with its reason. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

enum {
	/* A frame: large enough that a 1 GiB stream costs few headers, small enough that one frame
	 * delays another stream by well under a millisecond. */
	LIMIT_FRAME_PAYLOAD = 256 * 1024,
	/* argv plus env of one spawn; the kernel's own ARG_MAX default is 2 MiB. */
	LIMIT_SPAWN_BYTES = 192 * 1024,
	LIMIT_SPAWN_STRINGS = 4096,
	/* Processes that one creel-init remembers, running or ended and not yet forgotten. */
	LIMIT_PROCESSES = 4096,
	/* Forwarded connections of one sandbox at once: a browser's tabs, a person's look at it. */
	LIMIT_CONNECTIONS = 256,
	/* One message of a browser: a screenshot of a long page in base64 is about half of it. */
	LIMIT_CDP_MESSAGE = 64 * 1024 * 1024,
	/* Commands to one browser without an answer; a hung page answers none. */
	LIMIT_CDP_COMMANDS = 1024,
	/* Output kept per process when the spawn does not say otherwise (contract D11). */
	LIMIT_RING_DEFAULT = 1024 * 1024,
	LIMIT_RING_MAX = 16 * 1024 * 1024,
	/* Bytes in flight per output channel before the reader must grant more. */
	LIMIT_CREDIT_WINDOW = 1024 * 1024,
	/* Unsent bytes queued on one stream before its producer is paused. */
	LIMIT_SEND_QUEUE = 4 * 1024 * 1024,
	/* Unsent requests to one sandbox, above which it takes no more: two writes of 16 MiB. One that
	 * reads nothing must not fill the memory of whoever asks it. */
	LIMIT_REQUEST_QUEUE = 32 * 1024 * 1024,
	/* A session key, agent id, tool or provider of a request; real ones are below 100. */
	LIMIT_NAME_BYTES = 4096,
	/* Binds of one sandbox, each of which is a mount. */
	LIMIT_BINDS = 1024,
	/* A configuration file, includes counted apart. */
	LIMIT_CONFIG_BYTES = 16 * 1024 * 1024,
	LIMIT_CONFIG_DEPTH = 64,
	LIMIT_CONFIG_INCLUDES = 64,
	/* A file that edit and apply_patch take into memory, four times over at worst; larger ones are
	 * data, not text that a model edits. */
	LIMIT_EDIT_FILE = 16 * 1024 * 1024,
	/* A diff is read by a model and a person: what is longer is cut. */
	LIMIT_EDIT_DIFF = 256 * 1024,
	/* One patch: its text, the files it names (two descriptors each), all they grow to. */
	LIMIT_PATCH_INPUT = 4 * 1024 * 1024,
	LIMIT_PATCH_FILES = 256,
	LIMIT_PATCH_TOTAL = 64 * 1024 * 1024,
	/* Lines compared while a patch looks for its places: under a second, then it is refused. */
	LIMIT_PATCH_COMPARES = 1 << 24,
	/* One page of a file (contract D11), and the most that a caller may ask for. */
	LIMIT_READ_PAGE = 50 * 1024,
	LIMIT_READ_PAGE_MAX = 1024 * 1024,
	LIMIT_READ_LINES = 2000,
	/* An image as models take it; what is larger, in bytes or on a side, is made smaller. */
	LIMIT_READ_IMAGE = 5 * 1024 * 1024,
	LIMIT_READ_IMAGE_SIDE = 1200,
	/* The file that is made smaller: photographs are below 15 MiB, screenshots of large screens
	 * below 25. One at a time in a session, so this is also what a session holds. */
	LIMIT_READ_IMAGE_SOURCE = 32 * 1024 * 1024,
	/* Reads that wait for their turn; they hold no data meanwhile. */
	LIMIT_READ_IMAGES_WAITING = 64,
	/* What a file's header may promise: 4 bytes each in memory, which 8 K screens (33 million)
	 * need. A JPEG is scaled while it is decoded: 108 million is what cameras have. */
	LIMIT_IMAGE_PIXELS = 64 * 1024 * 1024,
	LIMIT_IMAGE_PIXELS_JPEG = 128 * 1024 * 1024,
	/* One process per image, bounded as a whole: the pixels above, the file, and its decoder. Time
	 * is ten times what the largest honest image needs. */
	LIMIT_IMAGE_MEMORY = 512 * 1024 * 1024,
	LIMIT_IMAGE_CPU_S = 20,
	LIMIT_IMAGE_WALL_S = 60,
	LIMIT_IMAGE_WORKERS = 2,
	/* Bytes of a file that a program, not a model, gets at once. */
	LIMIT_READ_RAW = 5 * 1024 * 1024,
	/* MCP over HTTP: clients at once, seconds without any request of theirs, and what one that comes
	 * back to a broken stream can be given again. */
	LIMIT_MCP_SESSIONS = 1024,
	LIMIT_MCP_IDLE_S = 3600,
	LIMIT_MCP_KEPT = 256,
	LIMIT_MCP_KEPT_BYTES = 1024 * 1024,
	/* One MCP message: a write of 16 MiB with every byte escaped stays below. */
	LIMIT_MCP_MESSAGE = 64 * 1024 * 1024,
	/* Requests of one MCP client without an answer, and messages of one batch. */
	LIMIT_MCP_REQUESTS = 1024,
	LIMIT_MCP_BATCH = 256,
	/* Bytes that one call may pass to find a line, and to count the lines after its page. */
	LIMIT_READ_SKIP = 2040 * 1024 * 1024,
	LIMIT_READ_COUNT = 64 * 1024 * 1024,
	/* ls, glob and grep: what one call may look at, return and take. */
	LIMIT_LIST_NAMES = 50000,
	LIMIT_WALK_ENTRIES = 500000,
	LIMIT_WALK_DEPTH = 100,
	LIMIT_WALK_MS = 10000,
	LIMIT_GLOB_RESULTS = 10000,
	LIMIT_GLOB_ALTERNATIVES = 256,
	LIMIT_GREP_BYTES = 1024 * 1024 * 1024,
	LIMIT_GREP_OUTPUT = 256 * 1024,
	LIMIT_GREP_PATTERN = 1024,
	LIMIT_IGNORE_FILE = 1024 * 1024,
	/* What is put into a sandbox's workspace: a text that an agent reads whole, a file that came with
	 * a message (the original's own limit), and skills, each a few files that are looked at before
	 * every call. */
	LIMIT_BOOTSTRAP_FILE = 2 * 1024 * 1024,
	LIMIT_MEDIA_FILE = 5 * 1024 * 1024,
	LIMIT_SKILLS = 256,
	LIMIT_SKILL_FILES = 2000,
	LIMIT_SKILL_BYTES = 32 * 1024 * 1024,
	LIMIT_SKILL_DEPTH = 16,
	/* What is told of one command: kinds of refusals, of which there are about a hundred; and how much
	 * of the end of its output is searched for names of errors. */
	LIMIT_DENIED_ROWS = 64,
	LIMIT_HINT_OUTPUT = 16 * 1024,
	/* Combinations of labels that one metric keeps: tools, rules and backends are dozens. */
	LIMIT_METRIC_SERIES = 256,
	/* HTTP. Connections at once: a kilobyte each while idle. A head: what common servers take. */
	LIMIT_HTTP_CONNECTIONS = 4096,
	LIMIT_HTTP_HEAD = 16 * 1024,
	/* A body: a write of 16 MiB; where nothing large is written, and what anybody may send before
	 * the token was looked at; and all bodies over that size together. */
	LIMIT_HTTP_BODY = 16 * 1024 * 1024,
	LIMIT_HTTP_PLAIN_BODY = 1024 * 1024,
	LIMIT_HTTP_SMALL_BODY = 64 * 1024,
	LIMIT_HTTP_BODIES = 128 * 1024 * 1024,
	/* Bytes read ahead while a request is at work. */
	LIMIT_HTTP_PIPELINED = 64 * 1024,
	/* Unread bytes of an event stream: some thousand events behind is not listening. */
	LIMIT_HTTP_UNREAD = 1024 * 1024,
	/* Requests of one token that are at work at once. */
	LIMIT_HTTP_CALLS = 512,
	/* What the broker holds of its front, which it does not trust: questions without an answer, twice
	 * what the front lets its callers have. */
	LIMIT_BROKER_REQUESTS = 16384,
	/* Sandboxes of one gateway at once, each some processes and a stream: more than a machine runs. */
	LIMIT_SANDBOXES = 4096,
	/* Sessions that the database remembers, and those that one shared sandbox does: callers may come
	 * with ever new keys. Those unused the longest make room, if nothing was set for them or runs. */
	LIMIT_SESSIONS = 10000,
	LIMIT_SANDBOX_SESSIONS = 1024,
	/* Values and levels of one request's JSON: a value of two bytes costs up to 250 in memory. */
	LIMIT_JSON_VALUES = 200000,
	LIMIT_JSON_DEPTH = 64,
};

#endif
