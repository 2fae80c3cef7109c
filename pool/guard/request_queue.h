// SPDX-License-Identifier: Apache-2.0
/* request_queue - which kind of reply each request in flight waits for, oldest first. */
#ifndef HEADROOM_POOL_GUARD_REQUEST_QUEUE_H
#define HEADROOM_POOL_GUARD_REQUEST_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

/* Pipelines are long and uniform (a thousand sets), so equal neighbours are one run. */
enum { REQUEST_RUNS = 16, REQUEST_RUN_MAX = 0xffffff };

struct request_queue {
	struct request_run {
		uint32_t reply : 8;
		uint32_t count : 24;
	} runs[REQUEST_RUNS]; /* a ring */
	uint8_t first, used;
};

static inline bool requests_waiting(const struct request_queue *queue)
{
	return queue->used;
}

/**
 * request_only_one() - is the newest the oldest, too?
 */
static inline bool request_only_one(const struct request_queue *queue)
{
	return queue->used == 1 && queue->runs[queue->first].count == 1;
}

/**
 * request_oldest() - what kind of reply comes next; only while requests_waiting()
 */
static inline uint8_t request_oldest(const struct request_queue *queue)
{
	return queue->runs[queue->first].reply;
}

/**
 * request_add() - a request was sent
 * @reply:	the kind of reply it waits for
 * Return: false if there is no room
 */
bool request_add(struct request_queue *queue, uint8_t reply);

/**
 * request_answered() - take the oldest request out
 */
void request_answered(struct request_queue *queue);

/**
 * request_skip() - take out the oldest request and those after it that wait for the same kind of reply
 */
void request_skip(struct request_queue *queue);

#endif
