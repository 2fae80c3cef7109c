// SPDX-License-Identifier: Apache-2.0
/* http_headers - what the headers of a message say about its connection. */
#include "pool/guard/http_headers.h"

#include "pool/guard/letter.h"
#include "pool/guard/reason.h"

#include <string.h>

enum http_header {
	HEADER_OTHER,
	HEADER_CONNECTION,
	HEADER_ENCODING,
	HEADER_LOGIN,
	HEADER_KEEP_ALIVE,
	HEADER_HOST,
};

/* Parameters of Keep-Alive (RFC 2068, 19.7.1.1; what servers and clients do: MDN, Keep-Alive). */
enum http_promise { PROMISE_NONE, PROMISE_TIMEOUT, PROMISE_MAX };

static const struct {
	char name[HTTP_WORD_MAX];
	uint8_t header;
	uint8_t finding; /* enum guard_reason: if the header is there at all */
} headers[] = {
	{ "connection", HEADER_CONNECTION, GUARD_REASON_NONE },
	{ "proxy-connection", HEADER_CONNECTION, GUARD_REASON_NONE },
	{ "transfer-encoding", HEADER_ENCODING, GUARD_REASON_NONE },
	{ "keep-alive", HEADER_KEEP_ALIVE, GUARD_REASON_NONE },
	{ "host", HEADER_HOST, GUARD_REASON_NONE },
	{ "authorization", HEADER_LOGIN, GUARD_REASON_NONE },
	{ "proxy-authorization", HEADER_LOGIN, GUARD_REASON_NONE },
	{ "www-authenticate", HEADER_LOGIN, GUARD_REASON_NONE },
	{ "proxy-authenticate", HEADER_LOGIN, GUARD_REASON_NONE },
	{ "persistent-auth", HEADER_OTHER, GUARD_REASON_AUTH }, /* Windows servers, with Negotiate */
	{ "proxy-support", HEADER_OTHER, GUARD_REASON_AUTH },   /* RFC 4559, 6 */
	{ "upgrade", HEADER_OTHER, GUARD_REASON_UPGRADE },
	{ "http2-settings", HEADER_OTHER, GUARD_REASON_UPGRADE }, /* RFC 7540, 3.2.1 */
};

/* Words of a header's value. The logins are those that authenticate a connection, not a request. */
static const struct {
	uint8_t header;
	uint8_t finding;
	char word[HTTP_WORD_MAX];
} words[] = {
	{ HEADER_CONNECTION, GUARD_REASON_CLOSE, "close" },
	{ HEADER_CONNECTION, GUARD_REASON_UPGRADE, "upgrade" },
	{ HEADER_LOGIN, GUARD_REASON_AUTH, "ntlm" },
	{ HEADER_LOGIN, GUARD_REASON_AUTH, "negotiate" },
	{ HEADER_LOGIN, GUARD_REASON_AUTH, "nego2" },
	{ HEADER_LOGIN, GUARD_REASON_AUTH, "kerberos" },
	{ HEADER_LOGIN, GUARD_REASON_AUTH, "credssp" },
};

/* FNV-1a's offset basis. */
#define AUTHORITY_START 2166136261u

/* A number is not read any further, so that it cannot overflow. */
enum { PROMISE_MOST = 100000000 };

bool http_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static void found(struct http_stream *stream, enum guard_reason reason)
{
	if (stream->finding == GUARD_REASON_NONE)
		stream->finding = (uint8_t)reason;
}

/* Append in lower case; what does not fit marks the text as too long. */
static void append(char *text, uint8_t *size, char c)
{
	if (*size < HTTP_WORD_MAX)
		text[(*size)++] = guard_lower(c);
}

/* FNV-1a, of 32 bits (a guard uses nothing of pool/); letters in lower case (RFC 9110, 4.2.3). */
static void add_authority(struct http_stream *stream, char c)
{
	stream->authority = (stream->authority ^ (unsigned char)guard_lower(c)) * 16777619u;
}

/* A target that begins with its scheme has the authority up to the third slash (RFC 9112, 3.2.2). */
static int on_target(struct http_parser *parser, const char *at, size_t size)
{
	enum { NO_AUTHORITY = 3 };
	struct http_stream *stream = parser->data;

	for (size_t i = 0; i < size && stream->slashes < NO_AUTHORITY; i++) {
		if ((at[i] == '/' || at[i] == '*') && stream->authority == AUTHORITY_START)
			stream->slashes = NO_AUTHORITY;
		else if (at[i] == '/')
			stream->slashes++;
		if (stream->slashes < NO_AUTHORITY)
			add_authority(stream, at[i]);
	}
	return 0;
}

static bool is(const char *text, uint8_t size, const char *want)
{
	return *text == *want && size < HTTP_WORD_MAX && size == strlen(want) && !memcmp(text, want, size);
}

/* A word of `timeout=5, max=100`. What cannot be read promises nothing more. */
static void end_promise(struct http_stream *stream)
{
	uint32_t number = 0;
	bool digits = stream->word_size < HTTP_WORD_MAX;

	for (unsigned i = 0; digits && i < stream->word_size; i++) {
		digits = stream->word[i] >= '0' && stream->word[i] <= '9';
		if (digits && number < PROMISE_MOST)
			number = number * 10 + (uint32_t)(stream->word[i] - '0');
	}
	uint32_t *promised = stream->promise == PROMISE_TIMEOUT ? &stream->idle_s : &stream->uses;
	if (stream->promise != PROMISE_NONE)
		*promised = !digits ? 0 : number < *promised ? number : *promised;
	stream->promise = PROMISE_NONE;
	if (is(stream->word, stream->word_size, "timeout"))
		stream->promise = PROMISE_TIMEOUT;
	else if (is(stream->word, stream->word_size, "max"))
		stream->promise = PROMISE_MAX;
}

static void end_word(struct http_stream *stream)
{
	if (!stream->word_size)
		return;
	if (stream->header == HEADER_KEEP_ALIVE)
		end_promise(stream);
	if (stream->header == HEADER_ENCODING) {
		/* Anything but one `chunked` is a length that two parsers may read in two ways. */
		if (!is(stream->word, stream->word_size, "chunked"))
			found(stream, GUARD_REASON_LENGTH);
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (words[i].header == stream->header && is(stream->word, stream->word_size, words[i].word))
			found(stream, (enum guard_reason)words[i].finding);
	}
	stream->word_size = 0;
}

static void end_value(struct http_stream *stream)
{
	end_word(stream);
	/* Two of them are two parts of it. */
	if (stream->header == HEADER_HOST)
		add_authority(stream, '\n');
	stream->named |= stream->header == HEADER_HOST;
}

static int on_name(struct http_parser *parser, const char *at, size_t size)
{
	struct http_stream *stream = parser->data;

	if (stream->in_value) {
		end_value(stream);
		stream->in_value = false;
		stream->name_size = 0;
	}
	for (size_t i = 0; i < size; i++) {
		/* http-parser takes a space, as in `Content-Length : 5`, for a part of the name. */
		if (!http_token_char(at[i]))
			found(stream, parser->type == HTTP_REQUEST ? GUARD_REASON_BAD_REQUEST
								   : GUARD_REASON_BAD_REPLY);
		append(stream->name, &stream->name_size, at[i]);
	}
	return 0;
}

static void begin_value(struct http_stream *stream)
{
	stream->in_value = true;
	stream->header = HEADER_OTHER;
	stream->promise = PROMISE_NONE;
	for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++) {
		if (!is(stream->name, stream->name_size, headers[i].name))
			continue;
		stream->header = headers[i].header;
		found(stream, (enum guard_reason)headers[i].finding);
		break;
	}
	if (stream->header == HEADER_ENCODING) {
		if (stream->encoded)
			found(stream, GUARD_REASON_LENGTH);
		stream->encoded = true;
	}
}

static int on_value(struct http_parser *parser, const char *at, size_t size)
{
	struct http_stream *stream = parser->data;

	if (!stream->in_value)
		begin_value(stream);
	if (stream->header == HEADER_OTHER)
		return 0;
	for (size_t i = 0; i < size; i++) {
		if (stream->header == HEADER_HOST && at[i] != ' ' && at[i] != '\t')
			add_authority(stream, at[i]);
		else if (http_token_char(at[i]))
			append(stream->word, &stream->word_size, at[i]);
		else
			end_word(stream);
	}
	return 0;
}

/* The head's last byte is left unread: the caller knows where the head ends. */
static int on_head_complete(struct http_parser *parser)
{
	end_value(parser->data);
	http_parser_pause(parser, 1);
	return 0;
}

const struct http_parser_settings http_headers_settings = {
	.on_url = on_target,
	.on_header_field = on_name,
	.on_header_value = on_value,
	.on_headers_complete = on_head_complete,
};

void http_headers_start(struct http_stream *stream, enum http_parser_type type)
{
	http_parser_init(&stream->parser, type);
	stream->header = HEADER_OTHER;
	stream->finding = GUARD_REASON_NONE;
	stream->encoded = false;
	stream->promise = PROMISE_NONE;
	stream->idle_s = stream->uses = GUARD_NO_PROMISE;
	stream->name_size = stream->word_size = 0;
	stream->in_value = stream->named = false;
	stream->authority = AUTHORITY_START;
	stream->slashes = 0;
}
