/* SPDX-License-Identifier: MIT */
/* Word lists and the names made of them. */
#include "tools/slug.h"

#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include "base/buf.h"
#include "base/macro.h"
#include "base/mem.h"

static const char *const adjectives[] = {
	"agile",
	"amber",
	"autumn",
	"bold",
	"brave",
	"breezy",
	"bright",
	"brisk",
	"calm",
	"clear",
	"cool",
	"coral",
	"crisp",
	"daring",
	"deep",
	"eager",
	"early",
	"fair",
	"fleet",
	"fresh",
	"gentle",
	"glad",
	"golden",
	"grand",
	"green",
	"happy",
	"hardy",
	"keen",
	"kind",
	"light",
	"lively",
	"lucky",
	"mellow",
	"mild",
	"misty",
	"neat",
	"nimble",
	"patient",
	"plain",
	"proud",
	"quick",
	"quiet",
	"rapid",
	"ready",
	"round",
	"salty",
	"sharp",
	"silver",
	"smooth",
	"snug",
	"steady",
	"still",
	"sunny",
	"swift",
	"tidal",
	"tidy",
	"warm",
	"wild",
	"wise",
	"young",
};

static const char *const nouns[] = {
	"anchor",
	"basin",
	"bay",
	"beacon",
	"boat",
	"bream",
	"brook",
	"buoy",
	"canal",
	"carp",
	"cove",
	"crab",
	"creek",
	"current",
	"delta",
	"dock",
	"dune",
	"eel",
	"ferry",
	"fjord",
	"gull",
	"harbor",
	"heron",
	"herring",
	"island",
	"kelp",
	"lagoon",
	"lake",
	"lantern",
	"marsh",
	"mussel",
	"net",
	"otter",
	"oyster",
	"pearl",
	"pier",
	"pike",
	"pond",
	"prawn",
	"quay",
	"reed",
	"reef",
	"river",
	"salmon",
	"sand",
	"seal",
	"shell",
	"shoal",
	"shore",
	"spring",
	"sprat",
	"strait",
	"tern",
	"tide",
	"trout",
	"wave",
	"wharf",
	"willow",
};

static const char *pick(const char *const *words, size_t count)
{
	uint32_t r = 0;

	/* Only variety is wanted, so a failure (early boot) may fall back to the first word. */
	(void)!getrandom(&r, sizeof(r), GRND_NONBLOCK);
	return words[r % count];
}

static bool try_free(struct buf *b, slug_taken_fn taken, const void *arg)
{
	return !taken(arg, b->data);
}

char *slug_new(slug_taken_fn taken, const void *arg)
{
	_cleanup_buf_ struct buf b = {0};

	for (unsigned words = 2; words <= 3; words++) {
		for (unsigned attempt = 0; attempt < 12; attempt++) {
			buf_clear(&b);
			buf_addf(&b, "%s-", pick(adjectives, ARRAY_SIZE(adjectives)));
			buf_addf(&b, "%s", pick(nouns, ARRAY_SIZE(nouns)));
			if (words == 3) {
				buf_addf(&b, "-%s", pick(nouns, ARRAY_SIZE(nouns)));
			}
			if (try_free(&b, taken, arg)) {
				return buf_take(&b);
			}
		}
		for (unsigned suffix = 2; suffix <= 12; suffix++) {
			size_t len = b.len;

			buf_addf(&b, "-%u", suffix);
			if (try_free(&b, taken, arg)) {
				return buf_take(&b);
			}
			b.len = len;
			b.data[len] = '\0';
		}
	}
	for (uint64_t n = 13;; n++) {
		buf_clear(&b);
		buf_addf(&b, "process-%llu", (unsigned long long)n);
		if (try_free(&b, taken, arg)) {
			return buf_take(&b);
		}
	}
}

static const char *next_word(const char *text, size_t *ret_len)
{
	text += strspn(text, " \t\r\n");
	*ret_len = strcspn(text, " \t\r\n");
	return text;
}

char *slug_command_name(const char *command)
{
	enum { NAME_MAX_BYTES = 48 };
	_cleanup_buf_ struct buf b = {0};
	size_t len;
	const char *word = next_word(command, &len);

	buf_add(&b, word, len);
	for (word = next_word(word + len, &len); len > 0; word = next_word(word + len, &len)) {
		if (word[0] != '-') {
			buf_add_char(&b, ' ');
			buf_add(&b, word, len);
			break;
		}
	}
	if (b.len > NAME_MAX_BYTES) {
		size_t end = NAME_MAX_BYTES;

		while (end > 0 && ((uint8_t)b.data[end] & 0xc0) == 0x80) {
			end--;
		}
		b.len = end;
		b.data[end] = '\0';
	}
	return buf_take(&b);
}
