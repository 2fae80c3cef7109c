// SPDX-License-Identifier: Apache-2.0
/* trust - how far a source is trusted towards a destination, by what came of its connections. */
#include "pool/spread/trust.h"

#include "pool/socket/facts.h"
#include "pool/socket/progress.h"
#include "pool/spread/resort.h"

#include <errno.h>

#define SECOND_NS 1000000000ull
#define MS_NS     1000000ull
#define US_NS     1000ull

/* How long a connection stays up that is not turned away at once, besides some round trips. */
#define UP_FOR_NS (50 * MS_NS)
enum { UP_FOR_ROUND_TRIPS = 3 };
/* Where others were answered a silent one may wait in the server's queue, and the server for a processor. */
#define UP_FOR_BESIDE_ANSWERED_NS SECOND_NS
/* While nobody was answered, how slow it is is not known; other threads would follow. */
#define UP_FOR_UNANSWERED_NS (500 * MS_NS)
/* So many tests where silence alone passes them, each with twice as many connections as the one before, and
 * twice as long while nobody was answered. */
enum { SILENT_TESTS = 4 };
/* Under way for so long, while others were answered, is a bad sign. */
#define WAITING_NS (250 * MS_NS)
/* A row of failures sets aside at this length, and at the other where others failed as well. */
enum { ROW_AMONG_FEW = 2, ROW_AMONG_MANY = 4, LOOK_AT = 8 };

/* Is there another source to choose, be it the kernel's choice? */
static bool has_others(const struct destination *d)
{
	return d->by_source.count > 1 ||
	       (d->by_source.count && (d->rule->spread == SPREAD_SPILL || !d->rule->strict));
}

/* Where a source has one its destination has one too. */
static struct trust *trust_of(struct ledger *ledger, struct tuple_space *space)
{
	if (space->trust)
		return space->trust;
	if (!trust_of_all(ledger, space->destination))
		return NULL;
	struct trust *trust = arena_alloc(ledger->arena, sizeof(struct trust));
	if (trust) {
		*trust = (struct trust){ .fd = -1 };
		space->destination->trust->known++;
	}
	return space->trust = trust;
}

/* Seldom enough to cost nothing: the older a connection, the longer it may still take. */
static uint64_t look_after(uint64_t age_ns)
{
	return age_ns / 4 + 50 * US_NS;
}

static void look_later(struct destination *d, uint64_t look_ns)
{
	if (!d->looking || look_ns < d->trust->look_ns)
		d->trust->look_ns = look_ns;
	d->looking = true;
}

static void look_at(struct tuple_space *space, int fd, uint64_t began_ns, uint64_t look_ns)
{
	struct trust *t = space->trust;
	struct destination *d = space->destination;

	t->fd = fd;
	t->began_ns = began_ns;
	t->look_ns = look_ns;
	t->answers_then = d->trust->answers;
	t->answered = false;
	look_later(d, look_ns);
}

/* Does any source have failures that still matter? */
static void count_doubts(struct ledger *ledger, struct destination *d)
{
	bool doubted = false, turned_away = false;

	for (const struct tuple_space *s = d->spaces; s; s = s->next)
		if (s->trust && (s->trust->charge || s->trust->streak || s->trust->aside)) {
			doubted = true;
			turned_away |= s->trust->turned_away;
		}
	doubted |= d->trust->left;
	ledger->doubted -= d->doubted && !doubted;
	d->doubted = doubted;
	d->trust->turned_away = turned_away;
}

/* Nothing is left to know. */
static void tidy(struct ledger *ledger, struct tuple_space *space, uint64_t now_ns)
{
	struct destination *d = space->destination;
	struct trust *t = space->trust;

	if (!trust_charge(space, now_ns))
		t->charge = 0;
	if (t->charge || t->streak || t->aside || t->resting || t->fd >= 0 || space->doubt & TRUST_UNTESTED)
		return;
	space->trust = NULL;
	if (d->doubted)
		count_doubts(ledger, d);
	arena_free(ledger->arena, t, sizeof(*t));
	if (--d->trust->known || d->trust->sticky || d->trust->many_threads || d->trust->vain)
		return;
	arena_free(ledger->arena, d->trust, sizeof(*d->trust));
	d->trust = NULL;
	d->looking = false;
}

static void put_aside(struct trust *t, const struct trust_of_all *all, uint64_t now_ns)
{
	t->until_ns = now_ns + trust_pause_ns(t->times_aside);
	t->probe_from = all->answers + TRUST_PROBE_AFTER;
}

/* Are more connections open than the one that is begun? */
static bool has_more_open(const struct destination *d, const struct tuple_space *begun)
{
	for (const struct tuple_space *s = d->spaces; s; s = s->next)
		if (s->open > (s == begun))
			return true;
	return false;
}

/* A second thread: while one connects others may have connected, so that what shows only after connect() is
 * shown too late. What nobody knows to have served goes into test. */
COLD static void note_thread(struct ledger *ledger, struct tuple_space *space)
{
	struct destination *d = space->destination;
	struct trust_of_all *all = d->trust;

	if (!ledger->first_thread)
		ledger->first_thread = lock_thread();
	/* Which came first here may be forgotten by now (tidy()). */
	if (!all->thread)
		all->thread = has_more_open(d, space) ? ledger->first_thread : lock_thread();
	if (all->many_threads || all->thread == lock_thread())
		return;
	all->many_threads = true;
	d->tested = d->load_valid = false;
	for (struct tuple_space *s = d->spaces; s; s = s->next) {
		s->doubt |= s->doubt & TRUST_UNSERVED ? TRUST_UNTESTED : 0;
		d->tested |= !(s->doubt & TRUST_UNTESTED);
	}
}

COLD void trust_begins_slowly(struct ledger *ledger, struct tuple_space *space, int fd, uint64_t now_ns)
{
	struct destination *d = space->destination;
	unsigned begun = space->doubt & TRUST_BEGUN;

	/* The count stays below its flags. */
	if (begun == TRUST_BEGUN)
		space->doubt--;
	struct trust *t = has_others(d) ? trust_of(ledger, space) : NULL;
	if (!t) {
		space->doubt = 0;
		return;
	}
	d->load_valid = false;
	note_thread(ledger, space);
	if (t->aside)
		put_aside(t, d->trust, now_ns);
	if (t->fd < 0)
		look_at(space, fd, now_ns, now_ns);
	else if (t->following)
		t->following--;
}

/* What fails in connect() has not failed. */
static void forgive(struct trust *t)
{
	t->row = t->streak = t->times_aside = 0;
	t->aside = t->resting = t->over = t->turned_away = false;
}

/* Connections of it have come up. */
static void enter_answers(struct tuple_space *space, uint32_t count)
{
	struct trust *t = space->trust;
	struct trust_of_all *all = space->destination->trust;

	all->answers += count;
	resort_answered(space, count);
	if (!t)
		return;
	t->waiting = false;
	if (!t->turned_away)
		forgive(t);
}

/* One has served. @data: by bytes, not by having stayed up alone */
static void enter_served(struct ledger *ledger, struct tuple_space *space, bool data, uint64_t now_ns)
{
	struct destination *d = space->destination;

	d->trust->served++;
	d->trust->answers_data |= data;
	d->tested = true;
	resort_served(space);
	space->doubt = data ? 0 : space->doubt & TRUST_UNSERVED;
	if (!space->trust)
		return;
	forgive(space->trust);
	space->trust->waiting = false;
	space->trust->stayed = space->trust->following = 0;
	space->trust->fd = -1;
	tidy(ledger, space, now_ns);
	d->load_valid = false;
}

COLD void trust_connected(struct ledger *ledger, struct tuple_space *space, int fd, uint64_t now_ns)
{
	struct destination *d = space->destination;

	if (!d->trust) {
		d->list_answered |= space->listed;
		space->doubt &= TRUST_UNSERVED;
		return;
	}
	unsigned begun = space->doubt & TRUST_BEGUN;
	enter_answers(space, begun ? 1 : 0);
	space->doubt = (uint8_t)(space->doubt - (begun != 0));
	bool shows_later = d->trust->many_threads || (space->trust && space->trust->turned_away);
	if (!shows_later || !(space->doubt & TRUST_UNTESTED)) {
		space->doubt &= TRUST_UNSERVED;
		d->tested = true;
		if (space->trust && !d->trust->turned_away)
			space->trust->fd = -1;
	}
	/* Where some are turned away, whether this one serves is to be learned. */
	struct trust *t = d->trust->turned_away ? trust_of(ledger, space) : space->trust;
	if (!t)
		return;
	if (t->fd < 0 && (d->trust->turned_away || space->doubt & TRUST_UNTESTED))
		look_at(space, fd, now_ns, now_ns + look_after(0));
	if (t->fd == fd)
		t->answered = true;
	tidy(ledger, space, now_ns);
}

/* Enters a failure into the row. Return: true if it sets the source aside. */
static bool lengthen_row(struct trust *t, const struct trust_of_all *all, bool turned_away)
{
	uint32_t good = turned_away ? all->served - t->last_served : all->answers - t->last_answers;
	uint32_t bad = all->failures - t->last_failures;

	t->last_answers = all->answers;
	t->last_served = all->served;
	t->last_failures = all->failures + 1;
	if (!t->row || t->turned_away != turned_away) {
		t->row = 1;
		t->turned_away = turned_away;
		return false;
	}
	/* In a time in which all fail a failure says nothing of this one. */
	if (good < TRUST_ANSWERS_BETWEEN)
		return false;
	if (t->row < UINT8_MAX)
		t->row++;
	return (t->row >= ROW_AMONG_FEW && good >= TRUST_ANSWERS_BETWEEN * (bad + 1)) ||
	       t->row >= ROW_AMONG_MANY;
}

COLD static bool enter_failure(struct ledger *ledger, struct tuple_space *space, int error, bool turned_away,
			       uint64_t now_ns)
{
	struct destination *d = space->destination;
	struct trust *t = has_others(d) ? trust_of(ledger, space) : NULL;

	if (!t)
		return false;
	if (!trust_charge(space, now_ns))
		t->charge = 0;
	bool sets_aside = lengthen_row(t, d->trust, turned_away);
	t->error = error;
	resort_failed(space, now_ns);
	/* Who was answered is the kernel's choice alone: it is weighed against all of the list. */
	sets_aside &= !(space->listed && resort_is_due(d));
	if (t->charge < UINT16_MAX)
		t->charge++;
	t->charge_tick = ledger_tick(now_ns);
	if (t->streak < UINT8_MAX)
		t->streak++;
	t->rest_from = d->trust->answers;
	t->resting = true;
	t->waiting = t->over = false;
	t->stayed = t->following = 0;
	t->fd = -1;
	if (sets_aside || t->aside) {
		t->say |= !t->aside;
		d->trust->say |= t->say;
		t->aside = true;
		if (t->times_aside < UINT8_MAX)
			t->times_aside++;
		put_aside(t, d->trust, now_ns);
		space_aside(space);
	}
	if (space->doubt & TRUST_BEGUN && !turned_away)
		space->doubt--;
	space->doubt |= TRUST_UNTESTED | TRUST_UNSERVED;
	d->trust->failures++;
	ledger->doubted += !d->doubted;
	d->doubted = true;
	d->trust->turned_away |= turned_away;
	d->load_valid = false;
	return true;
}

COLD bool trust_failed(struct ledger *ledger, struct tuple_space *space, int error, uint64_t now_ns)
{
	/* A refused SYN is ECONNREFUSED: this one had come up (tcp_reset(), net/ipv4/tcp_input.c). */
	bool turned_away = error == ECONNRESET || error == EPIPE;

	if (trust_tells_of_network(error))
		return enter_failure(ledger, space, error, turned_away, now_ns);
	if (space->doubt & TRUST_BEGUN)
		space->doubt--;
	return false;
}

COLD bool trust_turned_away(struct ledger *ledger, struct tuple_space *space, uint64_t now_ns)
{
	return enter_failure(ledger, space, ECONNRESET, true, now_ns);
}

COLD void trust_served(struct ledger *ledger, struct tuple_space *space, bool news, bool data,
		       uint64_t now_ns)
{
	if (!space->destination->trust) {
		space->doubt = data ? 0 : space->doubt & TRUST_UNSERVED;
		return;
	}
	if (news)
		enter_answers(space, (space->doubt & TRUST_BEGUN) != 0);
	enter_served(ledger, space, data, now_ns);
}

COLD uint32_t trust_charge(const struct tuple_space *space, uint64_t now_ns)
{
	const struct trust *t = space->trust;

	return t && ledger_tick(now_ns) - t->charge_tick <= USAGE_TICKS_KEPT ? t->charge : 0;
}

COLD enum trust_rank trust_rank(struct ledger *ledger, struct tuple_space *space, bool patient,
				uint64_t now_ns)
{
	const struct destination *d = space->destination;

	if (space->trust)
		tidy(ledger, space, now_ns);
	struct trust *t = space->trust;
	if (!t)
		return TRUST_FULL;
	bool under_way = t->fd >= 0;
	if (t->aside)
		return t->until_ns > now_ns || (int32_t)(d->trust->answers - t->probe_from) < 0 || under_way
			       ? TRUST_ASIDE
			       : TRUST_FULL;
	uint32_t rest = patient ? TRUST_PATIENT_REST : TRUST_REST;
	/* An answer to connect() says little where the end comes after it; what is up may be turned away,
	 * too, and several that were at once say more than one. What is seen to be over will count when the
	 * program is told. */
	bool away = t->turned_away && (t->streak > 1 || space->open ||
				       d->trust->served - t->last_served < TRUST_ANSWERS_BETWEEN);
	if (t->over || away)
		rest = TRUST_PATIENT_REST;
	if (t->resting && d->trust->answers - t->rest_from >= rest)
		t->resting = false;
	if (patient)
		return t->resting && t->streak >= TRUST_PATIENCE ? TRUST_DOUBTED : TRUST_FULL;
	if (t->resting || t->waiting)
		return TRUST_DOUBTED;
	if (!under_way || t->following || !(space->doubt & TRUST_UNTESTED) ||
	    (space == d->natural && !d->tested))
		return TRUST_FULL;
	return t->answered ? TRUST_TESTING : TRUST_UNANSWERED;
}

bool trust_may_try(const struct tuple_space *space, uint64_t now_ns)
{
	const struct trust *t = space->trust;

	return t && t->aside && t->until_ns <= now_ns && t->fd < 0;
}

/* How long a connection without a byte has to stay up to have served. */
static uint64_t up_for_ns(const struct trust_of_all *all, const struct trust *t, uint32_t round_trip_us)
{
	uint64_t up_ns = all->answers_data   ? UP_FOR_BESIDE_ANSWERED_NS
			 : all->many_threads ? UP_FOR_UNANSWERED_NS << t->stayed
					     : UP_FOR_NS;

	return up_ns + UP_FOR_ROUND_TRIPS * round_trip_us * US_NS;
}

/* Is a connection that stayed up without a byte to be followed by another test? See trust.h. */
static bool needs_another(const struct tuple_space *space)
{
	return space->destination->trust->many_threads && space->doubt & TRUST_UNTESTED &&
	       space->trust->stayed < SILENT_TESTS;
}

static void another_test(struct tuple_space *space)
{
	struct trust *t = space->trust;

	t->fd = -1;
	t->following = (uint8_t)((1u << t->stayed) - 1);
	t->stayed++;
}

/* What the kernel says of the connection that is looked at. The lock is held. */
static void judge(struct ledger *ledger, struct tuple_space *space, const struct socket_progress *now,
		  uint64_t now_ns)
{
	struct trust *t = space->trust;
	uint64_t age_ns = now_ns > t->began_ns ? now_ns - t->began_ns : 0;
	struct trust_of_all *all = space->destination->trust;

	switch (now->so_far) {
	case PROGRESS_NONE: /* the number is something else by now */
		t->fd = -1;
		t->waiting = false;
		return;
	case PROGRESS_UNDER_WAY:
		t->waiting |= age_ns >= WAITING_NS && all->answers != t->answers_then;
		t->look_ns = now_ns + look_after(age_ns);
		return;
	default:
		break;
	}
	if (now->so_far == PROGRESS_OVER && !now->data_came) {
		/* Over, without a byte. The program will be told, and then it counts. */
		t->fd = -1;
		t->waiting = false;
		t->resting = t->over = true;
		t->rest_from = all->answers;
		return;
	}
	enter_answers(space, space->doubt & TRUST_BEGUN);
	space->doubt &= (uint8_t)~TRUST_BEGUN;
	t->answered = true;
	bool stayed = age_ns >= up_for_ns(all, t, now->round_trip_us);
	if (stayed && !now->data_came && needs_another(space))
		another_test(space);
	else if (stayed || now->data_came)
		enter_served(ledger, space, now->data_came, now_ns);
	else if (!(space->doubt & TRUST_UNTESTED) && !all->turned_away) {
		space->doubt &= TRUST_UNSERVED;
		t->fd = -1;
	} else
		t->look_ns = now_ns + look_after(age_ns);
}

struct looked_at {
	struct tuple_space *space;
	struct address source;
	int fd;
	uint64_t began_ns;
};

/* All of them when one is due: how long those that were answered took tells of those that were not. */
COLD void trust_look(struct ledger *ledger, const struct held *held, struct destination *destination,
		     uint64_t now_ns)
{
	struct looked_at at[LOOK_AT];
	struct socket_progress progress[LOOK_AT];
	unsigned count = 0;

	if (!lock_enter_held(ledger->lock, held))
		return;
	for (struct tuple_space *s = destination->spaces; s && count < LOOK_AT; s = s->next)
		if (s->trust && s->trust->fd >= 0)
			at[count++] = (struct looked_at){ s, s->source, s->trust->fd, s->trust->began_ns };
	/* For whoever comes meanwhile. */
	destination->looking = false;
	lock_leave(ledger->lock);
	for (unsigned i = 0; i < count; i++) {
		struct endpoint local;

		socket_look(at[i].fd, &progress[i]);
		/* Closed by another thread meanwhile, it may be the number of one that another source serves.
		 */
		if (progress[i].data_came &&
		    (!socket_local(at[i].fd, &local) || !address_equal(&local.ip, &at[i].source)))
			progress[i] = (struct socket_progress){ 0 };
	}
	if (!lock_enter_held(ledger->lock, held))
		return;
	for (unsigned i = 0; i < count && destination->trust; i++)
		destination->trust->answers_data |=
			progress[i].so_far != PROGRESS_NONE && progress[i].data_came;
	for (unsigned i = 0; i < count; i++) {
		struct trust *t = at[i].space->trust;
		if (t && t->fd == at[i].fd && t->began_ns == at[i].began_ns)
			judge(ledger, at[i].space, &progress[i], now_ns);
	}
	for (struct tuple_space *s = destination->spaces; s; s = s->next)
		if (s->trust && s->trust->fd >= 0)
			look_later(destination, s->trust->look_ns);
	destination->load_valid = false;
	lock_leave(ledger->lock);
}

COLD void trust_say(struct journal *journal, struct events *events, struct destination *destination,
		    uint64_t now_ns)
{
	struct trust_of_all *all = destination->trust;

	if (!all)
		return;
	resort_say(journal, events, all, now_ns);
	if (!all->say)
		return;
	all->say = false;
	for (struct tuple_space *s = destination->spaces; s; s = s->next)
		if (s->trust && s->trust->say) {
			s->trust->say = false;
			events_failing(journal, events, s,
				       s->trust->turned_away ? ECONNRESET : s->trust->error, now_ns);
		}
}

static bool stays(const struct destination *destination, uint64_t now_ns)
{
	(void)now_ns;
	if (destination->trust && destination->trust->left && destination->trust->times_left)
		return true;
	for (const struct tuple_space *s = destination->trust ? destination->spaces : NULL; s; s = s->next)
		if (s->trust && s->trust->aside)
			return true;
	return false;
}

static void leaves(void *self, struct ledger *ledger, struct destination *destination)
{
	(void)self;
	ledger->doubted -= destination->doubted;
	for (struct tuple_space *s = destination->spaces; s; s = s->next)
		if (s->trust)
			arena_free(ledger->arena, s->trust, sizeof(*s->trust));
	if (destination->trust)
		arena_free(ledger->arena, destination->trust, sizeof(*destination->trust));
}

const struct ledger_tenant trust_tenant = { .stays = stays, .leaves = leaves };
