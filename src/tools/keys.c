/* SPDX-License-Identifier: MIT */
/* Key tokens as tmux names them, sequences as xterm sends them (ctlseqs, PC-style function keys). */
#include "tools/keys.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/macro.h"

enum { MOD_SHIFT = 1, MOD_ALT = 2, MOD_CTRL = 4 };

/* final: the letter that ends a CSI sequence; number: the parameter of those that end in '~'. */
struct key {
	const char *name;
	const char *plain;
	char final;
	int number;
};

static const struct key keys[] = {
	{"Enter", "\r", 0, 0},
	{"Return", "\r", 0, 0},
	{"Tab", "\t", 0, 0},
	{"BTab", "\x1b[Z", 0, 0},
	{"Escape", "\x1b", 0, 0},
	{"Esc", "\x1b", 0, 0},
	{"Space", " ", 0, 0},
	{"BSpace", "\x7f", 0, 0},
	{"Backspace", "\x7f", 0, 0},
	{"Up", "\x1b[A", 'A', 0},
	{"Down", "\x1b[B", 'B', 0},
	{"Right", "\x1b[C", 'C', 0},
	{"Left", "\x1b[D", 'D', 0},
	{"End", "\x1b[F", 'F', 0},
	{"Home", "\x1b[H", 'H', 0},
	{"Insert", "\x1b[2~", '~', 2},
	{"IC", "\x1b[2~", '~', 2},
	{"Delete", "\x1b[3~", '~', 3},
	{"DC", "\x1b[3~", '~', 3},
	{"PageUp", "\x1b[5~", '~', 5},
	{"PgUp", "\x1b[5~", '~', 5},
	{"PPage", "\x1b[5~", '~', 5},
	{"PageDown", "\x1b[6~", '~', 6},
	{"PgDn", "\x1b[6~", '~', 6},
	{"NPage", "\x1b[6~", '~', 6},
	{"F1", "\x1bOP", 'P', 0},
	{"F2", "\x1bOQ", 'Q', 0},
	{"F3", "\x1bOR", 'R', 0},
	{"F4", "\x1bOS", 'S', 0},
	{"F5", "\x1b[15~", '~', 15},
	{"F6", "\x1b[17~", '~', 17},
	{"F7", "\x1b[18~", '~', 18},
	{"F8", "\x1b[19~", '~', 19},
	{"F9", "\x1b[20~", '~', 20},
	{"F10", "\x1b[21~", '~', 21},
	{"F11", "\x1b[23~", '~', 23},
	{"F12", "\x1b[24~", '~', 24},
	{"KP/", "\x1bOo", 0, 0},
	{"KP*", "\x1bOj", 0, 0},
	{"KP-", "\x1bOm", 0, 0},
	{"KP+", "\x1bOk", 0, 0},
	{"KP.", "\x1bOn", 0, 0},
	{"KPEnter", "\x1bOM", 0, 0},
	{"KP0", "\x1bOp", 0, 0},
	{"KP1", "\x1bOq", 0, 0},
	{"KP2", "\x1bOr", 0, 0},
	{"KP3", "\x1bOs", 0, 0},
	{"KP4", "\x1bOt", 0, 0},
	{"KP5", "\x1bOu", 0, 0},
	{"KP6", "\x1bOv", 0, 0},
	{"KP7", "\x1bOw", 0, 0},
	{"KP8", "\x1bOx", 0, 0},
	{"KP9", "\x1bOy", 0, 0},
};

static const struct key *find_key(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcasecmp(keys[i].name, name) == 0) {
			return &keys[i];
		}
	}
	return NULL;
}

/* Ctrl with a character: @ A-Z [ \ ] ^ _ are 0 to 31, ? is DEL. -1: has none. */
static int control_byte(char c)
{
	if (c >= 'a' && c <= 'z') {
		return c - 'a' + 1;
	}
	if (c >= '@' && c <= '_') {
		return c - '@';
	}
	if (c == '?') {
		return 0x7f;
	}
	return c == ' ' ? 0 : -1;
}

static unsigned take_modifiers(const char **token)
{
	unsigned mods = 0;

	for (const char *t = *token; t[0] != '\0' && t[1] == '-' && t[2] != '\0'; t += 2) {
		unsigned mod = 0;

		if (t[0] == 'C' || t[0] == 'c') {
			mod = MOD_CTRL;
		} else if (t[0] == 'M' || t[0] == 'm') {
			mod = MOD_ALT;
		} else if (t[0] == 'S' || t[0] == 's') {
			mod = MOD_SHIFT;
		}
		if (mod == 0) {
			break;
		}
		mods |= mod;
		*token = t + 2;
	}
	return mods;
}

static void add_key(struct buf *out, const struct key *key, unsigned mods)
{
	if (strcmp(key->name, "Tab") == 0 && (mods & MOD_SHIFT) != 0) {
		key = find_key("BTab");
		mods &= ~(unsigned)MOD_SHIFT;
	}
	if (key->final == 0 || mods == 0) {
		if ((mods & MOD_ALT) != 0) {
			buf_add_char(out, '\x1b');
		}
		if ((mods & MOD_CTRL) != 0 && strcmp(key->plain, " ") == 0) {
			buf_add_char(out, '\0');
			return;
		}
		buf_add_str(out, key->plain);
		return;
	}
	buf_addf(out, "\x1b[%d;%u%c", key->final == '~' ? key->number : 1, 1 + mods, key->final);
}

static bool add_character(struct buf *out, const char *token, unsigned mods)
{
	if ((mods & MOD_ALT) != 0) {
		buf_add_char(out, '\x1b');
	}
	if ((mods & MOD_CTRL) != 0) {
		int control = control_byte(token[0]);

		if (control < 0) {
			buf_add_str(out, token);
			return false;
		}
		buf_add_char(out, (char)control);
		return true;
	}
	if ((mods & MOD_SHIFT) != 0 && token[0] >= 'a' && token[0] <= 'z') {
		buf_add_char(out, (char)(token[0] - 'a' + 'A'));
		return true;
	}
	buf_add_str(out, token);
	return true;
}

bool keys_add_token(struct buf *out, const char *token)
{
	const char *name = token;
	const struct key *key;
	unsigned mods;

	if (token[0] == '^' && token[1] != '\0' && token[2] == '\0' &&
		control_byte(token[1]) >= 0) {
		buf_add_char(out, (char)control_byte(token[1]));
		return true;
	}
	mods = take_modifiers(&name);
	key = find_key(name);
	if (key != NULL) {
		add_key(out, key, mods);
		return true;
	}
	if (name[0] != '\0' && name[1] == '\0') {
		return add_character(out, name, mods);
	}
	buf_add_str(out, token);
	return mods == 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int keys_add_hex(struct buf *out, const char *token)
{
	int value = 0;

	if (token[0] == '0' && (token[1] == 'x' || token[1] == 'X')) {
		token += 2;
	}
	if (token[0] == '\0' || strlen(token) > 2) {
		return -EINVAL;
	}
	for (; *token != '\0'; token++) {
		int digit = hex_digit(*token);

		if (digit < 0) {
			return -EINVAL;
		}
		value = value * 16 + digit;
	}
	buf_add_char(out, (char)value);
	return 0;
}

void keys_add_paste(struct buf *out, const char *text, size_t len)
{
	buf_add_str(out, "\x1b[200~");
	buf_add(out, text, len);
	buf_add_str(out, "\x1b[201~");
}
