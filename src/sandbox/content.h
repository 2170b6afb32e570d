/* SPDX-License-Identifier: MIT */
/* What is put into a sandbox's own workspace for the agent to find: bootstrap files, skills, media. */
#ifndef SANDBOX_CONTENT_H
#define SANDBOX_CONTENT_H

#include "policy/decide.h"

/*
 * Copy the bootstrap files of the agent's workspace (AGENTS.md, SOUL.md, TOOLS.md, IDENTITY.md, USER.md,
 * BOOTSTRAP.md, HEARTBEAT.md) that the sandbox's workspace does not have; never over one that it has.
 * Nothing to do under access rw and with agents.defaults.skipBootstrap. One that is a link out of the
 * agent's workspace, no regular file or over LIMIT_BOOTSTRAP_FILE is passed over (said at log level debug).
 */
int bootstrap_seed(const struct decision *decision, struct error *err);

/*
 * Mirror the skills into <workspace>/skills under access none and ro: directories with a SKILL.md from
 * skills.load.extraDirs, <state>/skills, ~/.agents/skills and the agent workspace's skills/, a later one
 * in the place of an earlier one of its name; only those that agents.list[].skills names, when it is there.
 * A copy that the sandbox has changed, or whose source has changed, is made anew; else this costs one look
 * at each file. A file that leaves its skill through a link is passed over, and so is a skill over the
 * limits (LIMIT_SKILL_*); the log says so at level debug.
 */
int skills_mirror(const struct decision *decision, struct error *err);

/*
 * Copy a file that came in with a message, from below <state>/media, to media/inbound/ in the session's
 * effective workspace. source: an absolute path or a file:// URL. *ret: the path relative to the
 * workspace (arena memory); a name that is taken gets -1, -2, ... before its ending.
 * -EINVAL: not below the media directory, or through a link; a file with several hard links; -EFBIG: over
 * LIMIT_MEDIA_FILE. Links in the workspace are not followed.
 */
int media_stage(struct decision *decision, const char *source, const char **ret, struct error *err);

#endif
