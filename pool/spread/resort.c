// SPDX-License-Identifier: Apache-2.0
/* resort - the list of sources weighed against the kernel's own choice. */
#include "pool/spread/resort.h"

#include <errno.h>

#define SECOND_NS 1000000000ull

/* Where nobody was ever answered: the first SYN is sent again by now (TCP_TIMEOUT_INIT, include/net/tcp.h).
 */
#define UNANSWERED_NS SECOND_NS
enum {
	RESORT_AFTER = 2, /* failures of a list, or of its one source; then the kernel's choice is tried */
	RESORT_WARY = 16, /* answers to the kernel's choice come first where the list is doubtful */
	RESORT_COST = 16, /* times what it took to fail the list is not tried again */
};

/* One of the list was answered. */
static void list_answered(struct destination *d)
{
	struct trust_of_all *all = d->trust;

	d->list_answered = true;
	if (!all || !all->vain)
		return;
	all->left = all->say_left = false;
	all->vain = all->vain_row = all->times_left = all->answered_left = 0;
	all->beside = 0;
	d->want_natural = false;
}

COLD void resort_answered(struct tuple_space *space, uint32_t count)
{
	struct trust_of_all *all = space->destination->trust;

	if (!space->listed) {
		all->beside += count;
		all->beside_of = space;
	} else if (count && !all->turned_away) {
		/* Where it failed before, that it comes up says less than that it serves. */
		all->answered_left += all->left;
		if (!all->left || all->answered_left >= TRUST_REST)
			list_answered(space->destination);
	}
}

COLD void resort_served(struct tuple_space *space)
{
	if (!space->listed)
		return;
	space->destination->trust->list_served = true;
	list_answered(space->destination);
}

COLD bool resort_is_another(const struct tuple_space *natural)
{
	return natural && !natural->listed && !trust_has_failed(natural);
}

COLD bool resort_is_due(const struct destination *d)
{
	unsigned enough = d->list_answered ? TRUST_PATIENCE : d->by_source.count > 1 ? RESORT_AFTER : 1;

	return !d->rule->strict && d->trust && d->trust->vain >= enough;
}

/* The kernel's choice is answered, and the list fails. */
static void leave_to_kernel(struct trust_of_all *all, uint64_t took_ns, uint64_t now_ns)
{
	uint64_t rest_ns = took_ns * RESORT_COST;

	all->say_left |= !all->times_left;
	all->left = true;
	if (all->times_left < UINT8_MAX)
		all->times_left++;
	if (rest_ns < trust_pause_ns(all->times_left))
		rest_ns = trust_pause_ns(all->times_left);
	all->left_until_ns = now_ns + rest_ns;
	all->left_from = all->answers + TRUST_PROBE_AFTER;
}

COLD void resort_failed(struct tuple_space *space, uint64_t now_ns)
{
	struct destination *d = space->destination;
	struct trust_of_all *all = d->trust;
	const struct trust *t = space->trust;

	if (!space->listed) {
		/* It fails as well: the list is tried again, and then this one. */
		if (all->left && t->streak < TRUST_PATIENCE)
			return;
		all->left = all->say_left = false;
		all->vain = 0;
		all->beside = 0;
		return;
	}
	/* Who is turned away had come up. */
	d->list_answered &= !t->turned_away || all->list_served;
	if (all->vain < UINT8_MAX)
		all->vain++;
	all->vain_error = t->turned_away ? ECONNRESET : t->error;
	all->answered_left = 0;
	d->want_natural |= !d->rule->strict;
	if (!resort_is_due(d) || all->beside < TRUST_ANSWERS_BETWEEN)
		return;
	all->beside = 0;
	all->vain_row++;
	if (all->left || !d->list_answered || all->vain_row >= TRUST_PATIENCE)
		leave_to_kernel(all, t->fd >= 0 && now_ns > t->began_ns ? now_ns - t->began_ns : 0, now_ns);
}

/* Is a connection of the list under way, in test? @long_ago: for so long that its first SYN was not answered
 */
static bool list_is_in_test(const struct destination *d, uint64_t now_ns, bool *long_ago)
{
	bool in_test = false;

	*long_ago = false;
	for (const struct tuple_space *s = d->spaces; s; s = s->next) {
		const struct trust *t = s->listed ? s->trust : NULL;
		/* What is over and the program was not told of yet is no answer either. */
		in_test |= t && t->over && d->trust->answers - t->rest_from < TRUST_PROBE_AFTER;
		if (t && t->fd >= 0 && s->doubt & TRUST_UNTESTED) {
			in_test = true;
			*long_ago |= !t->answered && now_ns >= t->began_ns + UNANSWERED_NS;
		}
	}
	return in_test;
}

COLD bool resort_is_preferred(const struct destination *d, const struct tuple_space *natural, uint64_t now_ns)
{
	const struct trust_of_all *all = d->trust;
	bool long_ago;

	if (d->rule->strict || !natural || natural->listed)
		return false;
	bool in_test = list_is_in_test(d, now_ns, &long_ago);
	if (!resort_is_due(d))
		return long_ago && !d->list_answered && !trust_has_failed(natural);
	if (in_test)
		return true;
	if (all->left)
		return all->left_until_ns > now_ns || (int32_t)(all->answers - all->left_from) < 0;
	return all->beside < TRUST_ANSWERS_BETWEEN;
}

COLD void resort_be_wary(struct ledger *ledger, struct destination *d)
{
	struct trust_of_all *all = trust_of_all(ledger, d);

	if (!all || all->vain || d->list_answered)
		return;
	all->vain = TRUST_PATIENCE;
	all->left = true;
	all->left_from = all->answers + RESORT_WARY;
	ledger->doubted += !d->doubted;
	d->doubted = true;
	d->want_natural = true;
	d->load_valid = false;
}

COLD bool resort_may_be_asked(const struct destination *d, int error)
{
	/* A refusal is an answer, unless it is known that others are given another. */
	bool weighed = resort_is_due(d) && (d->trust->left || d->trust->beside);

	return !d->rule->strict && error && trust_tells_of_network(error) &&
	       (weighed || (!d->list_answered && error != ECONNREFUSED));
}

COLD void resort_say(struct journal *journal, struct events *events, struct trust_of_all *all,
		     uint64_t now_ns)
{
	if (!all->say_left)
		return;
	all->say_left = false;
	events_left(journal, events, all->beside_of, all->vain_error, now_ns);
}
