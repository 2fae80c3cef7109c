// SPDX-License-Identifier: Apache-2.0
/* rule_sets - the two sets of rules that an attachment has room for. */
#include "attach/rule_sets.h"

#include "attach/pins.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int write_rules(const struct attach_rule_set *set, int rules)
{
	int rc = 0;

	for (__u32 i = 0; !rc && i < set->ruling.rules; i++) {
		__u32 at = set->ruling.first + i;
		rc = bpf_map_update_elem(rules, &at, &set->rules[i], BPF_ANY);
	}
	return rc;
}

int attach_set_write(const struct attach_config *config, const struct attach_rule_set *set, int rules,
		     int sources, int ruling)
{
	const __u32 first = 0;
	int rc = write_rules(set, rules);

	for (__u32 i = 0; !rc && i < set->listed; i++) {
		__u32 at = attach_lists_begin(config, &set->ruling) + i;
		rc = bpf_map_update_elem(sources, &at, &set->lists[i], BPF_ANY);
	}
	return rc ? rc : bpf_map_update_elem(ruling, &first, &set->ruling, BPF_ANY);
}

struct maps {
	int rules, sources, ruling;
};

static int open_maps(const char *folder, struct maps *maps)
{
	maps->rules = attach_pin_open(folder, "rules");
	maps->sources = attach_pin_open(folder, "sources");
	maps->ruling = attach_pin_open(folder, "ruling");
	return maps->rules < 0     ? maps->rules
	       : maps->sources < 0 ? maps->sources
	       : maps->ruling < 0  ? maps->ruling
				   : 0;
}

static void close_maps(const struct maps *maps)
{
	const int fds[] = { maps->rules, maps->sources, maps->ruling };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static int read_rules(const struct maps *maps, struct attach_ruling *ruling, struct attach_rule *rules)
{
	const __u32 first = 0;
	int rc = bpf_map_lookup_elem(maps->ruling, &first, ruling);

	if (!rc && ruling->rules > ATTACH_RULES_MAX)
		return -EPROTO;
	for (__u32 i = 0; !rc && i < ruling->rules; i++) {
		__u32 at = ruling->first + i;
		rc = bpf_map_lookup_elem(maps->rules, &at, &rules[i]);
	}
	return rc;
}

int attach_rules_read(const char *folder, struct attach_ruling *ruling, struct attach_rule *rules)
{
	struct maps maps;
	int rc = open_maps(folder, &maps);

	if (!rc)
		rc = read_rules(&maps, ruling, rules);
	close_maps(&maps);
	return rc;
}

/* How many the lists of its rules of links have together. */
static __u32 count_listed(const struct attach_config *config, const struct attach_rule_set *now)
{
	__u32 begin = attach_lists_begin(config, &now->ruling), end = begin;

	for (__u32 i = 0; i < now->ruling.rules; i++) {
		const struct attach_span *spans[] = { &now->rules[i].v4, &now->rules[i].v6 };
		for (int n = 0; n < 2 && now->rules[i].of_link; n++)
			if (spans[n]->first + spans[n]->count > end)
				end = spans[n]->first + spans[n]->count;
	}
	return end - begin < ATTACH_LISTS_MAX ? end - begin : ATTACH_LISTS_MAX;
}

static int read_sources(int map, __u32 first, __u32 count, struct attach_address *out)
{
	int rc = 0;

	for (__u32 i = 0; !rc && i < count; i++) {
		__u32 at = first + i;
		rc = bpf_map_lookup_elem(map, &at, &out[i]);
	}
	return rc;
}

static int read_all(const struct maps *maps, struct attach_rule_set *now, struct attach_plan *plan)
{
	int rc = read_rules(maps, &now->ruling, now->rules);

	if (rc)
		return rc;
	now->listed = count_listed(&plan->config, now);
	rc = read_sources(maps->sources, attach_lists_begin(&plan->config, &now->ruling), now->listed,
			  now->lists);
	plan->sources = calloc(plan->config.sources + 1, sizeof(*plan->sources));
	if (!plan->sources)
		return -ENOMEM;
	if (!rc)
		rc = read_sources(maps->sources, 0, plan->config.sources, plan->sources);
	plan->set.ruling.first = now->ruling.first;
	for (__u32 i = 0; i < now->ruling.rules; i++)
		if (!now->rules[i].of_link)
			plan->set.rules[plan->set.ruling.rules++] = now->rules[i];
	return rc;
}

int attach_set_read(const char *folder, struct attach_rule_set *now, struct attach_plan *plan)
{
	struct maps maps;

	if (!attach_pin_config(folder, &plan->config))
		return -ENOENT;
	int rc = open_maps(folder, &maps);
	*now = (struct attach_rule_set){ 0 };
	if (!rc)
		rc = read_all(&maps, now, plan);
	close_maps(&maps);
	return rc;
}

/* From the place of one set to that of the other. */
static void move(const struct attach_config *config, struct attach_rule_set *set)
{
	__u32 from = attach_lists_begin(config, &set->ruling);

	set->ruling.first = set->ruling.first ? 0 : ATTACH_RULES_MAX;
	for (__u32 i = 0; i < set->ruling.rules; i++) {
		struct attach_span *spans[] = { &set->rules[i].v4, &set->rules[i].v6 };
		for (int n = 0; n < 2; n++)
			if (spans[n]->count && spans[n]->first >= from)
				spans[n]->first += attach_lists_begin(config, &set->ruling) - from;
	}
}

int attach_set_replace(const char *folder, const struct attach_config *config, struct attach_rule_set *set)
{
	struct maps maps;
	int rc = open_maps(folder, &maps);

	if (!rc) {
		move(config, set);
		rc = attach_set_write(config, set, maps.rules, maps.sources, maps.ruling);
	}
	close_maps(&maps);
	return rc;
}
