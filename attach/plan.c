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
	if (plan->config.sources == plan->source_room) {
		unsigned room = plan->source_room ? plan->source_room * 2 : 64;
		void *more = realloc(plan->sources, room * sizeof(*plan->sources));
		if (!more)
			return false;
		plan->sources = more;
		plan->source_room = room;
	}
	memcpy(&plan->sources[plan->config.sources++], source, sizeof(*source));
	return true;
}

/* Those of one family; loopback ones behind, which serve the loopback alone. */
static bool add_span(struct attach_plan *plan, const struct source_list *list, bool v4,
		     struct attach_span *span)
{
	span->first = plan->config.sources;
	for (int loopback = 0; loopback < 2; loopback++)
		for (unsigned i = 0; i < list->count; i++) {
			const struct address *source = &list->items[i];
			if (address_is_v4(source) != v4 || address_is_loopback(source) != (bool)loopback ||
			    address_is_link_local(source))
				continue;
			if (!add_source(plan, source))
				return false;
		}
	for (unsigned i = span->first; i < plan->config.sources; i++)
		if (address_is_loopback((const struct address *)(const void *)&plan->sources[i]))
			span->loopback++;
	span->count = plan->config.sources - span->first - span->loopback;
	return true;
}

static bool add_rule(struct attach_plan *plan, const struct rule *rule, struct complaint *complaint)
{
	struct attach_rule *out;

	if (plan->set.ruling.rules == ATTACH_RULES_MAX)
		return complain_of(complaint, "", "more rules than attach can take (63)");
	out = &plan->set.rules[plan->set.ruling.rules++];
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
	out->names_loopback = (__u16)rule_names_loopback(rule);
	if (!add_span(plan, &rule->sources, true, &out->v4) ||
	    !add_span(plan, &rule->sources, false, &out->v6))
		return complain_of(complaint, "sources", strerror(ENOMEM));
	if (plan->config.sources > ATTACH_SOURCES_MAX)
		return complain_of(complaint, "sources", "more than 65536 addresses in all rules together");
	if (out->spread == ATTACH_STICKY && (out->v4.count + out->v4.loopback > ATTACH_STICKY_MAX ||
					     out->v6.count + out->v6.loopback > ATTACH_STICKY_MAX))
		return complain_of(complaint, "sources",
				   "attach can do `sticky` over 256 addresses of a family");
	return true;
}

static bool spreads(const struct attach_plan *plan)
{
	for (unsigned i = 0; i < plan->set.ruling.rules; i++)
		if (plan->set.rules[i].spread != ATTACH_OFF)
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

__u32 attach_lists_begin(const struct attach_config *config, const struct attach_ruling *ruling)
{
	return config->sources + (ruling->first ? ATTACH_LISTS_MAX : 0);
}

/* Return: false without room */
static bool add_list(struct attach_plan *plan, struct attach_span *span, const struct attach_address *serving,
		     unsigned count)
{
	struct attach_rule_set *set = &plan->set;

	if (count > ATTACH_LISTS_MAX - set->listed)
		return false;
	memcpy(&set->lists[set->listed], serving, count * sizeof(*serving));
	*span = (struct attach_span){ .first = attach_lists_begin(&plan->config, &set->ruling) + set->listed,
				      .count = count };
	set->listed += count;
	return true;
}

bool attach_plan_part(struct attach_plan *plan, unsigned at, const struct address *net, unsigned bits,
		      const struct attach_address *serving, unsigned count)
{
	struct attach_rule_set *set = &plan->set;
	struct attach_rule *one = &set->rules[at];
	struct attach_span *span = address_is_v4(net) ? &one->v4 : &one->v6;

	if (set->ruling.rules == ATTACH_RULES_MAX) {
		plan->unplaced++;
		return false;
	}
	memmove(one + 1, one, (set->ruling.rules - at) * sizeof(*one));
	set->ruling.rules++;
	set->ruling.of_links++;
	memcpy(&one->net, net, sizeof(one->net));
	one->bits = bits;
	one->any_address = 0;
	one->of_link = 1;
	if (serving && (!count || !add_list(plan, span, serving, count))) {
		one->spread = ATTACH_OFF;
		one->v4 = one->v6 = (struct attach_span){ 0 };
	}
	return true;
}

void attach_plan_free(struct attach_plan *plan)
{
	free(plan->sources);
	plan->sources = NULL;
}
