// SPDX-License-Identifier: Apache-2.0
/* request_queue - which kind of reply each request in flight waits for, oldest first. */
#include "pool/guard/request_queue.h"

bool request_add(struct request_queue *queue, uint8_t reply)
{
	struct request_run *last =
		&queue->runs[(queue->first + queue->used + REQUEST_RUNS - 1) % REQUEST_RUNS];

	if (queue->used && last->reply == reply && last->count < REQUEST_RUN_MAX) {
		last->count++;
		return true;
	}
	if (queue->used == REQUEST_RUNS)
		return false;
	queue->runs[(queue->first + queue->used) % REQUEST_RUNS] =
		(struct request_run){ .reply = reply, .count = 1 };
	queue->used++;
	return true;
}

void request_skip(struct request_queue *queue)
{
	queue->first = (uint8_t)((queue->first + 1) % REQUEST_RUNS);
	queue->used--;
}

void request_answered(struct request_queue *queue)
{
	if (--queue->runs[queue->first].count == 0)
		request_skip(queue);
}
