// SPDX-License-Identifier: Apache-2.0
/* writer - this process's own usage segment: its events, the port range. */
#include "pool/segment/writer.h"

#include "pool/base/hot.h"
#include "pool/segment/entry.h"

COLD void usage_note(struct usage_writer *writer, const struct usage_event *event, uint64_t now_ns)
{
	if (!writer->segment)
		return;
	uint64_t number = writer->segment->header.events_written;
	struct usage_event *place = &writer->segment->events[number % USAGE_EVENTS];

	USAGE_PUT(place->sequence, (uint32_t)(2 * number + 1));
	atomic_thread_fence(memory_order_release);
	uint32_t sequence = place->sequence;
	*place = *event;
	place->sequence = sequence;
	place->time_ns = now_ns;
	__atomic_store_n(&place->sequence, (uint32_t)(2 * number + 2), __ATOMIC_RELEASE);
	__atomic_store_n(&writer->segment->header.events_written, number + 1, __ATOMIC_RELEASE);
}

COLD void usage_note_range(struct usage_writer *writer, const struct port_range *range)
{
	struct usage_header *header = writer->segment ? &writer->segment->header : NULL;

	if (!header)
		return;
	USAGE_PUT(header->range_low, range->low);
	USAGE_PUT(header->range_high, range->high);
	USAGE_PUT(header->range_reserved, range->reserved);
	USAGE_PUT(header->time_wait_reuse, range->time_wait_reuse);
	USAGE_PUT(header->reuse_delay_ms, range->reuse_delay_ms);
	USAGE_PUT(header->waits_bound, range->waits_bound);
}
