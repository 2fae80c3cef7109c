// SPDX-License-Identifier: Apache-2.0
/* choosing - a program of which connections to one destination are chosen sources for, over the fake kernel:
 * spread_choose(), without the connect() around it. */
#ifndef HEADROOM_TESTS_UNIT_CHOOSING_H
#define HEADROOM_TESTS_UNIT_CHOOSING_H

#include "pool/spread/spread.h"
#include "tests/unit/program.h"

#define CHOOSING_TO "10.0.0.9:80"

struct choosing {
	uint64_t now_ns; /* the time of the next choice */
	struct destination *destination;
};

extern struct choosing choosing;

/**
 * choosing_start() - a rule for all destinations, and CHOOSING_TO; the range has 100 ports
 */
void choosing_start(const char *sources, const char *spread);

/**
 * choosing_start_in() - the same with the rule in a section, and with a destination
 */
void choosing_start_in(const char *section, const char *sources, const char *spread, const char *to);

/**
 * choosing_prepare() - another destination
 */
void choosing_prepare(const char *to);

/**
 * choosing_choose() - spread_choose()
 */
enum verdict choosing_choose(struct choice *choice);

/**
 * choosing_take() - chooses, and takes a port
 * Return: index of the source, -1 for the natural one, -2 for none
 */
int choosing_take(void);

/**
 * choosing_space() - the tuple space of a source of the list, by its index
 */
struct tuple_space *choosing_space(unsigned i);

/**
 * choosing_set_open() - so many connections of it are open
 */
void choosing_set_open(unsigned i, uint32_t open);

/**
 * choosing_know_natural() - the source that the kernel would choose
 */
void choosing_know_natural(const char *source);

#endif
