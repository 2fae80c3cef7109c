// SPDX-License-Identifier: Apache-2.0
/* test_memcached - which memcached exchanges leave a connection that may be used again. */
#include "tests/unit/check.h"
#include "tests/unit/exchange.h"

#define GET          SENT("get a\r\n")
#define MISS         RECEIVED("END\r\n")
#define HIT          RECEIVED("VALUE a 0 5\r\nhello\r\nEND\r\n")
#define SET          SENT("set a 0 0 5\r\nhello\r\n")
#define STORED       RECEIVED("STORED\r\n")
#define CHECK(table) check_exchanges(GUARD_MEMCACHED, table, sizeof(table) / sizeof(*(table)), &simple)

static const struct exchange simple = CLEAN("simple", GET, MISS);

TestSuite(guard_memcached, .init = limit_time);

static const struct exchange complete[] = {
	CLEAN("hit", GET, HIT),
	CLEAN("gets, several keys", SENT("gets a b  c\r\n"),
	      RECEIVED("VALUE a 0 5 17\r\nhello\r\nVALUE b 1 0 18\r\n\r\nEND\r\n")),
	CLEAN("gat", SENT("gat 10 a\r\n"), HIT),
	CLEAN("line ends in the data", GET, MISS, SENT("set a 0 0 7\r\n\r\nEND\r\n\r\n"), STORED, GET,
	      RECEIVED("VALUE a 0 7\r\n\r\nEND\r\n\r\nEND\r\n")),
	CLEAN("set", GET, MISS, SET, STORED),
	CLEAN("set nothing", GET, MISS, SENT("set a 0 0 0\r\n\r\n"), STORED),
	CLEAN("other stores", SENT("add a 0 0 1\r\nx\r\n"), RECEIVED("NOT_STORED\r\n"),
	      SENT("cas a 0 0 1 17\r\nx\r\n"), RECEIVED("EXISTS\r\n"), SENT("append a 0 0 1\r\nx\r\n"),
	      RECEIVED("NOT_FOUND\r\n"), SENT("replace a 0 0 1\r\nx\r\n"), STORED),
	CLEAN("delete", SENT("delete a\r\n"), RECEIVED("DELETED\r\n"), SENT("delete a 0\r\n"),
	      RECEIVED("NOT_FOUND\r\n")),
	CLEAN("arithmetic", SENT("incr a 1\r\n"), RECEIVED("18446744073709551615\r\n"), SENT("decr a 1\r\n"),
	      RECEIVED("NOT_FOUND\r\n")),
	CLEAN("others", SENT("touch a 1\r\n"), RECEIVED("TOUCHED\r\n"), SENT("version\r\n"),
	      RECEIVED("VERSION 1.6.18\r\n"), SENT("flush_all\r\n"), RECEIVED("OK\r\n"),
	      SENT("flush_all 10\r\n"), RECEIVED("OK\r\n"), SENT("verbosity 1\r\n"), RECEIVED("OK\r\n")),
	CLEAN("stats", SENT("stats\r\n"), RECEIVED("STAT pid 1\r\nSTAT v a b\r\nEND\r\n"),
	      SENT("stats reset\r\n"), RECEIVED("RESET\r\n"), SENT("stats cachedump 1 1\r\n"),
	      RECEIVED("ITEM a [5 b; 0 s]\r\nEND\r\n")),
	CLEAN("gats", SENT("gats 10 a\r\n"), RECEIVED("VALUE a 0 1 7\r\nx\r\nEND\r\n")),
	CLEAN("prepend", SENT("prepend a 0 0 1\r\nx\r\n"), STORED),
	CLEAN("stats detail", SENT("stats detail on\r\n"), RECEIVED("OK\r\n"), SENT("stats detail dump\r\n"),
	      RECEIVED("PREFIX a get 1 hit 0 set 0 del 0\r\nEND\r\n")),
	CLEAN("meta compare", SENT("ms a 1 C7\r\nx\r\n"), RECEIVED("EX\r\n")),
	CLEAN("pipelined, all answered", GET, SET, SET, GET, HIT, STORED, STORED, MISS),
	CLEAN("noreply, and then one with", GET, MISS, SENT("set a 0 0 5 noreply\r\nhello\r\n"),
	      SENT("version\r\n"), RECEIVED("VERSION 1\r\n")),
	CLEAN("meta", SENT("mg a v t\r\n"), RECEIVED("VA 5 t-1\r\nhello\r\n"), SENT("mg a\r\n"),
	      RECEIVED("HD\r\n"), SENT("mg b v\r\n"), RECEIVED("EN\r\n"), SENT("ms a 2 T0\r\nhi\r\n"),
	      RECEIVED("HD\r\n"), SENT("md a\r\n"), RECEIVED("NF\r\n"), SENT("ma n v\r\n"),
	      RECEIVED("VA 1\r\n7\r\n")),
	CLEAN("meta noop and debug", SENT("mn\r\n"), RECEIVED("MN\r\n"), SENT("me a\r\n"),
	      RECEIVED("ME a exp=-1 la=0\r\n"), SENT("me b\r\n"), RECEIVED("EN\r\n")),
	CLEAN("quiet misses", SENT("mg a v q\r\nmg b v q\r\nmn\r\n"), RECEIVED("MN\r\n")),
	CLEAN("quiet, one hit", SENT("mg a v q\r\nmg b v q k\r\nmn\r\n"),
	      RECEIVED("VA 5 kb\r\nhello\r\nMN\r\n")),
	CLEAN("quiet stores", SENT("ms a 1 q\r\nx\r\nms b 1 q\r\nx\r\nmd c q\r\nma d q\r\nmn\r\n"),
	      RECEIVED("NS\r\nMN\r\n")),
	CLEAN("quiet, then another", SENT("mg a v q\r\nget a\r\n"), HIT),
	CLEAN("data of two words, later", GET, MISS, SENT("set a 0 0 5\r\nab cd\r\n"), STORED),
	CLEAN("a store that is no login", SENT("add a 0 0 5\r\nab cd\r\n"), STORED, SET, STORED),
};

static const struct exchange unfinished[] = {
	OPEN("half a command", SENT("get a\r")),
	OPEN("no reply yet", GET),
	OPEN("no data yet", GET, MISS, SENT("set a 0 0 5\r\n")),
	OPEN("half the data", GET, MISS, SENT("set a 0 0 5\r\nhell")),
	OPEN("no line end after the data", GET, MISS, SENT("set a 0 0 5\r\nhello")),
	OPEN("half a reply", GET, RECEIVED("END\r")),
	OPEN("value without END", GET, RECEIVED("VALUE a 0 5\r\nhello\r\n")),
	OPEN("shorter than announced", GET, RECEIVED("VALUE a 0 15\r\nhello\r\nEND\r\n")),
	OPEN("stats without END", SENT("stats\r\n"), RECEIVED("STAT pid 1\r\n")),
	OPEN("pipelined, one unanswered", GET, SET, HIT),
	OPEN("next command begun", GET, MISS, SENT("g")),
	OPEN("next command begun before the reply", GET, SENT("g"), MISS),
	OPEN("noreply", GET, MISS, SENT("set a 0 0 5 noreply\r\nhello\r\n")),
	OPEN("noreply while a reply is due", GET, SENT("delete a noreply\r\n"), MISS),
	OPEN("all kinds of noreply", GET, SENT("flush_all noreply\r\n"), SENT("flush_all 0 noreply\r\n"),
	     SENT("delete a 0 noreply\r\n"), SENT("cas a 0 0 1 1 noreply\r\nx\r\n"),
	     SENT("touch a 1 noreply\r\n"), SENT("verbosity 1 noreply\r\n"), SENT("incr a 1 noreply\r\n"),
	     MISS),
	OPEN("quiet, no answer yet", GET, SENT("mg a v q\r\n"), MISS),
	OPEN("quiet, its answer may be that of the next", SENT("mg a v q\r\nmg b v\r\n"),
	     RECEIVED("VA 1\r\nx\r\n")),
	OPEN("quiet, answers could be of any of them", SENT("mg a v q\r\nmg b v q\r\nmg c v\r\n"),
	     RECEIVED("HD\r\nHD\r\n")),
	OPEN("2^64 - 1 bytes", GET, RECEIVED("VALUE a 0 18446744073709551615\r\nhello")),
};

static const struct exchange out_of_step[] = {
	REFUSED("greeting", SERVER_FIRST, RECEIVED("ERROR Too many open connections\r\n")),
	REFUSED("second reply", UNASKED, GET, MISS, MISS),
	REFUSED("late second reply", UNASKED, GET, MISS, SET, STORED, STORED),
	REFUSED("reply to half a command", UNASKED, SENT("get a"), MISS),
	REFUSED("reply before the data", UNASKED, GET, MISS, SENT("set a 0 0 5\r\n"), STORED),
	REFUSED("reply to noreply", UNASKED, SENT("delete a noreply\r\n"), RECEIVED("DELETED\r\n")),
	REFUSED("error reply to noreply", ERROR, SENT("delete a noreply\r\n"), GET, RECEIVED("ERROR\r\n")),
	REFUSED("longer than announced", BAD_REPLY, GET, RECEIVED("VALUE a 0 4\r\nhello\r\nEND\r\n")),
	REFUSED("shorter, then END", BAD_REPLY, GET, RECEIVED("VALUE a 0 5\r\nhell\r\nEND\r\n")),
	REFUSED("another command's reply", BAD_REPLY, GET, STORED),
	REFUSED("another command's reply, queued", BAD_REPLY, GET, MISS, SET, GET, MISS),
	REFUSED("a quiet one's reply when it is too late", UNASKED, SENT("mg a v q\r\nmn\r\n"),
		RECEIVED("MN\r\nVA 1\r\nx\r\n")),
	REFUSED("no reply of a quiet one", BAD_REPLY, SENT("mg a v q\r\n"), STORED),
	REFUSED("empty line", UNASKED, GET, RECEIVED("END\r\n\r\n")),
	REFUSED("error", ERROR, GET, RECEIVED("ERROR\r\n")),
	REFUSED("client error", ERROR, GET, MISS, SET, RECEIVED("CLIENT_ERROR bad data chunk\r\n")),
	REFUSED("server error", ERROR, GET, MISS, SET,
		RECEIVED("SERVER_ERROR out of memory storing object\r\n")),
	REFUSED("too many kinds in flight", LIMIT, GET,
		SENT("version\r\nget a\r\nversion\r\nget a\r\nversion\r\n"),
		SENT("get a\r\nversion\r\nget a\r\nversion\r\nget a\r\nversion\r\nget a\r\n"),
		SENT("version\r\nget a\r\nversion\r\nget a\r\n")),
};

#define NEVER(text)                                \
	REFUSED(text, COMMAND, SENT(text "\r\n")), \
		REFUSED(text ", later", COMMAND, GET, MISS, SENT(text "\r\n"))

static const struct exchange stateful[] = {
	NEVER("watch"),
	NEVER("watch fetchers mutations"),
	NEVER("quit"),
	NEVER("shutdown"),
	NEVER("lru_crawler metadump all"),
	NEVER("lru_crawler"),
	NEVER("lru tune 1 2 3"),
	NEVER("slabs reassign 1 2"),
	NEVER("cache_memlimit 64"),
	NEVER("extstore free_memchunks 1 2"),
	NEVER("refresh_certs"),
	NEVER("debugtime p"),
	NEVER("ge a"),
	NEVER("gett a"),
	NEVER("aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbb"),
};

Test(guard_memcached, complete)
{
	CHECK(complete);
}

Test(guard_memcached, unfinished)
{
	CHECK(unfinished);
}

Test(guard_memcached, out_of_step)
{
	CHECK(out_of_step);
}

Test(guard_memcached, stateful)
{
	CHECK(stateful);
}

#define TWICE(name, bytes) \
	REFUSED(name, PROTOCOL, SENT(bytes)), REFUSED(name ", later", BAD_REQUEST, GET, MISS, SENT(bytes))

static const struct exchange bad_requests[] = {
	TWICE("binary", "\x80\x0b\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
	TWICE("tls", "\x16\x03\x01"),
	TWICE("ssh", "SSH-2.0-OpenSSH\r\n"),
	TWICE("proxy", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n"),
	TWICE("http", "GET / HTTP/1.1\r\n"),
	TWICE("redis", "*1\r\n"),
	TWICE("empty line", "\r\n"),
	TWICE("space first", " get a\r\n"),
	TWICE("lf only", "get a\n"),
	TWICE("cr and another", "get a\rX"),
	TWICE("nul", "get a\0b\r\n"),
	TWICE("tab", "get a\tb\r\n"),
	TWICE("no key", "get\r\n"),
	TWICE("no key, but a space", "get \r\n"),
	TWICE("gat without key", "gat 10\r\n"),
	TWICE("set without length", "set a 0 0\r\n"),
	TWICE("no number", "set a 0 0 x\r\n"),
	TWICE("negative", "set a 0 0 -1\r\n"),
	TWICE("2^64", "set a 0 0 18446744073709551616\r\n"),
	TWICE("very long number", "set a 0 0 00000000000000000000000000000000001\r\n"),
	TWICE("longer than announced", "set a 0 0 4\r\nhello\r\n"),
	TWICE("lf after the data", "set a 0 0 5\r\nhello\n"),
	TWICE("cr and another after the data", "set a 0 0 5\r\nhello\rX"),
	TWICE("a word too many", "set a 0 0 5 norepl\r\n"),
	TWICE("words after noreply", "set a 0 0 5 noreply noreply\r\n"),
	TWICE("cas without id", "cas a 0 0 5\r\n"),
	TWICE("delete with a time", "delete a 10\r\n"),
	TWICE("delete, 0 too late", "delete a noreply 0\r\n"),
	TWICE("delete, two 0", "delete a 0 0\r\n"),
	TWICE("incr, words too many", "incr a 1 1\r\n"),
	TWICE("flush_all, no number", "flush_all x\r\n"),
	TWICE("flush_all, two numbers", "flush_all 1 1\r\n"),
	TWICE("version with a word", "version 1\r\n"),
	TWICE("mn with a word", "mn q\r\n"),
	TWICE("ms of old", "ms a S5\r\n"),
	TWICE("mg without key", "mg\r\n"),
};

static const struct exchange bad_replies[] = {
	REFUSED("unknown", BAD_REPLY, GET, RECEIVED("WHAT\r\n")),
	REFUSED("lower case", BAD_REPLY, GET, RECEIVED("end\r\n")),
	REFUSED("lf only", BAD_REPLY, GET, RECEIVED("END\n")),
	REFUSED("cr and another", BAD_REPLY, GET, RECEIVED("END\rX")),
	REFUSED("empty line first", BAD_REPLY, GET, RECEIVED("\r\nEND\r\n")),
	REFUSED("space first", BAD_REPLY, GET, RECEIVED(" END\r\n")),
	REFUSED("a word after END", BAD_REPLY, GET, RECEIVED("END x\r\n")),
	REFUSED("a word after STORED", BAD_REPLY, GET, MISS, SET, RECEIVED("STORED x\r\n")),
	REFUSED("value without length", BAD_REPLY, GET, RECEIVED("VALUE a 0\r\n")),
	REFUSED("value with too many words", BAD_REPLY, GET, RECEIVED("VALUE a 0 5 1 1\r\n")),
	REFUSED("value, no number", BAD_REPLY, GET, RECEIVED("VALUE a 0 x\r\n")),
	REFUSED("value, negative", BAD_REPLY, GET, RECEIVED("VALUE a 0 -1\r\n")),
	REFUSED("cr and another after the data", BAD_REPLY, GET, RECEIVED("VALUE a 0 1\r\nx\rX")),
	REFUSED("version without one", BAD_REPLY, SENT("version\r\n"), RECEIVED("VERSION\r\n")),
	REFUSED("va without length", BAD_REPLY, SENT("mg a v\r\n"), RECEIVED("VA\r\n")),
	REFUSED("number and letters", BAD_REPLY, SENT("incr a 1\r\n"), RECEIVED("1a\r\n")),
	REFUSED("number of 21 digits", BAD_REPLY, SENT("incr a 1\r\n"),
		RECEIVED("111111111111111111111\r\n")),
	REFUSED("number for another", BAD_REPLY, GET, RECEIVED("1\r\n")),
	REFUSED("nul", BAD_REPLY, SENT("version\r\n"), RECEIVED("VERSION \0\r\n")),
};

Test(guard_memcached, bad_requests)
{
	CHECK(bad_requests);
}

Test(guard_memcached, bad_replies)
{
	CHECK(bad_replies);
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

Test(guard_memcached, deep_pipelines)
{
	guard_start(&guard, GUARD_MEMCACHED);
	exchange_run(&guard, &simple, 0);
	for (unsigned i = 0; i < 100000; i++)
		sent("set a 0 0 1\r\nx\r\n");
	for (unsigned i = 0; i < 100000; i++) {
		check_number(guard_verdict(&guard), GUARD_OPEN);
		received("STORED\r\n");
	}
	check_number(guard_verdict(&guard), GUARD_CLEAN);
}

/* On a connection on which nothing went before. */
static const struct exchange logins[] = {
	REFUSED("login", AUTH, SENT("set auth 0 0 9\r\nuser pass\r\n"), STORED),
	REFUSED("login with a third word", AUTH, SENT("set auth 0 0 11\r\nuser pass x\r\n"), STORED),
	REFUSED("login with a tab", AUTH, SENT("set auth 0 0 10\r\nuser pass\t\r\n"), STORED),
	REFUSED("any set may be one", AUTH, SET, STORED, GET, HIT),
	REFUSED("login without a reply", AUTH, SENT("set auth 0 0 9 noreply\r\nuser pass\r\n"), GET, HIT),
	REFUSED("after what a proxy answers itself", AUTH, SENT("version\r\n"), RECEIVED("VERSION 1\r\n"),
		SET, STORED),
	REFUSED("after what has no answer", AUTH, SENT("delete a noreply\r\n"), SET, STORED),
	REFUSED("after what may have none", AUTH, SENT("mg a q\r\n"), SET, STORED),
	REFUSED("refused before the login", ERROR, GET, RECEIVED("CLIENT_ERROR unauthenticated\r\n"), SET,
		STORED),
};

Test(guard_memcached, logins)
{
	for (size_t i = 0; i < sizeof(logins) / sizeof(*logins); i++)
		for (size_t piece = 0; piece < 4; piece++) {
			guard_start(&guard, GUARD_MEMCACHED);
			exchange_run(&guard, &logins[i], piece);
			cr_assert(guard_refusal(&guard) == logins[i].reason, "%s: %s", logins[i].name,
				  guard_reason_name(guard_refusal(&guard)));
		}
}

/* What a connection has shown holds for its later uses, but not for another connection. */
Test(guard_memcached, open_to_all)
{
	guard_start(&guard, GUARD_MEMCACHED);
	exchange_run(&guard, &simple, 0);
	guard_reset(&guard);
	sent("set a 0 0 9\r\nuser pass\r\n");
	received("STORED\r\n");
	check_number(guard_verdict(&guard), GUARD_CLEAN);
	guard_start(&guard, GUARD_MEMCACHED);
	sent("set a 0 0 9\r\nuser pass\r\n");
	check_number(guard_refusal(&guard), GUARD_REASON_AUTH);
}
