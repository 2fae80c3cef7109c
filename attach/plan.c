// SPDX-License-Identifier: Apache-2.0
/* plan - the rules and lists of sources of one attachment, as the maps hold them. */
#include "attach/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)SPREAD_OFF == ATTACH_OFF && (int)SPREAD_EVEN == ATTACH_EVEN &&
		       (int)SPREAD_SPILL == ATTACH_SPILL && (int)SPREAD_STICKY == ATTACH_STICKY,
	       "the programs know the words of the rule file");
_Static_assert(sizeof(struct address) == sizeof(struct attach_address), "copied as they are");

static bool complain_of(struct complaint *complaint, const char *place, const char *reason)
{
	snprintf(complaint->place, sizeof(complaint->place), "%s", place);
	snprintf(complaint->reason, sizeof(complaint->reason), "%s", reason);
	return false;
}

static bool add_source(struct attach_plan *plan, const struct address *source)
{
	if (plan->source_count == plan->source_room) {
		unsigned room = plan->source_room ? plan->source_room * 2 : 64;
		void *more = realloc(plan->sources, room * sizeof(*plan->sources));
		if (!more)
			return false;
		plan->sources = more;
		plan->source_room = room;
	}
	memcpy(&plan->sources[plan->source_count++], source, sizeof(*source));
	return true;
}

/* Those of one family; loopback ones behind, which serve the loopback alone. */
static bool add_span(struct attach_plan *plan, const struct source_list *list, bool v4,
		     struct attach_span *span)
{
	span->first = plan->source_count;
	for (int loopback = 0; loopback < 2; loopback++)
		for (unsigned i = 0; i < list->count; i++) {
			const struct address *source = &list->items[i];
			if (address_is_v4(source) != v4 || address_is_loopback(source) != (bool)loopback ||
			    address_is_link_local(source))
				continue;
			if (!add_source(plan, source))
				return false;
		}
	for (unsigned i = span->first; i < plan->source_count; i++)
		if (address_is_loopback((const struct address *)(const void *)&plan->sources[i]))
			span->loopback++;
	span->count = plan->source_count - span->first - span->loopback;
	return true;
}

static bool add_rule(struct attach_plan *plan, const struct rule *rule, struct complaint *complaint)
{
	struct attach_rule *out;

	if (plan->config.rules == ATTACH_RULES_MAX)
		return complain_of(complaint, "", "more rules than attach can take (63)");
	out = &plan->rules[plan->config.rules++];
	memcpy(&out->net, &rule->to.net, sizeof(out->net));
	out->bits = rule->to.bits;
	out->any_address = rule->to.any_address;
	out->port = rule->to.port;
	snprintf(out->process, sizeof(out->process), "%.*s", ATTACH_PROCESS_MAX - 1, rule->to.process);
	out->spread = rule->leave_alone ? ATTACH_OFF : (__u8)rule->spread;
	plan->config.by_process |= *out->process != '\0';
	if (out->spread == ATTACH_OFF)
		return true;
	plan->spills |= out->spread == ATTACH_SPILL;
	if (rule->sources.automatic)
		return complain_of(complaint, "sources",
				   "`auto` is for programs under the shim: attach needs addresses");
	out->strict = rule->strict;
	out->names_loopback = rule_names_loopback(rule);
	if (!add_span(plan, &rule->sources, true, &out->v4) ||
	    !add_span(plan, &rule->sources, false, &out->v6))
		return complain_of(complaint, "sources", strerror(ENOMEM));
	if (plan->source_count > ATTACH_SOURCES_MAX)
		return complain_of(complaint, "sources", "more than 65536 addresses in all rules together");
	if (out->spread == ATTACH_STICKY && (out->v4.count + out->v4.loopback > ATTACH_STICKY_MAX ||
					     out->v6.count + out->v6.loopback > ATTACH_STICKY_MAX))
		return complain_of(complaint, "sources",
				   "attach can do `sticky` over 256 addresses of a family");
	return true;
}

static bool spreads(const struct attach_plan *plan)
{
	for (unsigned i = 0; i < plan->config.rules; i++)
		if (plan->rules[i].spread != ATTACH_OFF)
			return true;
	return false;
}

bool attach_plan_make(const struct settings *settings, struct attach_plan *plan, struct complaint *complaint)
{
	*complaint = (struct complaint){ 0 };
	for (unsigned i = 0; i < settings->rule_count; i++)
		if (!add_rule(plan, &settings->rules[i], complaint))
			return false;
	if (!add_rule(plan, &settings->otherwise, complaint))
		return false;
	if (!spreads(plan))
		return complain_of(complaint, "--sources",
				   "there is nothing to spread over: name --sources, or rules with -c");
	return true;
}

void attach_plan_leave(struct attach_plan *plan, const struct address *net, unsigned bits)
{
	struct attach_rule left = { .bits = bits, .spread = ATTACH_OFF };
	__u32 at = 0;

	if (plan->config.rules == ATTACH_RULES_MAX)
		return;
	memcpy(&left.net, net, sizeof(left.net));
	while (at < plan->config.rules && !plan->rules[at].any_address)
		at++;
	memmove(&plan->rules[at + 1], &plan->rules[at], (plan->config.rules - at) * sizeof(plan->rules[0]));
	plan->rules[at] = left;
	plan->config.rules++;
	plan->config.other_links++;
}

void attach_plan_free(struct attach_plan *plan)
{
	free(plan->sources);
	plan->sources = NULL;
}
