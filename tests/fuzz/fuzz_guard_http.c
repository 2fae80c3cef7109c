// SPDX-License-Identifier: Apache-2.0
/* fuzz_guard_http - any bytes either way on a connection whose guard is http */
#include "fuzz_guard.h"

/* http-parser by itself, over whole streams: it is more lenient, so what is clean is complete for it, too. */
enum { MESSAGES_MAX = 1024 };

struct messages {
	unsigned count;
	bool to_head[MESSAGES_MAX], open;
	const struct messages *requests;
};

static int on_begin(struct http_parser *parser)
{
	struct messages *messages = parser->data;

	messages->open = true;
	return messages->count == MESSAGES_MAX;
}

static int on_head(struct http_parser *parser)
{
	struct messages *messages = parser->data;

	if (parser->type == HTTP_REQUEST)
		messages->to_head[messages->count] = parser->method == HTTP_HEAD;
	/* 1: there is no body */
	return parser->type == HTTP_RESPONSE && parser->status_code >= 200 &&
	       messages->requests->to_head[messages->count];
}

static int on_end(struct http_parser *parser)
{
	struct messages *messages = parser->data;

	messages->open = false;
	if (parser->type == HTTP_REQUEST || parser->status_code >= 200)
		messages->count++;
	return 0;
}

static bool parse(enum http_parser_type type, const struct stream *stream, struct messages *messages)
{
	static const struct http_parser_settings settings = {
		.on_message_begin = on_begin,
		.on_headers_complete = on_head,
		.on_message_complete = on_end,
	};
	struct http_parser parser;

	http_parser_init(&parser, type);
	parser.data = messages;
	return http_parser_execute(&parser, &settings, (const char *)stream->bytes, stream->size) ==
		       stream->size &&
	       HTTP_PARSER_ERRNO(&parser) == HPE_OK && !messages->open;
}

static bool complete(const struct stream *sent, const struct stream *received)
{
	struct messages requests = { 0 }, replies = { .requests = &requests };

	return parse(HTTP_REQUEST, sent, &requests) && parse(HTTP_RESPONSE, received, &replies) &&
	       requests.count == replies.count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	guard_conversation(GUARD_HTTP, data, size, complete);
	return 0;
}
