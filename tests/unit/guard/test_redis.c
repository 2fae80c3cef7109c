// SPDX-License-Identifier: Apache-2.0
/* test_redis - which Redis exchanges leave a connection that may be used again. */
#include "tests/unit/check.h"
#include "tests/unit/exchange.h"

#include <ctype.h>
#include <stdio.h>

#define PING         SENT("*1\r\n$4\r\nPING\r\n")
#define PONG         RECEIVED("+PONG\r\n")
#define CHECK(table) check_exchanges(GUARD_REDIS, table, sizeof(table) / sizeof(*(table)), &simple)

static const struct exchange simple = CLEAN("simple", PING, PONG);

TestSuite(guard_redis, .init = limit_time);

static const struct exchange complete[] = {
	CLEAN("get", SENT("*2\r\n$3\r\nGET\r\n$1\r\na\r\n"), RECEIVED("$5\r\nhello\r\n")),
	CLEAN("nil", SENT("*2\r\n$3\r\nget\r\n$1\r\na\r\n"), RECEIVED("$-1\r\n")),
	CLEAN("empty key and value", SENT("*3\r\n$3\r\nSET\r\n$0\r\n\r\n$0\r\n\r\n"), RECEIVED("+OK\r\n")),
	CLEAN("line ends in a value", SENT("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$4\r\n\r\n\r\n\r\n"),
	      RECEIVED("+OK\r\n")),
	CLEAN("line ends in a reply", PING, RECEIVED("$6\r\n\r\n\0\n\r\n\r\n")),
	CLEAN("one after the other", PING, PONG, PING, PONG, PING, RECEIVED(":1\r\n")),
	CLEAN("pipelined, all answered", PING, PING, PING, PONG, RECEIVED(":-12\r\n$-1\r\n")),
	CLEAN("error", PING, RECEIVED("-WRONGTYPE no\r\n")),
	CLEAN("cluster errors", PING, PING, RECEIVED("-MOVED 1 a:1\r\n-ASK 1 a:1\r\n")),
	CLEAN("inline", SENT("PING\r\n"), PONG, SENT("set a  b\r\n"), RECEIVED("+OK\r\n")),
	CLEAN("inline, spaces at the end", SENT("PING  \r\n"), PONG),
	CLEAN("array", PING, RECEIVED("*2\r\n$1\r\na\r\n:1\r\n")),
	CLEAN("empty array", PING, RECEIVED("*0\r\n")),
	CLEAN("no array", PING, RECEIVED("*-1\r\n")),
	CLEAN("nested arrays", PING,
	      RECEIVED("*3\r\n*2\r\n*1\r\n+a\r\n*0\r\n$-1\r\n*2\r\n:1\r\n*1\r\n*1\r\n*-1\r\n")),
	CLEAN("arrays, one after the other", PING, PING, RECEIVED("*1\r\n*1\r\n+a\r\n*2\r\n+a\r\n+b\r\n")),
	CLEAN("resp3", PING,
	      RECEIVED("*10\r\n_\r\n#t\r\n#f\r\n,3.14\r\n,-inf\r\n,1e-5\r\n(12345678901234567890123\r\n"
		       "!5\r\nERR a\r\n=7\r\ntxt:abc\r\n,nan\r\n")),
	CLEAN("map and set", PING, RECEIVED("%2\r\n+a\r\n:1\r\n+b\r\n~2\r\n:1\r\n:2\r\n")),
	CLEAN("empty map", PING, RECEIVED("%0\r\n")),
	CLEAN("attributes", PING,
	      RECEIVED("|1\r\n+a\r\n*1\r\n:1\r\n*2\r\n|1\r\n+a\r\n:1\r\n+b\r\n|0\r\n+c\r\n")),
	CLEAN("config get", SENT("*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$4\r\nsave\r\n"), RECEIVED("*0\r\n")),
	CLEAN("client getname", SENT("*2\r\n$6\r\nclient\r\n$7\r\nGetName\r\n"), RECEIVED("$-1\r\n")),
	CLEAN("xread", SENT("*4\r\n$5\r\nXREAD\r\n$7\r\nSTREAMS\r\n$1\r\na\r\n$1\r\n0\r\n"),
	      RECEIVED("*-1\r\n")),
	CLEAN("a key named block", SENT("*2\r\n$3\r\nGET\r\n$5\r\nblock\r\n"), RECEIVED("$-1\r\n")),
	CLEAN("a very long key",
	      SENT("*2\r\n$3\r\nGET\r\n$"
		   "60\r\naaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbb\r\n"),
	      RECEIVED("$-1\r\n")),
	CLEAN("an error about something else", PING, RECEIVED("-ERR protocol\r\n")),
};

static const struct exchange unfinished[] = {
	OPEN("half a command", SENT("*1\r\n$4\r\nPI")),
	OPEN("no line end", SENT("*1\r\n$4\r\nPING\r")),
	OPEN("an argument less", SENT("*2\r\n$4\r\nPING\r\n")),
	OPEN("half an inline command", SENT("PING\r")),
	OPEN("no reply yet", PING),
	OPEN("half a reply", PING, RECEIVED("+PONG\r")),
	OPEN("half a string", PING, RECEIVED("$5\r\nhell")),
	OPEN("no line end after a string", PING, RECEIVED("$5\r\nhello\r")),
	OPEN("half an array", PING, RECEIVED("*2\r\n+a\r\n")),
	OPEN("half a nested array", PING, RECEIVED("*1\r\n*2\r\n+a\r\n")),
	OPEN("half a map", PING, RECEIVED("%1\r\n+a\r\n")),
	OPEN("attributes without a value", PING, RECEIVED("|1\r\n+a\r\n+b\r\n")),
	OPEN("empty attributes", PING, RECEIVED("|0\r\n")),
	OPEN("attributes within, without a value", PING, RECEIVED("*1\r\n|1\r\n+a\r\n+b\r\n")),
	OPEN("pipelined, one unanswered", PING, PING, PONG),
	OPEN("next command begun before the reply", PING, SENT("*"), PONG),
	OPEN("next command begun", PING, PONG, SENT("*")),
	OPEN("2^63 - 1 bytes", PING, RECEIVED("$9223372036854775807\r\nhello")),
	OPEN("2^63 - 1 elements", PING, RECEIVED("%9223372036854775807\r\n+a\r\n")),
	OPEN("2^63 - 1 sent", SENT("*9223372036854775807\r\n$3\r\nGET\r\n$9223372036854775807\r\nhello")),
};

static const struct exchange out_of_step[] = {
	REFUSED("greeting", SERVER_FIRST, RECEIVED("-DENIED Redis is running in protected mode\r\n")),
	REFUSED("second reply", UNASKED, PING, PONG, PONG),
	REFUSED("late second reply", UNASKED, PING, PONG, PING, RECEIVED("+PONG\r\n+"), PING),
	REFUSED("reply to half a command", UNASKED, SENT("*1\r\n$4\r\nPING\r"), PONG),
	REFUSED("longer than announced", BAD_REPLY, PING, RECEIVED("$4\r\nhello\r\n")),
	REFUSED("shorter than announced", BAD_REPLY, PING, RECEIVED("$4\r\nabc\r\n+OK\r\n")),
	REFUSED("an element too many", UNASKED, PING, RECEIVED("*1\r\n+a\r\n+b\r\n")),
	REFUSED("an element too many, nested", UNASKED, PING, RECEIVED("*1\r\n*1\r\n+a\r\n+b\r\n")),
	REFUSED("a value too many in a map", UNASKED, PING, RECEIVED("%1\r\n+a\r\n+b\r\n+c\r\n")),
	REFUSED("a line end too many", UNASKED, PING, RECEIVED("+PONG\r\n\r\n")),
	REFUSED("nul in a line", BAD_REPLY, PING, RECEIVED("+PO\0NG\r\n")),
	REFUSED("push", PUSH, PING, RECEIVED(">2\r\n+invalidate\r\n*0\r\n"), PONG),
	REFUSED("push after the reply", PUSH, PING, PONG, RECEIVED(">2\r\n+invalidate\r\n*0\r\n")),
	REFUSED("push within a reply", PUSH, PING, RECEIVED("*1\r\n>1\r\n+a\r\n+b\r\n")),
	REFUSED("protocol error", ERROR, PING, RECEIVED("-ERR Protocol error: invalid multibulk length\r\n")),
	REFUSED("too many clients", ERROR, PING, RECEIVED("-ERR max number of clients reached\r\n")),
	REFUSED("protected mode", ERROR, PING, RECEIVED("-DENIED Redis is running in protected mode\r\n")),
};

#define SUB(name, sub, name_size, sub_size) \
	REFUSED(name " " sub, COMMAND,      \
		SENT("*2\r\n$" name_size "\r\n" name "\r\n$" sub_size "\r\n" sub "\r\n"))

static const struct exchange stateful[] = {
	REFUSED("select, then close", COMMAND, SENT("*2\r\n$6\r\nSELECT\r\n$1\r\n1\r\n"),
		RECEIVED("+OK\r\n")),
	REFUSED("multi without exec", COMMAND, SENT("*1\r\n$5\r\nMULTI\r\n"), RECEIVED("+OK\r\n")),
	REFUSED("mixed case, after others", COMMAND, PING, PONG, SENT("*1\r\n$5\r\nmUlTi\r\n")),
	REFUSED("inline", COMMAND, PING, PONG, SENT("SELECT 1\r\n"), RECEIVED("+OK\r\n")),
	REFUSED("unknown", COMMAND, SENT("*1\r\n$5\r\nPINGX\r\n")),
	REFUSED("empty name", COMMAND, SENT("*1\r\n$0\r\n\r\n")),
	REFUSED("name with a nul", COMMAND, SENT("*1\r\n$5\r\nPING\0\r\n")),
	REFUSED("very long name", COMMAND,
		SENT("*1\r\n$60\r\naaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbb\r\n")),
	REFUSED("our own separator", COMMAND, SENT("*2\r\n$10\r\nconfig|get\r\n$1\r\na\r\n")),
	REFUSED("separator in a subcommand", COMMAND, SENT("*2\r\n$6\r\nconfig\r\n$4\r\n|get\r\n")),
	REFUSED("no subcommand", COMMAND, SENT("*1\r\n$6\r\nCLIENT\r\n")),
	REFUSED("no subcommand, inline", COMMAND, SENT("CLIENT\r\n")),
	REFUSED("subcommand inline", COMMAND, PING, PONG, SENT("CLIENT REPLY OFF\r\n")),
	REFUSED("very long subcommand", COMMAND,
		SENT("*2\r\n$6\r\nCLIENT\r\n$40\r\nlistlistlistlistlistlistlistlistlistlist\r\n")),
	REFUSED("xread block", COMMAND,
		SENT("*6\r\n$5\r\nXREAD\r\n$5\r\nBlock\r\n$1\r\n0\r\n$7\r\nSTREAMS\r\n$1\r\na\r\n$1\r\n$"
		     "\r\n")),
	REFUSED("xreadgroup block", COMMAND,
		SENT("*6\r\n$10\r\nXREADGROUP\r\n$5\r\nGROUP\r\n$1\r\ng\r\n$1\r\nc\r\n$5\r\nBLOCK\r\n$"
		     "1\r\n0\r\n")),
	SUB("CLIENT", "ID", "6", "2"),
	SUB("CLIENT", "INFO", "6", "4"),
	SUB("CLIENT", "TRACKING", "6", "8"),
	SUB("CLIENT", "REPLY", "6", "5"),
	SUB("CLIENT", "SETNAME", "6", "7"),
	SUB("CLIENT", "SETINFO", "6", "7"),
	SUB("CLIENT", "NO-EVICT", "6", "8"),
	SUB("CLIENT", "NO-TOUCH", "6", "8"),
	SUB("CLIENT", "CACHING", "6", "7"),
	SUB("CLIENT", "KILL", "6", "4"),
	SUB("CLIENT", "PAUSE", "6", "5"),
	SUB("CONFIG", "SET", "6", "3"),
	SUB("SCRIPT", "DEBUG", "6", "5"),
	SUB("CLUSTER", "RESET", "7", "5"),
};

Test(guard_redis, complete)
{
	CHECK(complete);
}

Test(guard_redis, unfinished)
{
	CHECK(unfinished);
}

Test(guard_redis, out_of_step)
{
	CHECK(out_of_step);
}

Test(guard_redis, stateful)
{
	CHECK(stateful);
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

/* NAME or "NAME SUBCOMMAND", in both cases, as an array and inline. */
static enum guard_verdict verdict_of(const char *name, bool upper, bool is_inline)
{
	char words[2][32] = { "", "" }, text[128];
	int count = sscanf(name, "%31s %31s", words[0], words[1]), size;

	for (int i = 0; i < 2; i++)
		for (char *c = words[i]; *c; c++)
			*c = (char)(upper ? toupper(*c) : tolower(*c));
	guard_start(&guard, GUARD_REDIS);
	size = is_inline   ? sprintf(text, "%s %s\r\n", words[0], words[1])
	       : count > 1 ? sprintf(text, "*2\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(words[0]), words[0],
				     strlen(words[1]), words[1])
			   : sprintf(text, "*1\r\n$%zu\r\n%s\r\n", strlen(words[0]), words[0]);
	guard_sent(&guard, text, (size_t)size);
	received("+OK\r\n");
	return guard_verdict(&guard);
}

static void check_names(const char *const *names, enum guard_verdict want)
{
	for (; *names; names++)
		for (unsigned how = 0; how < 4; how++)
			cr_assert(verdict_of(*names, how & 1, how & 2) == want, "%s", *names);
}

/* What must never become allowed. */
Test(guard_redis, names_that_leave_state)
{
	static const char *const names[] = {
		"SELECT",
		"AUTH",
		"HELLO",
		"MULTI",
		"EXEC",
		"DISCARD",
		"WATCH",
		"UNWATCH",
		"SUBSCRIBE",
		"PSUBSCRIBE",
		"SSUBSCRIBE",
		"UNSUBSCRIBE",
		"PUNSUBSCRIBE",
		"SUNSUBSCRIBE",
		"MONITOR",
		"READONLY",
		"READWRITE",
		"ASKING",
		"RESTORE-ASKING",
		"BLPOP",
		"BRPOP",
		"BLMOVE",
		"BLMPOP",
		"BRPOPLPUSH",
		"BZPOPMIN",
		"BZPOPMAX",
		"BZMPOP",
		"WAIT",
		"WAITAOF",
		"SYNC",
		"PSYNC",
		"REPLCONF",
		"QUIT",
		"RESET",
		"DEBUG",
		"FAILOVER",
		"SHUTDOWN",
		"MIGRATE",
		"MODULE LOAD",
		"ACL SETUSER",
		"SLAVEOF",
		"REPLICAOF",
		"SWAPDB",
		"PFDEBUG",
		"PFSELFTEST",
		"CLIENT REPLY",
		"CLIENT TRACKING",
		"CLIENT CACHING",
		"CLIENT SETNAME",
		"CLIENT SETINFO",
		"CLIENT UNPAUSE",
		"CLIENT NO-EVICT",
		"CLIENT NO-TOUCH",
		"CLIENT UNBLOCK",
		"CLIENT GETREDIR",
		"CONFIG SET",
		"CONFIG REWRITE",
		"SCRIPT DEBUG",
		"CLUSTER RESET",
		"CLUSTER FAILOVER",
		"POST",
		"HOST:",
		NULL,
	};

	check_names(names, GUARD_REFUSED);
}

/* One of each letter and the ends of the list: it must be sorted. */
Test(guard_redis, names_that_leave_none)
{
	static const char *const names[] = {
		"APPEND",
		"BGSAVE",
		"BITFIELD",
		"BITFIELD_RO",
		"CLIENT GETNAME",
		"CLIENT LIST",
		"CLUSTER SLOTS",
		"COMMAND COUNT",
		"CONFIG GET",
		"COPY",
		"DBSIZE",
		"DECR",
		"DECRBY",
		"DEL",
		"DUMP",
		"ECHO",
		"EVAL",
		"EVAL_RO",
		"EVALSHA",
		"EVALSHA_RO",
		"EXISTS",
		"EXPIRE",
		"FCALL",
		"FLUSHALL",
		"FUNCTION LIST",
		"GEOADD",
		"GEORADIUS",
		"GEORADIUS_RO",
		"GEORADIUSBYMEMBER",
		"GEORADIUSBYMEMBER_RO",
		"GEOSEARCH",
		"GET",
		"GETSET",
		"HDEL",
		"HGETALL",
		"HPEXPIRETIME",
		"HVALS",
		"INCR",
		"INFO",
		"KEYS",
		"LASTSAVE",
		"LPOP",
		"LTRIM",
		"MEMORY USAGE",
		"MGET",
		"MSET",
		"MSETNX",
		"OBJECT ENCODING",
		"PERSIST",
		"PING",
		"PUBLISH",
		"PUBSUB CHANNELS",
		"RANDOMKEY",
		"RPUSHX",
		"SADD",
		"SCAN",
		"SCRIPT LOAD",
		"SET",
		"SETEX",
		"SORT",
		"SORT_RO",
		"SPOP",
		"SUNIONSTORE",
		"TIME",
		"TTL",
		"TYPE",
		"UNLINK",
		"XACK",
		"XREAD",
		"XREADGROUP",
		"XTRIM",
		"ZADD",
		"ZPOPMIN",
		"ZREVRANGEBYSCORE",
		"ZUNIONSTORE",
		NULL,
	};

	check_names(names, GUARD_CLEAN);
}

static const char *const bad_requests[] = {
	"*0\r\n",
	"*-1\r\n",
	"*01\r\n",
	"*+1\r\n",
	"*\r\n",
	"*1\n",
	"*1\rX",
	"*9223372036854775808\r\n",
	"*1x\r\n",
	"*1\r\n+PING\r\n",
	"*1\r\n+4\r\nPING\r\n",
	"*1\r\n$-1\r\n",
	"*1\r\n$04\r\n",
	"*1\r\n$4\r\nPINGX",
	"*1\r\n$4\r\nPING\rX",
	"PING\n",
	"PING\rX",
	"PING \"a\"\r\n",
	"PING 'a'\r\n",
	"PING\ta\r\n",
	"\r\n",
	" PING\r\n",
	"$4\r\nPING\r\n",
	"\x16\x03\x01",
	NULL,
};

Test(guard_redis, bad_requests)
{
	for (const char *const *text = bad_requests; *text; text++) {
		guard_start(&guard, GUARD_REDIS);
		sent(*text);
		cr_assert(guard_refusal(&guard) == GUARD_REASON_PROTOCOL, "%s", *text);
		guard_start(&guard, GUARD_REDIS);
		exchange_run(&guard, &simple, 0);
		sent(*text);
		cr_assert(guard_refusal(&guard) == GUARD_REASON_BAD_REQUEST, "%s", *text);
	}
}

static const char *const other_protocols[] = {
	"SSH-2.0-OpenSSH\r\n",
	"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
	"PRI * HTTP/2.0\r\n",
	"POST / HTTP/1.1\r\n",
	NULL,
};

Test(guard_redis, other_protocols)
{
	for (const char *const *text = other_protocols; *text; text++) {
		guard_start(&guard, GUARD_REDIS);
		sent(*text);
		check_number(guard_refusal(&guard), GUARD_REASON_PROTOCOL);
	}
	guard_start(&guard, GUARD_REDIS);
	sent("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	check_number(guard_verdict(&guard), GUARD_REFUSED);
}

static const char *const bad_replies[] = {
	"PONG\r\n",
	"\r\n",
	"+PONG\n",

	"+PONG\rX",
	":\r\n",
	":-\r\n",
	":+\r\n",
	":1a\r\n",
	":1-\r\n",
	":--1\r\n",
	"(x\r\n",
	"(\r\n",
	",\r\n",
	",1x\r\n",
	"#\r\n",
	"#x\r\n",
	"#tt\r\n",
	"_x\r\n",
	"-\r\n",
	"$\r\n",
	"$-2\r\n",
	"$-\r\n",
	"$-1x\r\n",
	"$01\r\n",
	"$+1\r\n",
	"$1\n",
	"$?\r\n",
	"*?\r\n",
	"*-2\r\n",
	"%-1\r\n",
	"~-1\r\n",
	"|-1\r\n",
	"!-1\r\n",
	"=-1\r\n",
	"=3\r\nabc\r\n",
	"$1\r\nab\r\n",
	"$1\r\na\rX",
	"$0\r\nX",
	"*1\r\n\r\n",
	"$--1\r\n",
	"$9223372036854775808\r\n",
	"%99999999999999999999\r\n",
	".\r\n",
	NULL,
};

Test(guard_redis, bad_replies)
{
	for (const char *const *text = bad_replies; *text; text++) {
		guard_start(&guard, GUARD_REDIS);
		sent("PING\r\n");
		guard_received(&guard, *text, strlen(*text));
		cr_assert(guard_refusal(&guard) == GUARD_REASON_BAD_REPLY, "%s", *text);
	}
}

Test(guard_redis, limits)
{
	guard_start(&guard, GUARD_REDIS);
	sent("PING\r\n");
	for (unsigned i = 0; i < REDIS_DEPTH_MAX; i++)
		received("*1\r\n");
	check_number(guard_verdict(&guard), GUARD_OPEN);
	received("+a\r\n");
	check_number(guard_verdict(&guard), GUARD_CLEAN);
	sent("PING\r\n");
	for (unsigned i = 0; i <= REDIS_DEPTH_MAX; i++)
		received("*1\r\n");
	check_number(guard_refusal(&guard), GUARD_REASON_LIMIT);

	guard_start(&guard, GUARD_REDIS);
	for (unsigned i = 0; i < 6553; i++)
		sent("GET abcdef");
	check_number(guard_verdict(&guard), GUARD_OPEN);
	sent("GET abcdef");
	check_number(guard_refusal(&guard), GUARD_REASON_LIMIT);
}
