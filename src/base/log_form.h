/* SPDX-License-Identifier: MIT */
/*
 * Forms of the log of those who run long: JSON for shippers of logs, priorities for journald. Apart from
 * base/log.h, so that the static programs stay as small as they are.
 */
#ifndef BASE_LOG_FORM_H
#define BASE_LOG_FORM_H

#include <stdbool.h>

/*
 * Begin: the form that the variable CREEL_LOG names, else text. Where standard error is the stream to
 * journald that JOURNAL_STREAM tells of, lines of text begin with the "<N>" of sd-daemon(3). To be called
 * before the program gives up opening files.
 */
void log_form_open(void);

/*
 * "text"; or "json": each line an object {"time" (UTC), "level", "program", "pid", "message"} with the
 * fields of the message (log_with()). NULL: as CREEL_LOG has it. false: no such form.
 */
bool log_form_set(const char *name);
const char *log_form_name(void); /* which it is */

#endif
