/* SPDX-License-Identifier: MIT */
/* Places as the kernel writes them in /proc/PID/mountinfo, proc(5). */
#ifndef BASE_MOUNTINFO_H
#define BASE_MOUNTINFO_H

/* Puts back, in place, the blanks and the like that the kernel writes as \040. */
static inline void mountinfo_unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; to++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] != '\0' &&
			from[3] != '\0') {
			*to = (char)(((from[1] - '0') << 6) | ((from[2] - '0') << 3) |
				     (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

#endif
