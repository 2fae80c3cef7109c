// SPDX-License-Identifier: Apache-2.0
/* test_http - which HTTP exchanges leave a connection that may be used again. */
#include "tests/unit/check.h"
#include "tests/unit/exchange.h"

#define GET          SENT("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
#define HEAD         SENT("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
#define HELLO        RECEIVED("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
#define EMPTY        RECEIVED("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
#define CHUNKED_     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define POST_        "POST / HTTP/1.1\r\nHost: a\r\n"
#define COUNT(table) (sizeof(table) / sizeof(*(table)))
/* With a rule that lets requests have bodies, and without. */
#define CHECK(table)        check_exchanges(GUARD_HTTP_BODIES, table, COUNT(table), &simple)
#define CHECK_STRICT(table) check_exchanges(GUARD_HTTP, table, COUNT(table), &simple)

static const struct exchange simple = CLEAN("simple", GET, HELLO);

TestSuite(guard_http, .init = limit_time);

static const struct exchange complete[] = {
	CLEAN("length", GET, HELLO),
	CLEAN("no body", GET, EMPTY),
	CLEAN("one after the other", GET, HELLO, GET, EMPTY, GET, EMPTY),
	CLEAN("pipelined, all answered", GET, GET, GET, GET, HELLO, EMPTY, EMPTY, EMPTY),
	CLEAN("no reason phrase", GET, RECEIVED("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n")),
	CLEAN("chunked", GET, RECEIVED(CHUNKED_ "5\r\nhello\r\n00A\r\n0123456789\r\n0\r\n\r\n")),
	CLEAN("chunked, extensions", GET, RECEIVED(CHUNKED_ "5 ;a=\"b\"\r\nhello\r\n0;x\r\n\r\n")),
	CLEAN("chunked, trailers", GET, RECEIVED(CHUNKED_ "1\r\nx\r\n0\r\nA: b\r\nC-D: e\r\n\r\n")),
	CLEAN("post without a body", SENT(POST_ "Content-Length: 0\r\n\r\n"), HELLO),
	CLEAN("promise", GET,
	      RECEIVED("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5, max=1\r\nContent-Length: 0\r\n\r\n")),
	CLEAN("keep-alive said", SENT("GET / HTTP/1.1\r\nHost: a\r\nConnection: Keep-Alive, TE\r\n\r\n"),
	      RECEIVED("HTTP/1.1 404 Not Found\r\nconnection:keep-alive\r\ncontent-length:0\r\n\r\n")),
	CLEAN("close is no word here",
	      SENT("GET /close HTTP/1.1\r\nHost: a\r\nX-Connection: close\r\nCookie: close\r\n\r\n"),
	      RECEIVED("HTTP/1.1 200 close\r\nConnection: closet\r\nContent-Length: 0\r\n\r\n")),
	CLEAN("harmless logins",
	      SENT("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic bnRsbTpudGxt\r\nProxy-Authorization: "
		   "Bearer "
		   "a.b\r\n\r\n"),
	      RECEIVED("HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"a\", Digest nonce=\"b\"\r\n"
		       "Content-Length: 0\r\n\r\n")),
	CLEAN("other methods", SENT("PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n"),
	      RECEIVED("HTTP/1.1 207 Multi-Status\r\nContent-Length: 0\r\n\r\n")),
};

static const struct exchange bodies[] = {
	CLEAN("post", SENT(POST_ "Content-Length: 3\r\n\r\nabc"), HELLO),
	CLEAN("post, chunked", SENT(POST_ "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), HELLO),
	CLEAN("100 continue", SENT(POST_ "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"),
	      RECEIVED("HTTP/1.1 100 Continue\r\n\r\n"), SENT("abc"), HELLO),
	CLEAN("with and without in turn", SENT(POST_ "Content-Length: 1\r\n\r\na"), GET, HELLO, EMPTY),
};

/* Without the rule's word a request with a body is the last of its connection. */
static const struct exchange no_bodies[] = {
	REFUSED("post", BODY, SENT(POST_ "Content-Length: 3\r\n\r\nabc"), HELLO),
	REFUSED("post, chunked", BODY, SENT(POST_ "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
		HELLO),
	REFUSED("get with a body", BODY, SENT("GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\na"), HELLO),
	REFUSED("later", BODY, GET, HELLO, SENT(POST_ "Content-Length: 3\r\n\r\nabc"), HELLO),
};

/* Replies whose end, or whose very body, clients and servers may see in two ways. */
static const struct exchange by_rule[] = {
	REFUSED("head", FRAMING, HEAD, RECEIVED("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")),
	REFUSED("head, no length", FRAMING, HEAD, RECEIVED("HTTP/1.1 200 OK\r\n\r\n")),
	REFUSED("head, pipelined", FRAMING, GET, HEAD, HELLO, EMPTY),
	REFUSED("204", FRAMING, GET, RECEIVED("HTTP/1.1 204 No Content\r\n\r\n")),
	REFUSED("204, length 0", FRAMING, GET,
		RECEIVED("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")),
	REFUSED("204 with a length", FRAMING, GET, RECEIVED("HTTP/1.1 204 No\r\nContent-Length: 1\r\n\r\n")),
	REFUSED("204 chunked", FRAMING, GET,
		RECEIVED("HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n")),
	REFUSED("205", FRAMING, GET, RECEIVED("HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n")),
	REFUSED("304", FRAMING, GET, RECEIVED("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n")),
	REFUSED("103", FRAMING, GET, RECEIVED("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), HELLO),
	REFUSED("102", FRAMING, GET, RECEIVED("HTTP/1.1 102 Processing\r\n\r\n"), HELLO),
	REFUSED("100 that nobody waits for", FRAMING, GET, RECEIVED("HTTP/1.1 100 Continue\r\n\r\n"), HELLO),
	REFUSED("100 with a length", FRAMING, GET, RECEIVED("HTTP/1.1 100 Go\r\nContent-Length: 1\r\n\r\n")),
	REFUSED("post without a length", FRAMING, SENT(POST_ "\r\n"), HELLO),
};

#define STATUS(text) REFUSED(text, ERROR, GET, RECEIVED("HTTP/1.1 " text " No\r\nContent-Length: 0\r\n\r\n"))

static const struct exchange in_doubt[] = {
	STATUS("400"), STATUS("411"), STATUS("413"), STATUS("414"), STATUS("417"),
	STATUS("431"), STATUS("500"), STATUS("502"), STATUS("503"), STATUS("599"),
};

#define KEEP_ALIVE(name, value)   \
	REFUSED(name, CLOSE, GET, \
		RECEIVED("HTTP/1.1 200 OK\r\nKeep-Alive: " value "\r\nContent-Length: 0\r\n\r\n"))

static const struct exchange no_promise[] = {
	KEEP_ALIVE("no more uses", "timeout=5, max=0"),
	KEEP_ALIVE("no time", "timeout=0"),
	KEEP_ALIVE("the least counts", "max=4\r\nkeep-alive: max=0"),
	KEEP_ALIVE("not a number", "timeout=soon"),
	KEEP_ALIVE("a very long number", "max=00000000000000000000000000000"),
};

static const struct exchange unfinished[] = {
	OPEN("half a request", SENT("GET / HTTP/1.1\r\nHost: a\r\n")),
	OPEN("no reply yet", GET),
	OPEN("half a reply", GET, RECEIVED("HTTP/1.1 200 OK\r\n")),
	OPEN("shorter than announced", GET, RECEIVED("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello")),
	OPEN("chunk shorter than announced", GET, RECEIVED(CHUNKED_ "6\r\nhello")),
	OPEN("no last chunk", GET, RECEIVED(CHUNKED_ "5\r\nhello\r\n")),
	OPEN("no end of trailers", GET, RECEIVED(CHUNKED_ "0\r\n")),
	OPEN("trailers without end", GET, RECEIVED(CHUNKED_ "0\r\nA: b\r\n")),
	OPEN("pipelined, one unanswered", GET, GET, HELLO),
	OPEN("half of the next request", GET, HELLO, SENT("G")),
	OPEN("half of the next request before the reply", GET, SENT("G"), HELLO),
	OPEN("only 100", SENT(POST_ "Content-Length: 3\r\n\r\nabc"),
	     RECEIVED("HTTP/1.1 100 Continue\r\n\r\n")),
	OPEN("body in flight", SENT(POST_ "Content-Length: 3\r\n\r\nab")),
	OPEN("length nearly 2^63", GET,
	     RECEIVED("HTTP/1.1 200 OK\r\nContent-Length: 999999999999999999\r\n\r\nhello")),
	OPEN("chunk nearly 2^60", GET, RECEIVED(CHUNKED_ "fffffffffffffff\r\nhello")),
};

static const struct exchange out_of_step[] = {
	REFUSED("greeting", SERVER_FIRST, HELLO),
	REFUSED("greeting, then a request", SERVER_FIRST, RECEIVED("2"), GET, HELLO),
	REFUSED("408 on idle", SERVER_FIRST,
		RECEIVED("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")),
	REFUSED("408 on idle, later", UNASKED, GET, HELLO,
		RECEIVED("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")),
	REFUSED("408", CLOSE, GET, RECEIVED("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")),
	REFUSED("longer than announced", UNASKED, GET, HELLO, RECEIVED("!")),
	REFUSED("longer than announced, in one piece", UNASKED, GET,
		RECEIVED("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhello")),
	REFUSED("empty line after the end", UNASKED, GET, HELLO, RECEIVED("\r\n")),
	REFUSED("second response", UNASKED, GET, HELLO, HELLO),
	REFUSED("late second response", UNASKED, GET, HELLO, GET, HELLO, HELLO),
	REFUSED("more after the last chunk", UNASKED, GET, RECEIVED(CHUNKED_ "0\r\n\r\n\r\n")),
	REFUSED("reply to half a head", UNASKED, SENT("GET / HTTP/1.1\r\n"), HELLO),
	REFUSED("100 to half a head", UNASKED, SENT(POST_), RECEIVED("HTTP/1.1 100 Continue\r\n\r\n")),
	REFUSED("reply before the body", EARLY, SENT(POST_ "Content-Length: 3\r\n\r\n"), EMPTY, SENT("abc")),
	REFUSED("reply begun before the body", EARLY, SENT(POST_ "Content-Length: 3\r\n\r\nab"),
		RECEIVED("H"), SENT("c"), RECEIVED("TTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")),
	REFUSED("pipelined reply before the body", EARLY, GET, SENT(POST_ "Content-Length: 3\r\n\r\n"), HELLO,
		EMPTY),
	REFUSED("417 to Expect", EARLY, SENT(POST_ "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"),
		RECEIVED("HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n")),
};

#define WITH(header)  SENT("GET / HTTP/1.1\r\nHost: a\r\n" header "\r\n\r\n")
#define REPLY(header) RECEIVED("HTTP/1.1 200 OK\r\n" header "\r\nContent-Length: 0\r\n\r\n")

static const struct exchange bound_to_connection[] = {
	REFUSED("close by the client", CLOSE, WITH("Connection: close"), EMPTY),
	REFUSED("close among others", CLOSE, WITH("connection: TE , CLOSE"), EMPTY),
	REFUSED("close in a second line", CLOSE, WITH("Connection: keep-alive\r\nConnection: close"), EMPTY),
	REFUSED("proxy close", CLOSE, WITH("Proxy-Connection: close"), EMPTY),
	REFUSED("close by the server", CLOSE, GET, REPLY("Connection:close")),
	REFUSED("close by the server, then keep-alive", CLOSE, GET,
		REPLY("Connection: close\r\nConnection: keep-alive")),
	REFUSED("close in an interim reply", CLOSE, GET,
		RECEIVED("HTTP/1.1 103 Early Hints\r\nConnection: close\r\n\r\n")),
	REFUSED("connect", UPGRADE, SENT("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n"),
		RECEIVED("HTTP/1.1 200 OK\r\n\r\n")),
	REFUSED("icecast", UPGRADE, SENT("SOURCE /a HTTP/1.1\r\n\r\n")),
	REFUSED("upgrade", UPGRADE, WITH("Upgrade: websocket")),
	REFUSED("connection upgrade", UPGRADE, WITH("Connection: Upgrade")),
	REFUSED("h2c", UPGRADE, WITH("HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")),
	REFUSED("upgrade offered", UPGRADE, GET, REPLY("Upgrade: h2")),
	REFUSED("upgrade, empty", UPGRADE, WITH("Upgrade:")),
	REFUSED("101", UPGRADE, GET, RECEIVED("HTTP/1.1 101 Switching Protocols\r\n\r\n")),
	REFUSED("ntlm", AUTH, WITH("Authorization: NTLM TlRMTVNTUAABAAAA")),
	REFUSED("negotiate", AUTH, WITH("Authorization: Negotiate YII=")),
	REFUSED("kerberos", AUTH, WITH("Authorization: Kerberos YII=")),
	REFUSED("nego2", AUTH, WITH("Authorization: Nego2 YII=")),
	REFUSED("credssp", AUTH, WITH("Authorization: CredSSP YII=")),
	REFUSED("proxy ntlm", AUTH, WITH("Proxy-Authorization: ntlm TlRMTVNTUAABAAAA")),
	REFUSED("challenge", AUTH, GET, REPLY("WWW-Authenticate: Negotiate")),
	REFUSED("challenge among others", AUTH, GET, REPLY("WWW-Authenticate: Basic realm=\"a\",NTLM")),
	REFUSED("challenge of a proxy", AUTH, GET, REPLY("Proxy-Authenticate: Negotiate")),
	REFUSED("persistent auth", AUTH, GET, REPLY("Persistent-Auth: true")),
	REFUSED("session based", AUTH, GET, REPLY("Proxy-Support: Session-Based-Authentication")),
	REFUSED("1.0 request", VERSION, SENT("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")),
	REFUSED("1.0 reply", VERSION, GET,
		RECEIVED("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n")),
	REFUSED("1.2 reply", VERSION, GET, RECEIVED("HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n")),
	REFUSED("0.9", VERSION, SENT("GET /\r\n\r\n")),
};

static const struct exchange lengths[] = {
	REFUSED("no length", LENGTH, GET, RECEIVED("HTTP/1.1 200 OK\r\n\r\nhello")),
	REFUSED("chunked and length", LENGTH, GET, REPLY("Transfer-Encoding: chunked")),
	REFUSED("request chunked and length", LENGTH,
		WITH("Content-Length: 3\r\nTransfer-Encoding: chunked")),
	REFUSED("two lengths", LENGTH, WITH("Content-Length: 3\r\nContent-Length: 4")),
	REFUSED("two equal lengths", LENGTH, GET, REPLY("Content-Length: 0")),
	REFUSED("list of lengths", LENGTH, WITH("Content-Length: 3, 3")),
	REFUSED("signed length", LENGTH, WITH("Content-Length: +3")),
	REFUSED("no number", LENGTH, WITH("Content-Length: 0x3")),
	REFUSED("empty length", LENGTH, WITH("Content-Length:")),
	REFUSED("2^64", LENGTH, WITH("Content-Length: 18446744073709551616")),
	REFUSED("gzip, chunked", LENGTH, WITH("Transfer-Encoding: gzip, chunked")),
	REFUSED("identity", LENGTH, WITH("Transfer-Encoding: identity")),
	REFUSED("xchunked", LENGTH, WITH("Transfer-Encoding: xchunked")),
	REFUSED("chunked, identity", LENGTH, WITH("Transfer-Encoding: chunked, identity")),
	REFUSED("chunked twice", LENGTH, WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked")),
	REFUSED("chunked, chunked", LENGTH, WITH("Transfer-Encoding: chunked, chunked")),
	REFUSED("chunked with a parameter", LENGTH, WITH("Transfer-Encoding: chunked;q=1")),
	REFUSED("empty encoding", LENGTH, WITH("Transfer-Encoding:")),
	REFUSED("very long encoding", LENGTH, WITH("Transfer-Encoding: chunkedchunkedchunkedchunkedchunked")),
	REFUSED("a header that http-parser takes for it", LENGTH, WITH("Transfer-Encodings: a")),
	REFUSED("encoding longer than chunked", LENGTH, WITH("Transfer-Encoding: chunkedchunked")),
};

#define TWICE(reason, name, bytes) \
	REFUSED(name, PROTOCOL, SENT(bytes)), REFUSED(name ", later", reason, GET, HELLO, SENT(bytes))

static const struct exchange malformed[] = {
	TWICE(BAD_REQUEST, "tls", "\x16\x03\x01\x02\x00\x01"),
	TWICE(BAD_REQUEST, "ssh", "SSH-2.0-OpenSSH\r\n"),
	TWICE(BAD_REQUEST, "proxy", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n"),
	TWICE(BAD_REQUEST, "proxy 2", "\r\n\r\n\0\r\nQUIT\n\x21\x11"),
	TWICE(BAD_REQUEST, "socks4", "\x04\x01\x00\x50"),
	TWICE(BAD_REQUEST, "socks5", "\x05\x01\x00"),
	TWICE(BAD_REQUEST, "postgresql", "\0\0\0\x08\x04\xd2\x16\x2f"),
	TWICE(BAD_REQUEST, "http/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
	TWICE(BAD_REQUEST, "redis", "*1\r\n$4\r\nPING\r\n"),
	TWICE(BAD_REQUEST, "unknown method", "FETCH / HTTP/1.1\r\n\r\n"),
	TWICE(BAD_REQUEST, "lower case", "get / HTTP/1.1\r\n\r\n"),
	TWICE(BAD_REQUEST, "empty line first", "\r\nGET / HTTP/1.1\r\n\r\n"),
	TWICE(BAD_REQUEST, "lf only", "GET / HTTP/1.1\nHost: a\n\n"),
	TWICE(BAD_REQUEST, "lf in a header", "GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n"),
	TWICE(BAD_REQUEST, "lf at the end", "GET / HTTP/1.1\r\nA: b\r\n\n"),
	TWICE(BAD_REQUEST, "cr in a header", "GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n"),
	TWICE(BAD_REQUEST, "cr at the end", "GET / HTTP/1.1\r\nA: b\r\n\rX"),
	TWICE(BAD_REQUEST, "nul in a header", "GET / HTTP/1.1\r\nA: b\0c\r\n\r\n"),
	TWICE(BAD_REQUEST, "folded", "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n"),
	TWICE(BAD_REQUEST, "folded by a tab", "GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n"),
	TWICE(BAD_REQUEST, "space before the colon", POST_ "Content-Length : 3\r\n\r\nabc"),
	TWICE(BAD_REQUEST, "no name", "GET / HTTP/1.1\r\n: b\r\n\r\n"),
	TWICE(BAD_REQUEST, "no colon", "GET / HTTP/1.1\r\nabc\r\n\r\n"),
	REFUSED("chunk without size", BAD_REQUEST, SENT(POST_ "Transfer-Encoding: chunked\r\n\r\n\r\n")),
	REFUSED("not http", BAD_REPLY, GET, RECEIVED("ICY 200 OK\r\n")),
	REFUSED("empty line first, reply", BAD_REPLY, GET, RECEIVED("\r\nHTTP/1.1 200 OK\r\n")),
	REFUSED("reply with lf only", BAD_REPLY, GET, RECEIVED("HTTP/1.1 200 OK\nContent-Length: 0\n\n")),
	REFUSED("reply with a space before the colon", BAD_REPLY, GET, REPLY("A : 5")),
	REFUSED("folded reply", BAD_REPLY, GET, REPLY("A: b\r\n c")),
	REFUSED("status 0", BAD_REPLY, GET, RECEIVED("HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n")),
	REFUSED("status 1000", BAD_REPLY, GET, RECEIVED("HTTP/1.1 1000 OK\r\nContent-Length: 0\r\n\r\n")),
	REFUSED("chunk longer than announced", BAD_REPLY, GET, RECEIVED(CHUNKED_ "4\r\nhello\r\n0\r\n\r\n")),
	REFUSED("chunk with any two bytes after it", BAD_REPLY, GET,
		RECEIVED(CHUNKED_ "5\r\nhelloXX0\r\n\r\n")),
	REFUSED("chunk, any byte and lf after it", BAD_REPLY, GET,
		RECEIVED(CHUNKED_ "5\r\nhelloX\n0\r\n\r\n")),
	REFUSED("chunk, cr and any byte after it", BAD_REPLY, GET,
		RECEIVED(CHUNKED_ "5\r\nhello\rX0\r\n\r\n")),
	REFUSED("chunk size, cr and any byte", BAD_REPLY, GET, RECEIVED(CHUNKED_ "5\rXhello\r\n0\r\n\r\n")),
	REFUSED("chunk size, lf", BAD_REPLY, GET, RECEIVED(CHUNKED_ "5\nhello\r\n0\r\n\r\n")),
	REFUSED("chunk extension, lf", BAD_REPLY, GET, RECEIVED(CHUNKED_ "5;a\nhello\r\n0\r\n\r\n")),
	REFUSED("chunk size, no number", BAD_REPLY, GET, RECEIVED(CHUNKED_ "5g\r\n")),
	REFUSED("chunk size, negative", BAD_REPLY, GET, RECEIVED(CHUNKED_ "-5\r\n")),
	REFUSED("chunk size, 0x", BAD_REPLY, GET, RECEIVED(CHUNKED_ "0x5\r\nhello\r\n")),
	REFUSED("chunk size, empty", BAD_REPLY, GET, RECEIVED(CHUNKED_ ";a\r\n")),
	REFUSED("chunk size, 2^60", BAD_REPLY, GET, RECEIVED(CHUNKED_ "1000000000000000\r\n")),
	REFUSED("trailer without colon", BAD_REPLY, GET, RECEIVED(CHUNKED_ "0\r\nHTTP/1.1 200 OK\r\n\r\n")),
	REFUSED("trailer, folded", BAD_REPLY, GET, RECEIVED(CHUNKED_ "0\r\nA: b\r\n c\r\n\r\n")),
	REFUSED("trailer, cr and another", BAD_REPLY, GET, RECEIVED(CHUNKED_ "0\r\nA: b\rX\r\n\r\n")),
	REFUSED("trailer with a control byte", BAD_REPLY, GET, RECEIVED(CHUNKED_ "0\r\nA: \a\r\n\r\n")),
	REFUSED("chunk extension with a control byte", BAD_REPLY, GET, RECEIVED(CHUNKED_ "0;\x7f\r\n\r\n")),
	REFUSED("status line with a control byte", BAD_REPLY, GET,
		RECEIVED("HTTP/1.1 200 \a\r\nContent-Length: 0\r\n\r\n")),
	REFUSED("trailer, lf", BAD_REPLY, GET, RECEIVED(CHUNKED_ "0\r\nA: b\n\r\n")),
	REFUSED("trailer, lf at the end", BAD_REPLY, GET, RECEIVED(CHUNKED_ "0\r\nA: b\r\n\n")),
};

Test(guard_http, complete)
{
	CHECK(complete);
	CHECK_STRICT(complete);
}

Test(guard_http, requests_with_bodies)
{
	CHECK(bodies);
	CHECK_STRICT(no_bodies);
}

Test(guard_http, ends_by_rule)
{
	CHECK(by_rule);
	CHECK_STRICT(by_rule);
}

Test(guard_http, in_doubt)
{
	CHECK(in_doubt);
	CHECK_STRICT(in_doubt);
}

Test(guard_http, no_promise)
{
	CHECK(no_promise);
	CHECK_STRICT(no_promise);
}

Test(guard_http, unfinished)
{
	CHECK(unfinished);
}

Test(guard_http, out_of_step)
{
	CHECK(out_of_step);
}

Test(guard_http, bound_to_connection)
{
	CHECK(bound_to_connection);
	CHECK_STRICT(bound_to_connection);
}

Test(guard_http, lengths)
{
	CHECK(lengths);
}

Test(guard_http, malformed)
{
	CHECK(malformed);
}

static struct guard guard;

static void sent(const char *text)
{
	guard_sent(&guard, text, strlen(text));
}

static void received(const char *text)
{
	guard_received(&guard, text, strlen(text));
}

/* Some proxies take all of a connection to where its first request was for. */
Test(guard_http, all_requests_are_for_one_host)
{
	static const struct {
		const char *first, *then;
		bool same;
	} cases[] = {
		{ "/ HTTP/1.1\r\nHost: a", "/x HTTP/1.1\r\nhost:A ", true },
		{ "/ HTTP/1.1\r\nHost: a", "* HTTP/1.1\r\nX: y\r\nHost: a\r\nY: x", true },
		{ "/ HTTP/1.1\r\nX: y", "//b/ HTTP/1.1\r\nY: Host: b", true },
		{ "http://a/ HTTP/1.1\r\nHost: a", "HTTP://A/b/c HTTP/1.1\r\nHost: a", true },
		{ "/ HTTP/1.1\r\nHost: a", "/ HTTP/1.1\r\nHost: b", false },
		{ "/ HTTP/1.1\r\nHost: a", "/ HTTP/1.1\r\nHost: a:80", false },
		{ "/ HTTP/1.1\r\nHost: a", "/ HTTP/1.1\r\nHost: ab", false },
		{ "/ HTTP/1.1\r\nHost: a", "/ HTTP/1.1\r\nX: y", false },
		{ "/ HTTP/1.1\r\nHost: a", "/ HTTP/1.1\r\nHost: a\r\nHost: b", false },
		{ "/ HTTP/1.1\r\nHost: a", "http://a/ HTTP/1.1\r\nHost: a", false },
		{ "http://a/ HTTP/1.1\r\nHost: a", "http://b/ HTTP/1.1\r\nHost: a", false },
		{ "http://a/ HTTP/1.1\r\nHost: a", "https://a/ HTTP/1.1\r\nHost: a", false },
	};
	static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		for (unsigned kind = GUARD_HTTP; kind <= GUARD_RAW; kind++) {
			if (kind == GUARD_REDIS || kind == GUARD_MEMCACHED)
				continue;
			guard_start(&guard, (enum guard_kind)kind);
			sent("GET ");
			sent(cases[i].first);
			sent("\r\n\r\n");
			received(ok);
			guard_reset(&guard);
			sent("GET ");
			for (const char *c = cases[i].then; *c; c++)
				guard_sent(&guard, c, 1);
			sent("\r\n\r\n");
			check_number(guard_refusal(&guard),
				     cases[i].same ? GUARD_REASON_NONE : GUARD_REASON_AUTHORITY);
		}
	}
}

/* What the server promised in its last reply. */
Test(guard_http, promises)
{
	guard_start(&guard, GUARD_HTTP);
	check_number(guard.promised_idle_s, GUARD_NO_PROMISE);
	sent("GET / HTTP/1.1\r\n\r\n");
	received("HTTP/1.1 200 OK\r\nKeep-Alive: timeout = 5 ,max=\"99\"\r\nContent-Length: 0\r\n\r\n");
	check_number(guard.promised_idle_s, 5);
	check_number(guard.promised_uses, 99);
	sent("GET / HTTP/1.1\r\n\r\n");
	received("HTTP/1.1 200 OK\r\nKeep-Alive: max=98, timeout=99999999999999999\r\nContent-Length: "
		 "0\r\n\r\n");
	check(guard.promised_idle_s > 1000000);
	check_number(guard.promised_uses, 98);
	guard_reset(&guard);
	check_number(guard.promised_uses, GUARD_NO_PROMISE);
}

Test(guard_http, large_body_in_pieces)
{
	static const char zeros[65536];

	guard_start(&guard, GUARD_HTTP);
	sent("GET / HTTP/1.1\r\n\r\n");
	received("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n");
	for (unsigned i = 0; i < 1073741824 / sizeof(zeros); i++) {
		check_number(guard_verdict(&guard), GUARD_OPEN);
		guard_received(&guard, zeros, sizeof(zeros));
	}
	check_number(guard_verdict(&guard), GUARD_CLEAN);
}

/* Heads, chunk extensions and trailers have an end. */
static enum guard_reason endless(const char *begin, const char *more, unsigned times)
{
	guard_start(&guard, GUARD_HTTP);
	sent("GET / HTTP/1.1\r\n\r\n");
	received(begin);
	for (unsigned i = 0; i < times; i++)
		received(more);
	return guard_refusal(&guard);
}

Test(guard_http, endless)
{
	enum { TIMES = 65536 / 10 };

	check_number(endless("HTTP/1.1 200 OK\r\n", "A: 45678\r\n", TIMES - 10), GUARD_REASON_NONE);
	check_number(endless("HTTP/1.1 200 OK\r\n", "A: 45678\r\n", TIMES + 10), GUARD_REASON_LIMIT);
	check_number(endless(CHUNKED_ "0;", "0123456789", TIMES + 10), GUARD_REASON_LIMIT);
	check_number(endless(CHUNKED_ "0\r\n", "A: 45678\r\n", TIMES - 10), GUARD_REASON_NONE);
	check_number(endless(CHUNKED_ "0\r\n", "A: 45678\r\n", TIMES + 10), GUARD_REASON_LIMIT);
}

Test(guard_http, deep_pipelines)
{
	guard_start(&guard, GUARD_HTTP_BODIES);
	for (unsigned i = 0; i < 100000; i++)
		sent("GET / HTTP/1.1\r\n\r\n");
	for (unsigned i = 0; i < 100000; i++) {
		check_number(guard_verdict(&guard), GUARD_OPEN);
		received("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	}
	check_number(guard_verdict(&guard), GUARD_CLEAN);
	for (unsigned i = 0; i < REQUEST_RUNS / 2; i++)
		sent("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nContent-Length: 1\r\n\r\na");
	check_number(guard_verdict(&guard), GUARD_OPEN);
	sent("GET / HTTP/1.1\r\n\r\n");
	check_number(guard_refusal(&guard), GUARD_REASON_LIMIT);
}
