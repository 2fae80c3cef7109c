// SPDX-License-Identifier: Apache-2.0
/* http - the guard of HTTP/1.1 connections. */
#include "pool/guard/http.h"

#include <string.h>

/* Theory of operation
 *
 * http-parser is lenient where servers and proxies disagree: bare LF, folded lines, a space before a colon,
 * any two bytes after a chunk. What two parsers may read in two ways is what puts them out of step, so the
 * lines are followed here as well, strictly (RFC 9112), and http-parser gets each head up to exactly the
 * byte where ours ends. Disagreement is a refusal. What the headers say counts when the head is complete:
 * so the reason of a refusal does not depend on how the bytes were cut.
 *
 * Clients keep connections by host, so there are proxies that take all of a connection to where the first
 * request was for (sniproxy, HAProxy's old tunnel mode): all requests are to name the same one.
 *
 * A request waits for its reply from the end of its head on (100 Continue comes before the body).
 */

/* Longer heads, chunk extensions and trailers are refused; http-parser's own limit is 80 KiB. */
enum { LINES_MAX = 65536 };
enum { CHUNK_DIGITS_MAX = 15 }; /* less than 2^60 bytes */

enum http_place {
	PLACE_HEAD,
	PLACE_BODY,
	PLACE_CHUNK_SIZE,
	PLACE_CHUNK_EXTENSION,
	PLACE_CHUNK_SIZE_LF,
	PLACE_CHUNK_DATA,
	PLACE_CHUNK_CR,
	PLACE_CHUNK_LF,
	PLACE_TRAILER,
};

enum http_line {
	HTTP_LINE_BEGIN,
	HTTP_LINE_NAME, /* of a trailer */
	HTTP_LINE_TEXT,
	HTTP_LINE_CR,       /* CR after text */
	HTTP_LINE_EMPTY_CR, /* CR at the begin */
	HTTP_LINE_END,
};

enum waiting_for { ANSWER_TO_HEAD, ANSWER_TO_BODY };

static bool is_request(const struct http_stream *stream)
{
	return stream->parser.type == HTTP_REQUEST;
}

static void refuse_bad(struct guard *guard, const struct http_stream *stream)
{
	if (!is_request(stream))
		guard_refuse(guard, GUARD_REASON_BAD_REPLY);
	else
		guard_refuse(guard,
			     guard->http.understood ? GUARD_REASON_BAD_REQUEST : GUARD_REASON_PROTOCOL);
}

static void message_start(struct http_stream *stream, enum http_parser_type type)
{
	http_headers_start(stream, type);
	stream->place = PLACE_HEAD;
	stream->line = HTTP_LINE_BEGIN;
	stream->lines_size = 0;
	stream->early = false;
}

static void message_end(struct guard *guard, struct http_stream *stream)
{
	if (!is_request(stream))
		request_answered(&guard->http.waiting);
	message_start(stream, (enum http_parser_type)stream->parser.type);
}

static void body_start(struct guard *guard, struct http_stream *stream)
{
	if (stream->parser.flags & F_CHUNKED) {
		stream->place = PLACE_CHUNK_SIZE;
		stream->left = stream->digits = 0;
		stream->lines_size = 0;
	} else if (stream->parser.flags & F_CONTENTLENGTH && stream->parser.content_length) {
		stream->place = PLACE_BODY;
		stream->left = stream->parser.content_length;
	} else {
		message_end(guard, stream);
	}
}

/* Without a length of its own such a request ends by rule: a server may still wait for a body. */
static bool has_body_as_a_rule(unsigned method)
{
	return method == HTTP_POST || method == HTTP_PUT || method == HTTP_PATCH;
}

/* Never 0, which stands for none. */
static uint32_t authority_of(const struct http_stream *stream)
{
	return stream->authority ?: 1;
}

static void request_head_end(struct guard *guard, struct http_stream *stream)
{
	unsigned method = stream->parser.method;
	bool has_length = stream->parser.flags & (F_CHUNKED | F_CONTENTLENGTH);
	bool body = stream->parser.flags & F_CHUNKED || (has_length && stream->parser.content_length);

	guard->http.repeatable = !guard->http.heads && !body && (method == HTTP_GET || method == HTTP_HEAD);
	guard->http.heads = true;
	/* SOURCE is Icecast's: its body ends with the connection. */
	if (method == HTTP_CONNECT || method == HTTP_SOURCE)
		guard_refuse(guard, GUARD_REASON_UPGRADE);
	if (method == HTTP_HEAD || (!has_length && has_body_as_a_rule(method)))
		guard_refuse(guard, GUARD_REASON_FRAMING);
	if (body && !guard->http.bodies)
		guard_refuse(guard, GUARD_REASON_BODY);
	if (guard->authority && guard->authority != authority_of(stream))
		guard_refuse(guard, GUARD_REASON_AUTHORITY);
	guard->authority = authority_of(stream);
	if (!request_add(&guard->http.waiting, body ? ANSWER_TO_BODY : ANSWER_TO_HEAD))
		guard_refuse(guard, GUARD_REASON_LIMIT);
	if (guard->reason)
		return;
	guard->http.understood = true;
	body_start(guard, stream);
}

/* An interim reply that was not asked for, or one in which not all servers agree with all clients on whether
 * there is a body (RFC 9110, 15.3.6). */
static bool ends_unlike(const struct guard *guard, unsigned status)
{
	if (status < 200)
		return status != HTTP_STATUS_CONTINUE ||
		       request_oldest(&guard->http.waiting) != ANSWER_TO_BODY;
	return status == HTTP_STATUS_RESET_CONTENT;
}

/* There is no body (RFC 9110, 15.3.5, 15.4.5), but some servers send one. */
static bool ends_by_rule(unsigned status)
{
	return status == HTTP_STATUS_NO_CONTENT || status == HTTP_STATUS_NOT_MODIFIED;
}

/* Has the server told that it did not understand the request, or is in trouble? */
static bool is_doubtful(unsigned status)
{
	switch (status) {
	case HTTP_STATUS_BAD_REQUEST:
	case HTTP_STATUS_LENGTH_REQUIRED:
	case HTTP_STATUS_PAYLOAD_TOO_LARGE:
	case HTTP_STATUS_URI_TOO_LONG:
	case HTTP_STATUS_EXPECTATION_FAILED:
	case HTTP_STATUS_REQUEST_HEADER_FIELDS_TOO_LARGE:
		return true;
	default:
		return status >= 500;
	}
}

/* RFC 9112, 6.3: where does a reply end? Only the length of its own is believed. */
static void reply_head_end(struct guard *guard, struct http_stream *stream)
{
	unsigned status = stream->parser.status_code;
	bool has_length = stream->parser.flags & (F_CHUNKED | F_CONTENTLENGTH);
	bool interim = status < 200;

	if (status == HTTP_STATUS_SWITCHING_PROTOCOLS)
		guard_refuse(guard, GUARD_REASON_UPGRADE);
	if (status < 100)
		guard_refuse(guard, GUARD_REASON_BAD_REPLY);
	/* RFC 9110, 15.5.9: the server has decided to close. */
	if (status == HTTP_STATUS_REQUEST_TIMEOUT || !stream->idle_s || !stream->uses)
		guard_refuse(guard, GUARD_REASON_CLOSE);
	if (stream->early && !interim)
		guard_refuse(guard, GUARD_REASON_EARLY);
	if (ends_unlike(guard, status) || (interim && has_length))
		guard_refuse(guard, GUARD_REASON_FRAMING);
	if (ends_by_rule(status))
		guard_doubt(guard, GUARD_REASON_FRAMING);
	else if (!interim && !has_length)
		guard_refuse(guard, GUARD_REASON_LENGTH);
	if (is_doubtful(status))
		guard_doubt(guard, GUARD_REASON_ERROR);
	if (guard->reason)
		return;
	if (ends_by_rule(status)) {
		message_end(guard, stream);
		return;
	}
	if (interim) {
		message_start(stream, HTTP_RESPONSE);
		return;
	}
	guard->promised_idle_s = stream->idle_s;
	guard->promised_uses = stream->uses;
	body_start(guard, stream);
}

static void head_end(struct guard *guard, struct http_stream *stream)
{
	bool chunked = stream->parser.flags & F_CHUNKED;

	if (stream->parser.http_major != 1 || stream->parser.http_minor != 1)
		guard_refuse(guard, GUARD_REASON_VERSION);
	if (stream->finding == GUARD_REASON_BAD_REPLY || stream->finding == GUARD_REASON_BAD_REQUEST)
		refuse_bad(guard, stream);
	else if (stream->finding)
		guard_refuse(guard, (enum guard_reason)stream->finding);
	/* http-parser takes longer names for Transfer-Encoding, too. */
	if (stream->parser.uses_transfer_encoding != stream->encoded || chunked != stream->encoded ||
	    (chunked && stream->parser.flags & F_CONTENTLENGTH))
		guard_refuse(guard, GUARD_REASON_LENGTH);
	if (guard->reason)
		return;
	if (is_request(stream))
		request_head_end(guard, stream);
	else
		reply_head_end(guard, stream);
}

/* Give http-parser bytes of a head; `whole`: its last byte is among them. */
static void parse_head(struct guard *guard, struct http_stream *stream, const char *bytes, size_t size,
		       bool whole)
{
	stream->parser.data = stream;
	size_t parsed = http_parser_execute(&stream->parser, &http_headers_settings, bytes, size);
	enum http_errno error = HTTP_PARSER_ERRNO(&stream->parser);

	if (error == HPE_INVALID_CONTENT_LENGTH || error == HPE_UNEXPECTED_CONTENT_LENGTH ||
	    error == HPE_INVALID_TRANSFER_ENCODING)
		guard_refuse(guard, GUARD_REASON_LENGTH);
	else if (whole ? error != HPE_PAUSED || parsed != size - 1 : error != HPE_OK)
		refuse_bad(guard, stream);
}

/* RFC 9110, 5.5 */
static bool is_text(char c)
{
	enum { DEL = 0x7f };

	return ((unsigned char)c >= ' ' || c == '\t') && c != DEL;
}

/* Most bytes of a head: how many in a row are text? */
static size_t text_run(const char *bytes, size_t size, size_t most)
{
	size_t run = 0;

	while (run < size && run < most && is_text(bytes[run]))
		run++;
	return run;
}

/**
 * follow_line() - the next byte of a head or trailer
 * Return: false if it breaks the form. stream->line is HTTP_LINE_END after the empty line's LF
 */
static bool follow_line(struct http_stream *stream, char c)
{
	bool trailer = stream->place == PLACE_TRAILER;

	switch ((enum http_line)stream->line) {
	case HTTP_LINE_BEGIN:
		/* Not an empty first line, nor a folded one (RFC 9112, 2.2 and 5.2). */
		if (c == '\r' && (trailer || stream->lines_size))
			stream->line = HTTP_LINE_EMPTY_CR;
		else
			stream->line = trailer ? HTTP_LINE_NAME : HTTP_LINE_TEXT;
		return c == '\r' ? stream->line == HTTP_LINE_EMPTY_CR
		       : trailer ? http_token_char(c)
				 : c != ' ' && c != '\t' && c != '\n';
	case HTTP_LINE_NAME:
		if (c == ':')
			stream->line = HTTP_LINE_TEXT;
		return c == ':' || http_token_char(c);
	case HTTP_LINE_TEXT:
		if (c == '\r')
			stream->line = HTTP_LINE_CR;
		return c == '\r' || is_text(c);
	case HTTP_LINE_CR:
		stream->line = HTTP_LINE_BEGIN;
		return c == '\n';
	case HTTP_LINE_EMPTY_CR:
		stream->line = HTTP_LINE_END;
		return c == '\n';
	case HTTP_LINE_END:
		break;
	}
	return false;
}

static size_t read_head(struct guard *guard, struct http_stream *stream, const char *bytes, size_t size)
{
	struct request_queue *waiting = &guard->http.waiting;
	size_t good = 0;
	bool bad = false;

	if (!stream->lines_size && !is_request(stream)) {
		if (!requests_waiting(waiting)) {
			guard_refuse(guard, GUARD_REASON_UNASKED);
			return 0;
		}
		stream->early = request_only_one(waiting) && guard->http.request.place != PLACE_HEAD;
	}
	while (good < size && stream->line != HTTP_LINE_END && stream->lines_size < LINES_MAX) {
		if (stream->line == HTTP_LINE_TEXT && is_text(bytes[good])) {
			size_t run = text_run(bytes + good, size - good, LINES_MAX - stream->lines_size);
			stream->lines_size += (uint32_t)run;
			good += run;
			continue;
		}
		bad = !follow_line(stream, bytes[good]);
		if (bad)
			break;
		stream->lines_size++;
		good++;
	}
	if (good) /* 0 would tell http-parser that the stream ended */
		parse_head(guard, stream, bytes, good, stream->line == HTTP_LINE_END && !bad);
	if (bad)
		refuse_bad(guard, stream);
	else if (stream->line == HTTP_LINE_END)
		head_end(guard, stream);
	else if (stream->lines_size == LINES_MAX)
		guard_refuse(guard, GUARD_REASON_LIMIT);
	return good;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The line with a chunk's size (RFC 9112, 7.1). Return: false if the byte breaks the form. */
static bool follow_chunk_size(struct http_stream *stream, char c)
{
	int digit = hex_digit(c);

	if (stream->place == PLACE_CHUNK_SIZE && digit >= 0) {
		stream->left = stream->left * 16 + (unsigned)digit;
		return ++stream->digits <= CHUNK_DIGITS_MAX;
	}
	if (!stream->digits || (c != '\r' && !is_text(c)))
		return false;
	if (c == '\r')
		stream->place = PLACE_CHUNK_SIZE_LF;
	else if (stream->place == PLACE_CHUNK_SIZE) {
		stream->place = PLACE_CHUNK_EXTENSION;
		return c == ';' || c == ' ' || c == '\t';
	}
	return true;
}

/* One byte of what is round the data of chunks. Return: false if it breaks the form. */
static bool follow_chunk(struct guard *guard, struct http_stream *stream, char c)
{
	switch ((enum http_place)stream->place) {
	case PLACE_CHUNK_SIZE:
	case PLACE_CHUNK_EXTENSION:
		if (++stream->lines_size > LINES_MAX)
			guard_refuse(guard, GUARD_REASON_LIMIT);
		return follow_chunk_size(stream, c);
	case PLACE_CHUNK_SIZE_LF:
		stream->place = stream->left ? PLACE_CHUNK_DATA : PLACE_TRAILER;
		stream->line = HTTP_LINE_BEGIN;
		stream->lines_size = 0;
		return c == '\n';
	case PLACE_CHUNK_CR:
		stream->place = PLACE_CHUNK_LF;
		return c == '\r';
	case PLACE_CHUNK_LF:
		stream->place = PLACE_CHUNK_SIZE;
		stream->digits = 0;
		return c == '\n';
	default: /* PLACE_TRAILER */
		if (++stream->lines_size > LINES_MAX)
			guard_refuse(guard, GUARD_REASON_LIMIT);
		if (!follow_line(stream, c))
			return false;
		if (stream->line == HTTP_LINE_END)
			message_end(guard, stream);
		return true;
	}
}

static size_t read_data(struct guard *guard, struct http_stream *stream, size_t size)
{
	size_t take = size < stream->left ? size : (size_t)stream->left;

	stream->left -= take;
	if (stream->left)
		return take;
	if (stream->place == PLACE_BODY)
		message_end(guard, stream);
	else
		stream->place = PLACE_CHUNK_CR;
	return take;
}

/* Return: how far, as what is refused is not followed any more. */
static size_t follow(struct guard *guard, struct http_stream *stream, const char *bytes, size_t size)
{
	size_t at = 0;

	while (at < size && !guard->reason) {
		size_t taken = 1;
		if (stream->place == PLACE_HEAD)
			taken = read_head(guard, stream, bytes + at, size - at);
		else if (stream->place == PLACE_BODY || stream->place == PLACE_CHUNK_DATA)
			taken = read_data(guard, stream, size - at);
		else if (!follow_chunk(guard, stream, bytes[at]))
			refuse_bad(guard, stream);
		at += taken;
	}
	return at;
}

void guard_http_start(struct guard *guard)
{
	message_start(&guard->http.request, HTTP_REQUEST);
	message_start(&guard->http.reply, HTTP_RESPONSE);
	guard->http.waiting = (struct request_queue){ 0 };
	guard->http.understood = guard->http.heads = guard->http.repeatable = false;
	guard->http.bodies = guard->kind == GUARD_HTTP_BODIES;
}

void guard_http_sent(struct guard *guard, const char *bytes, size_t size)
{
	size_t followed = follow(guard, &guard->http.request, bytes, size);

	/* What comes after a HEAD is not looked at: it may be anything. */
	if (followed < size)
		guard->http.repeatable = false;
}

void guard_http_received(struct guard *guard, const char *bytes, size_t size)
{
	follow(guard, &guard->http.reply, bytes, size);
}

bool guard_http_clean(const struct guard *guard)
{
	const struct http_stream *request = &guard->http.request, *reply = &guard->http.reply;

	return request->place == PLACE_HEAD && !request->lines_size && reply->place == PLACE_HEAD &&
	       !reply->lines_size && !requests_waiting(&guard->http.waiting);
}

/* Until the line after Host has begun, its value may go on. */
bool guard_http_may_be_for_another(const struct guard *guard)
{
	const struct http_stream *request = &guard->http.request;

	return guard->authority && request->place == PLACE_HEAD && request->lines_size &&
	       (!request->named || guard->authority != authority_of(request));
}

/* A head that is not whole was not acted upon, whatever its method. */
bool guard_http_may_repeat(const struct guard *guard)
{
	const struct http_stream *request = &guard->http.request;

	if (!guard->http.heads)
		return !guard->reason && request->lines_size >= sizeof("HEAD ") - 1 &&
		       (request->parser.method == HTTP_GET || request->parser.method == HTTP_HEAD);
	return guard->http.repeatable &&
	       (guard->reason || (request->place == PLACE_HEAD && !request->lines_size));
}
