// SPDX-License-Identifier: Apache-2.0
/* tuple_space - the ports from one source to one destination: what holds each, how many are left. */
#include "pool/ports/tuple_space.h"

#include <stdlib.h>
#include <string.h>

enum { LOOPBACK_INTERFACE = 1 };

bool tuple_space_start(struct tuple_space *space, const struct tuple_key *key, const struct port_space *ports)
{
	*space = (struct tuple_space){ .key = *key, .low = ports->range.low, .high = ports->range.high };
	space->ports = calloc((size_t)space->high - space->low + 1, sizeof(*space->ports));
	return space->ports;
}

void tuple_space_end(struct tuple_space *space)
{
	free(space->ports);
	space->ports = NULL;
}

bool tuple_key_of(const struct socket_seen *seen, struct tuple_key *key)
{
	*key = (struct tuple_key){ .source = seen->source.ip,
				   .destination = seen->destination,
				   .interface = seen->interface };
	return seen->destination.port && seen->state != STATE_LISTEN && seen->state != STATE_BOUND_ONLY;
}

void tuple_space_see(struct tuple_space *space, const struct socket_seen *seen)
{
	if (seen->source.port < space->low || seen->source.port > space->high) {
		space->outside++;
		return;
	}
	space->ports[seen->source.port - space->low] = (struct tuple_port){
		.inode = seen->inode, .state = seen->state, .unanswered = socket_is_unanswered(seen)
	};
}

bool tuple_reusable(const struct tuple_key *key, const struct port_space *ports)
{
	if (!ports->timestamps || !ports->range.time_wait_reuse)
		return false;
	return ports->range.time_wait_reuse == 1 || key->interface == LOOPBACK_INTERFACE ||
	       address_is_loopback(&key->source) || address_is_loopback(&key->destination.ip);
}

/* A plain connect() walks over an even number of ports. In an odd range it passes over the lowest or the
 * highest one, by where its walk begins; of three ports over the highest, always (__inet_hash_connect()). */
static void count_plain(struct tuple_count *count, bool low_free, bool high_free)
{
	bool odd = count->range % 2 && count->range > 1;

	count->plain = count->headroom;
	if (odd && (count->range == 3 ? high_free : (low_free || high_free)))
		count->plain--;
}

void tuple_space_count(const struct tuple_space *space, const struct port_space *ports,
		       struct tuple_count *count)
{
	bool reusable = tuple_reusable(&space->key, ports);
	uint32_t first_parity_free = 0;
	bool low_free = false, high_free = false;

	*count = (struct tuple_count){ .range = (uint32_t)space->high - space->low + 1 };
	for (unsigned port = space->low; port <= space->high; port++) {
		const struct port_note *note = &ports->ports[port];
		unsigned state = space->ports[port - space->low].state;
		bool first_parity = (port - space->low) % 2 == 0;
		if (note->reserved) {
			count->reserved++;
			continue;
		}
		if (note->blocked) {
			count->blocked[note->blocked]++;
			count->blocked_all++;
			continue;
		}
		count->capacity++;
		count->knee += first_parity;
		if (state) {
			count->in_use++;
			count->by_state[state % SOCKET_STATES]++;
			count->unanswered += space->ports[port - space->low].unanswered;
			count->reusable += reusable && state == STATE_TIME_WAIT;
			first_parity_free += first_parity && reusable && state == STATE_TIME_WAIT;
			continue;
		}
		count->headroom++;
		count->doubtful += port_space_doubtful(ports, port);
		first_parity_free += first_parity;
		low_free |= port == space->low;
		high_free |= port == space->high;
	}
	count->past_knee = count->in_use && !first_parity_free;
	count_plain(count, low_free, high_free);
}
