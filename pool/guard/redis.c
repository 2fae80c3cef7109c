// SPDX-License-Identifier: Apache-2.0
/* redis - the guard of Redis connections. */
#include "pool/guard/redis.h"

#include "pool/guard/letter.h"
#include "pool/guard/redis_command.h"

#include <string.h>

/* Theory of operation
 *
 * Commands and replies are counted by their framing (RESP2 and RESP3): nothing is kept but counts, sizes and
 * the first letters of a command's name. A reply is one value, which may hold others; the elements still to
 * come are counted for each depth.
 */

_Static_assert(REDIS_DEPTH_MAX <= 32, "attributes has a bit for each depth");

enum reply_place {
	REPLY_TYPE,
	REPLY_LINE, /* text, number, or an error, up to CR */
	REPLY_LINE_LF,
	REPLY_NUMBER, /* a size or count */
	REPLY_STRING,
	REPLY_STRING_CR,
	REPLY_STRING_LF,
};

/* After these the server closes, or the two sides are out of step. */
static const char final_errors[][REDIS_TEXT_MAX] = {
	"err protocol error",
	"err max number of clients",
	"denied ",
};

static void value_end(struct guard *guard)
{
	struct redis_replies *replies = &guard->redis.replies;

	replies->place = REPLY_TYPE;
	while (replies->depth) {
		unsigned top = replies->depth - 1U;
		if (--replies->elements[top])
			return;
		replies->depth--;
		if (replies->attributes & 1U << top)
			return; /* the value they are of comes next */
	}
	guard->redis.waiting--;
}

/* Return: false if the byte cannot be in the line of its type. */
static bool may_be_in_line(const struct redis_replies *replies, char c)
{
	bool first = !replies->text_size;

	switch (replies->type) {
	case ':':
	case '(':
		return (c >= '0' && c <= '9') || (first && (c == '-' || c == '+'));
	case ',':
		return (c >= '0' && c <= '9') || (c && strchr("+-.eEinfaINFA", c));
	case '#':
		return first && (c == 't' || c == 'f');
	case '_':
		return false;
	default:
		return c != '\n' && c != '\0';
	}
}

static bool is_final_error(const struct redis_replies *replies)
{
	for (size_t i = 0; i < sizeof(final_errors) / sizeof(*final_errors); i++) {
		size_t size = strlen(final_errors[i]);
		if (replies->text_size >= size && !memcmp(replies->text, final_errors[i], size))
			return true;
	}
	return false;
}

static bool line_is_complete(const struct redis_replies *replies)
{
	bool has_text = replies->text_size,
	     has_digit = has_text && replies->text[replies->text_size - 1] >= '0';

	switch (replies->type) {
	case ':':
	case '(':
		return has_digit; /* a sign is below '0' */
	case ',':
	case '#':
	case '-':
		return has_text;
	default:
		return true;
	}
}

static bool follow_line(struct redis_replies *replies, char c)
{
	if (c == '\r') {
		replies->place = REPLY_LINE_LF;
		return line_is_complete(replies);
	}
	if (!may_be_in_line(replies, c))
		return false;
	if (replies->text_size < REDIS_TEXT_MAX)
		replies->text[replies->text_size++] = guard_lower(c);
	return true;
}

/* An array, a map, a set, or attributes: its elements come next. */
static bool elements_begin(struct guard *guard, uint64_t count)
{
	struct redis_replies *replies = &guard->redis.replies;
	uint32_t bit;

	if (replies->type == '%' || replies->type == '|')
		count *= 2; /* keys and values; below 2^64, as the number is below 2^63 */
	replies->place = REPLY_TYPE;
	if (!count) {
		if (replies->type != '|')
			value_end(guard);
		return true;
	}
	if (replies->depth == REDIS_DEPTH_MAX) {
		guard_refuse(guard, GUARD_REASON_LIMIT);
		return true;
	}
	bit = 1U << replies->depth;
	replies->attributes = replies->type == '|' ? replies->attributes | bit : replies->attributes & ~bit;
	replies->elements[replies->depth++] = count;
	return true;
}

static bool follow_number(struct guard *guard, char c)
{
	enum { VERBATIM_MIN = 4 }; /* "txt:" */
	struct redis_replies *replies = &guard->redis.replies;
	enum redis_number_state state = redis_number_follow(&replies->number, c);
	bool is_string = replies->type == '$' || replies->type == '!' || replies->type == '=';

	if (state != NUMBER_DONE)
		return state == NUMBER_MORE;
	uint64_t value = replies->number.value;
	if (replies->number.negative) { /* RESP2: no value */
		value_end(guard);
		return replies->type == '$' || replies->type == '*';
	}
	if (!is_string)
		return elements_begin(guard, value);
	replies->left = value;
	replies->place = value ? REPLY_STRING : REPLY_STRING_CR;
	return replies->type != '=' || value >= VERBATIM_MIN;
}

static bool follow_type(struct guard *guard, char c)
{
	struct redis_replies *replies = &guard->redis.replies;

	if (c == '>') {
		guard_refuse(guard, GUARD_REASON_PUSH);
		return true;
	}
	if (!replies->depth && !guard->redis.waiting) {
		guard_refuse(guard, GUARD_REASON_UNASKED);
		return true;
	}
	replies->type = (uint8_t)c;
	replies->text_size = 0;
	replies->number = (struct redis_number){ 0 };
	replies->place = c && strchr("$!=*~%|", c) ? REPLY_NUMBER : REPLY_LINE;
	return c && strchr("$!=*~%|+-:,(#_", c);
}

/* Any byte but those of a string. Return: false if it breaks the form. */
static bool follow_byte(struct guard *guard, char c)
{
	struct redis_replies *replies = &guard->redis.replies;

	switch ((enum reply_place)replies->place) {
	case REPLY_TYPE:
		return follow_type(guard, c);
	case REPLY_LINE:
		return follow_line(replies, c);
	case REPLY_NUMBER:
		return follow_number(guard, c);
	case REPLY_STRING_CR:
		replies->place = REPLY_STRING_LF;
		return c == '\r';
	case REPLY_LINE_LF:
		if (c == '\n' && replies->type == '-' && is_final_error(replies))
			guard_refuse(guard, GUARD_REASON_ERROR);
		/* fallthrough */
	case REPLY_STRING_LF:
		if (c == '\n')
			value_end(guard);
		return c == '\n';
	case REPLY_STRING:
		break;
	}
	return false;
}

static size_t read_string(struct redis_replies *replies, size_t size)
{
	size_t take = size < replies->left ? size : (size_t)replies->left;

	replies->left -= take;
	if (!replies->left)
		replies->place = REPLY_STRING_CR;
	return take;
}

void guard_redis_start(struct guard *guard)
{
	struct redis_replies *replies = &guard->redis.replies;

	guard->redis.waiting = 0;
	redis_commands_start(&guard->redis.commands);
	replies->place = REPLY_TYPE;
	replies->depth = 0;
	replies->attributes = 0;
}

void guard_redis_sent(struct guard *guard, const char *bytes, size_t size)
{
	redis_commands_follow(guard, bytes, size);
}

void guard_redis_received(struct guard *guard, const char *bytes, size_t size)
{
	struct redis_replies *replies = &guard->redis.replies;

	while (size && !guard->reason) {
		size_t taken = 1;
		if (replies->place == REPLY_STRING)
			taken = read_string(replies, size);
		else if (!follow_byte(guard, *bytes))
			guard_refuse(guard, GUARD_REASON_BAD_REPLY);
		bytes += taken;
		size -= taken;
	}
}

bool guard_redis_clean(const struct guard *guard)
{
	const struct redis_replies *replies = &guard->redis.replies;

	return !guard->redis.waiting && replies->place == REPLY_TYPE && !replies->depth &&
	       redis_commands_between(&guard->redis.commands);
}
