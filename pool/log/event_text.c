// SPDX-License-Identifier: Apache-2.0
/* event_text - an event in words, for log lines and for whoever reads a usage segment. */
#include "pool/log/event_text.h"

#include "pool/libc/error_text.h"

#include <stdio.h>
#include <string.h>

const char *event_name(uint32_t kind)
{
	static const char *const names[] = { "threshold", "recovered",      "failover",
					     "exhausted", "source_aside",   "auto_failed",
					     "no_source", "source_failing", "sources_failing" };
	_Static_assert(sizeof(names) / sizeof(names[0]) == USAGE_EVENT_KINDS, "a name for each kind");
	return kind < USAGE_EVENT_KINDS ? names[kind] : "unknown";
}

static const char *reason(int error)
{
	const char *text = error_text(error);
	return text ? text : "unknown error";
}

const char *event_text(const struct usage_event *event, char *out)
{
	*out = '\0';
	switch ((enum usage_event_kind)event->kind) {
	case USAGE_THRESHOLD:
		snprintf(out, EVENT_TEXT_MAX,
			 "%u%% of the ports from this source to this destination are in use", event->percent);
		break;
	case USAGE_RECOVERED:
		snprintf(out, EVENT_TEXT_MAX,
			 "use of the ports from this source to this destination is well below the first "
			 "warning step again");
		break;
	case USAGE_FAILOVER:
		snprintf(out, EVENT_TEXT_MAX, "no port left from this source; the next source is tried");
		break;
	case USAGE_EXHAUSTED:
		snprintf(out, EVENT_TEXT_MAX, "%s: connect() fails with EADDRNOTAVAIL%s",
			 event->sources ? "no port left" : "all sources are set aside",
			 event->in_use < event->capacity ? "; other programs hold or block the rest" : "");
		break;
	case USAGE_ASIDE:
		snprintf(out, EVENT_TEXT_MAX, "source cannot be used (%s); set aside for 30 s",
			 reason(event->error));
		break;
	case USAGE_NO_SOURCE:
		snprintf(out, EVENT_TEXT_MAX,
			 "none of the sources fits this destination; the kernel chooses one");
		break;
	case USAGE_FAILING:
		snprintf(out, EVENT_TEXT_MAX,
			 "connections from this source fail (%s), from others they do not; set aside, and "
			 "tried "
			 "now and then",
			 event->error ? reason(event->error) : "given up");
		break;
	case USAGE_LEFT:
		snprintf(out, EVENT_TEXT_MAX,
			 "the sources named for it fail (%s), this one, the kernel's choice, does not: it is "
			 "used, and they are tried now and then",
			 event->error ? reason(event->error) : "given up");
		break;
	case USAGE_AUTO_FAILED:
		snprintf(out, EVENT_TEXT_MAX, "auto: the local addresses could not be listed (%s)",
			 reason(event->error));
		break;
	case USAGE_EVENT_KINDS:
		break;
	}
	return out;
}
