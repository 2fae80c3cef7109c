// SPDX-License-Identifier: Apache-2.0
/* choosing - see choosing.h. */
#include "tests/unit/choosing.h"

#include "tests/unit/check.h"

#include <stdio.h>

#define SECOND 1000000000ull

struct choosing choosing;

void choosing_prepare(const char *to)
{
	choosing.now_ns = fake.now_ns;
	fake_range(40000, 40099, "", 0);
	ledger_refresh_range(&shim.ledger, choosing.now_ns);
	choosing.destination = program_destination(to);
	choosing.destination->rule =
		settings_rule_for(&shim.settings, &choosing.destination->to, shim.process);
	check(spread_prepare(&shim.spreading, choosing.destination, &choosing.destination->rule->sources));
}

void choosing_start_in(const char *section, const char *sources, const char *spread, const char *to)
{
	char rules[256];
	snprintf(rules, sizeof(rules), "[%s]\nsources = %s\nspread = %s\n", section, sources, spread);
	program_start(rules);
	choosing_prepare(to);
}

void choosing_start(const char *sources, const char *spread)
{
	choosing_start_in("headroom", sources, spread, CHOOSING_TO);
}

enum verdict choosing_choose(struct choice *choice)
{
	return spread_choose(&shim.spreading, choosing.destination, NULL, choosing.now_ns, choosing.now_ns,
			     choice);
}

int choosing_take(void)
{
	struct choice choice;
	enum verdict verdict = choosing_choose(&choice);

	if (verdict == NONE_LEFT)
		return -2;
	if (choice.space)
		space_taken(choice.space, &shim.ledger.range, choosing.now_ns);
	if (verdict == CHOSEN_NATURAL)
		return -1;
	for (unsigned i = 0; i < choosing.destination->by_source.count; i++)
		if (slots_get(&choosing.destination->by_source, i) == choice.space)
			return (int)i;
	abort(); /* chosen, but not of the list */
}

struct tuple_space *choosing_space(unsigned i)
{
	struct address *source = &shim.settings.otherwise.sources.items[i];
	if (!slots_get(&choosing.destination->by_source, i))
		check(slots_put(&choosing.destination->by_source, &shim.arena, i,
				ledger_space(&shim.ledger, choosing.destination, source)));
	return slots_get(&choosing.destination->by_source, i);
}

void choosing_set_open(unsigned i, uint32_t open)
{
	choosing_space(i)->open = open;
	choosing.destination->load_valid = false;
}

void choosing_know_natural(const char *source)
{
	struct address natural = ip(source);
	choosing.destination->natural = ledger_space(&shim.ledger, choosing.destination, &natural);
	choosing.destination->natural_until_ns = choosing.now_ns + 1000 * SECOND;
}
