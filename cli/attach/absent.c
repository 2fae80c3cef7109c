// SPDX-License-Identifier: Apache-2.0
/* absent - `headroom attach` and `detach` in a build without them. */
#include "cli/attach/export.h"
#include "cli/attach/reached.h"
#include "cli/attach/shown.h"
#include "cli/shared/verbs.h"

static int say(const char *verb)
{
	return complain(verb, "this build is without it: %s was not there when headroom was built",
			HEADROOM_ATTACH_LACKS);
}

int verb_attach(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return say("attach");
}

int verb_detach(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return say("detach");
}

enum attached attached_process(int pid, char *reason)
{
	(void)pid;
	snprintf(reason, ATTACHED_REASON_MAX, "this build is without it, for want of %s",
		 HEADROOM_ATTACH_LACKS);
	return ATTACHED_CANNOT;
}

void export_attached(FILE *out)
{
	(void)out;
}

unsigned attached_out_of_date(void)
{
	return 0;
}

void attached_walk(struct arena *arena, usage_visit *visit, usage_skipped *skipped, void *argument)
{
	(void)arena;
	(void)visit;
	(void)skipped;
	(void)argument;
}
