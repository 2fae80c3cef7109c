// SPDX-License-Identifier: Apache-2.0
/* memcached - the guard of memcached connections (text protocol). */
#include "pool/guard/memcached.h"

#include "pool/guard/memcached_command.h"

/* Theory of operation
 *
 * Each command waits for a reply of a kind: a line, or lines with data up to END. Replies come in the order
 * of the commands. A quiet meta command (q) may have none, so a reply is given to the oldest command that can
 * have it; what is passed over had none. A reply then never counts for a later command than its own, so once
 * the last command is answered, all are.
 *
 * After an error reply it is in doubt how much of the command the server has read: refused.
 */

enum { ANY_WORDS = 255 };

#define FOR(reply) (1U << (reply))
#define META_STORE (FOR(REPLY_META_SET) | FOR(REPLY_META_DELETE) | FOR(REPLY_META_ARITHMETIC))
#define META       (META_STORE | FOR(REPLY_META_GET))

/* The lines of replies, by their first word. */
static const struct answer {
	char word[13];
	uint8_t words, words_max; /* on the line, with the first */
	uint8_t data;             /* the number of the word that says how much data follows; 0: none */
	bool last;                /* of the reply */
	uint32_t replies;         /* in which it may be, FOR() */
} answers[] = {
	{ "VALUE", 4, 5, 3, false, FOR(REPLY_RETRIEVE) },
	{ "END", 1, 1, 0, true, FOR(REPLY_RETRIEVE) | FOR(REPLY_STATS) },
	{ "STORED", 1, 1, 0, true, FOR(REPLY_STORE) },
	{ "NOT_STORED", 1, 1, 0, true, FOR(REPLY_STORE) },
	{ "EXISTS", 1, 1, 0, true, FOR(REPLY_STORE) },
	{ "NOT_FOUND", 1, 1, 0, true,
	  FOR(REPLY_STORE) | FOR(REPLY_DELETE) | FOR(REPLY_ARITHMETIC) | FOR(REPLY_TOUCH) },
	{ "DELETED", 1, 1, 0, true, FOR(REPLY_DELETE) },
	{ "TOUCHED", 1, 1, 0, true, FOR(REPLY_TOUCH) },
	{ "VERSION", 2, ANY_WORDS, 0, true, FOR(REPLY_VERSION) },
	{ "OK", 1, 1, 0, true, FOR(REPLY_OK) | FOR(REPLY_STATS) },
	{ "RESET", 1, 1, 0, true, FOR(REPLY_STATS) },
	{ "STAT", 2, ANY_WORDS, 0, false, FOR(REPLY_STATS) },
	{ "ITEM", 2, ANY_WORDS, 0, false, FOR(REPLY_STATS) },
	{ "PREFIX", 2, ANY_WORDS, 0, false, FOR(REPLY_STATS) },
	{ "VA", 2, ANY_WORDS, 1, true, FOR(REPLY_META_GET) | FOR(REPLY_META_ARITHMETIC) },
	{ "HD", 1, ANY_WORDS, 0, true, META },
	{ "EN", 1, 1, 0, true, FOR(REPLY_META_GET) | FOR(REPLY_META_DEBUG) },
	{ "NS", 1, ANY_WORDS, 0, true, META_STORE },
	{ "EX", 1, ANY_WORDS, 0, true, META_STORE },
	{ "NF", 1, ANY_WORDS, 0, true, META_STORE },
	{ "MN", 1, 1, 0, true, FOR(REPLY_META_NOOP) },
	{ "ME", 2, ANY_WORDS, 0, true, FOR(REPLY_META_DEBUG) },
	{ "", 1, 1, 0, true, FOR(REPLY_ARITHMETIC) }, /* a number */
};

enum { ANSWERS = sizeof(answers) / sizeof(*answers), ANSWER_NUMBER = ANSWERS - 1 };

/* Return: false if the word begins no reply. */
static bool find_answer(struct memcached_replies *replies)
{
	uint64_t number;

	for (replies->answer = 0; replies->answer < ANSWER_NUMBER; replies->answer++) {
		if (memcached_is(&replies->line, answers[replies->answer].word))
			return true;
	}
	return memcached_number(&replies->line, &number);
}

static bool is_error(const struct memcached_line *line)
{
	return memcached_is(line, "ERROR") || memcached_is(line, "CLIENT_ERROR") ||
	       memcached_is(line, "SERVER_ERROR");
}

/* Whose reply is it? Return: false if it is nobody's. */
static bool find_request(struct guard *guard)
{
	struct request_queue *waiting = &guard->memcached.waiting;
	uint32_t replies = answers[guard->memcached.replies.answer].replies;

	while (requests_waiting(waiting)) {
		uint8_t reply = request_oldest(waiting);
		if (replies & FOR(reply & ~REPLY_QUIET))
			return true;
		if (!(reply & REPLY_QUIET))
			return false;
		request_skip(waiting);
	}
	return false;
}

/* Return: false if the word breaks the form. */
static bool word_end(struct guard *guard)
{
	struct memcached_replies *replies = &guard->memcached.replies;
	struct memcached_line *line = &replies->line;
	uint32_t number = line->words - 1;

	if (number) {
		uint8_t data = answers[replies->answer].data;
		return !data || number != data || memcached_number(line, &line->left);
	}
	if (is_error(line)) {
		guard_refuse(guard, GUARD_REASON_ERROR);
		return true;
	}
	return find_answer(replies) && find_request(guard);
}

static void line_done(struct guard *guard)
{
	struct memcached_replies *replies = &guard->memcached.replies;

	if (answers[replies->answer].last)
		request_answered(&guard->memcached.waiting);
	memcached_line_start(&replies->line);
}

static bool line_end(struct guard *guard)
{
	struct memcached_replies *replies = &guard->memcached.replies;
	const struct answer *answer = &answers[replies->answer];
	uint32_t words = replies->line.words;

	if (words < answer->words || (answer->words_max != ANY_WORDS && words > answer->words_max))
		return false;
	if (answer->data)
		memcached_data_start(&replies->line);
	else
		line_done(guard);
	return true;
}

/* Return: false if the byte breaks the form. */
static bool follow_byte(struct guard *guard, char c)
{
	static const struct memcached_ends ends = { .word = word_end, .line = line_end, .data = line_done };
	struct memcached_line *line = &guard->memcached.replies.line;

	if (line->place == MEMCACHED_BEGIN && !requests_waiting(&guard->memcached.waiting)) {
		guard_refuse(guard, GUARD_REASON_UNASKED);
		return true;
	}
	return memcached_line_follow(line, c, &ends, guard);
}

void guard_memcached_start(struct guard *guard)
{
	guard->memcached.waiting = (struct request_queue){ 0 };
	memcached_commands_start(&guard->memcached.commands);
	memcached_line_start(&guard->memcached.replies.line);
}

void guard_memcached_sent(struct guard *guard, const char *bytes, size_t size)
{
	memcached_commands_follow(guard, bytes, size);
}

void guard_memcached_received(struct guard *guard, const char *bytes, size_t size)
{
	struct memcached_line *line = &guard->memcached.replies.line;

	while (size && !guard->reason) {
		size_t taken = 1;
		if (line->place == MEMCACHED_IN_DATA)
			taken = memcached_data_skip(line, size);
		else if (!follow_byte(guard, *bytes))
			guard_refuse(guard, GUARD_REASON_BAD_REPLY);
		bytes += taken;
		size -= taken;
	}
}

bool guard_memcached_clean(const struct guard *guard)
{
	return guard->memcached.replies.line.place == MEMCACHED_BEGIN &&
	       !requests_waiting(&guard->memcached.waiting) &&
	       memcached_commands_settled(&guard->memcached.commands);
}
