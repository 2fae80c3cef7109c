// SPDX-License-Identifier: Apache-2.0
/* test_guard - names, the raw guard, and what holds for all guards. */
#include "tests/unit/check.h"
#include "tests/unit/exchange.h"

#define CHECK(table) check_exchanges(GUARD_RAW, table, sizeof(table) / sizeof(*(table)), &simple)

static const struct exchange simple = CLEAN("simple", SENT("?"), RECEIVED("!"));

TestSuite(guard, .init = limit_time);

Test(guard, small)
{
	check(sizeof(struct guard) <= 512);
}

Test(guard, names)
{
	enum guard_kind kind;

	for (unsigned i = 0; i < GUARD_KINDS; i++) {
		check(guard_from_name(guard_name((enum guard_kind)i), &kind));
		check_number(kind, i);
	}
	kind = GUARD_RAW;
	check(!guard_from_name("HTTP", &kind));
	check(!guard_from_name("", &kind));
	check(!guard_from_name("httpx", &kind));
	check(!guard_from_name("http+", &kind));
	check_number(kind, GUARD_RAW);
	check_text(guard_name(GUARD_MEMCACHED), "memcached");
}

Test(guard, reason_names)
{
	for (unsigned i = 0; i < GUARD_REASONS; i++) {
		const char *name = guard_reason_name((enum guard_reason)i);
		check(*name);
		check(strspn(name, "abcdefghijklmnopqrstuvwxyz_") == strlen(name));
		for (unsigned j = 0; j < i; j++)
			check(strcmp(name, guard_reason_name((enum guard_reason)j)) != 0);
	}
	check_text(guard_reason_name(GUARD_REASON_SERVER_FIRST), "server_first");
}

#define REPEATED(guard, text) (guard_sent(guard, text, sizeof(text) - 1), guard_may_repeat(guard))

/* After a HEAD nothing is followed: what comes then may be anything. */
Test(guard, only_what_was_looked_at_is_repeated)
{
	static const enum guard_kind kinds[] = { GUARD_HTTP, GUARD_HTTP_BODIES, GUARD_RAW };
	struct guard guard;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		guard_start(&guard, kinds[i]);
		check(REPEATED(&guard, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"));
		check(!REPEATED(&guard, "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n"));
		guard_start(&guard, kinds[i]);
		check(!REPEATED(&guard,
				"HEAD / HTTP/1.1\r\nHost: a\r\n\r\nDELETE / HTTP/1.1\r\nHost: a\r\n\r\n"));
		guard_start(&guard, kinds[i]);
		check(REPEATED(&guard, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
		check(!REPEATED(&guard, "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n"));
	}
}

static const struct exchange raw[] = {
	CLEAN("bytes", SENT("ab"), RECEIVED("cd")),
	CLEAN("several turns", SENT("ab"), RECEIVED("cd"), SENT("\x80"), RECEIVED("\0")),
	CLEAN("not quite tls", SENT("\x16\x02\x03"), RECEIVED("x")),
	CLEAN("not quite ssh", SENT("SSHX"), RECEIVED("x")),
	CLEAN("not quite postgresql", SENT("\0\0\0\x08\x00\x02\x00\x00"), RECEIVED("x")),
	CLEAN("numbers, not mongodb's", SENT("\x10\0\0\0\1\0\0\0\0\0\0\0\x01\0\0\0"), RECEIVED("x")),
	CLEAN("size first, not kafka's", SENT("\0\0\0\x0c\x7b\"a\": 12345}"), RECEIVED("x")),
	CLEAN("not quite ldap", SENT("0102\n"), RECEIVED("x")),
	CLEAN("not quite a login", SENT("USERS\n"), RECEIVED("x")),
	CLEAN("not quite mqtt", SENT("\x10\x0c\0\4MQTX\4\2\0\x3c\0\0"), RECEIVED("x")),
	CLEAN("http", SENT("GET / HTTP/1.1\r\n\r\n"),
	      RECEIVED("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")),
	CLEAN("tls later", SENT("ab"), RECEIVED("cd"), SENT("\x16\x03\x01"), RECEIVED("x")),
	CLEAN("redis", SENT("*1\r\n$4\r\nPING\r\n"), RECEIVED("+PONG\r\n")),
	CLEAN("not quite redis", SENT("*a"), RECEIVED("x")),
	OPEN("half an answer of redis", SENT("*2\r\n$3\r\nGET\r\n$1\r\na\r\n"), RECEIVED("$2\r\nx")),
	OPEN("half an answer of http", SENT("GET / HTTP/1.1\r\n\r\n"),
	     RECEIVED("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx")),
	OPEN("no answer", SENT("ab")),
	OPEN("no answer to the last", SENT("ab"), RECEIVED("cd"), SENT("e")),
	OPEN("perhaps tls", SENT("\x16"), RECEIVED("x")),
	OPEN("perhaps ssh", SENT("SSH"), RECEIVED("x")),
	OPEN("perhaps proxy", SENT("PROXY"), RECEIVED("x")),
	OPEN("perhaps proxy 2", SENT("\r\n\r\n"), RECEIVED("x")),
	OPEN("perhaps http/2", SENT("PRI * HTTP/2"), RECEIVED("x")),
	OPEN("perhaps postgresql", SENT("\0\0\0\x08"), RECEIVED("x")),
	OPEN("perhaps postgresql still", SENT("\0\0\0\x08\x04\xd2"), RECEIVED("x")),
	REFUSED("greeting", SERVER_FIRST, RECEIVED("220 a ESMTP\r\n"), SENT("ab")),
	REFUSED("tls", PROTOCOL, SENT("\x16\x03\x01\x02\x00"), RECEIVED("x")),
	REFUSED("ssh", PROTOCOL, SENT("SSH-2.0-OpenSSH\r\n"), RECEIVED("x")),
	REFUSED("proxy", PROTOCOL, SENT("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n"), RECEIVED("x")),
	REFUSED("proxy 2", PROTOCOL, SENT("\r\n\r\n\0\r\nQUIT\n\x21\x11"), RECEIVED("x")),
	REFUSED("socks4", PROTOCOL, SENT("\x04\x01\x00\x50"), RECEIVED("x")),
	REFUSED("socks4 bind", PROTOCOL, SENT("\x04\x02\x00\x50"), RECEIVED("x")),
	REFUSED("socks5", PROTOCOL, SENT("\x05\x01\x00"), RECEIVED("x")),
	REFUSED("postgresql", PROTOCOL, SENT("\0\0\0\x20\0\x03\0\0user"), RECEIVED("x")),
	REFUSED("postgresql with tls", PROTOCOL, SENT("\0\0\0\x08\x04\xd2\x16\x2f"), RECEIVED("x")),
	REFUSED("http with close", CLOSE, SENT("GET / HTTP/1.1\r\nConnection: close\r\n\r\n"), RECEIVED("x")),
	REFUSED("http, close by the server", CLOSE, SENT("GET / HTTP/1.1\r\n\r\n"),
		RECEIVED("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")),
	REFUSED("http 1.0", VERSION, SENT("GET / HTTP/1.0\r\n\r\n"), RECEIVED("x")),
	REFUSED("http with a body", BODY, SENT("POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\na"),
		RECEIVED("x")),
	REFUSED("mqtt", PROTOCOL, SENT("\x10\x0c\0\4MQTT\4\2\0\x3c\0\0"), RECEIVED(" \2\0\0")),
	REFUSED("mqtt, long", PROTOCOL, SENT("\x10\x8c\1\0\4MQTT\5\2\0\x3c\0"), RECEIVED(" \2\0\0")),
	REFUSED("mqtt 3.1", PROTOCOL, SENT("\x10\x0e\0\6MQIsdp\3\2\0\x3c\0\0"), RECEIVED(" \2\0\0")),
	REFUSED("amqp", PROTOCOL, SENT("AMQP\0\0\x9\x1"), RECEIVED("x")),
	REFUSED("mongodb", PROTOCOL, SENT("\x40\0\0\0\x07\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0"), RECEIVED("x")),
	REFUSED("mongodb, old", PROTOCOL, SENT("\x40\0\0\0\x07\0\0\0\0\0\0\0\xd4\x07\0\0\0\0\0\0"),
		RECEIVED("x")),
	REFUSED("kafka", PROTOCOL, SENT("\0\0\0\x14\0\x12\0\3\0\0\0\1\0\5admin\0\0\0"), RECEIVED("x")),
	REFUSED("kafka, nameless", PROTOCOL, SENT("\0\0\0\x0a\0\x12\0\0\0\0\0\1\xff\xff"), RECEIVED("x")),
	REFUSED("ldap", PROTOCOL, SENT("\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\0\x80\0"),
		RECEIVED("x")),
	REFUSED("ldap, long", PROTOCOL, SENT("\x30\x84\0\0\0\x10\x02\x01\x01\x60"), RECEIVED("x")),
	REFUSED("rdp", PROTOCOL, SENT("\x03\0\0\x13\x0e\xe0\0\0"), RECEIVED("x")),
	REFUSED("cassandra", PROTOCOL, SENT("\x04\0\0\0\x01\0\0\0\x16"), RECEIVED("x")),
	REFUSED("sql server", PROTOCOL, SENT("\x12\x01\0\x2f\0\0\1\0"), RECEIVED("x")),
	REFUSED("smb", PROTOCOL, SENT("\0\0\0\x45\xffSMB\x72"), RECEIVED("x")),
	REFUSED("smb 2", PROTOCOL, SENT("\0\0\0\x45\xfeSMB\x40"), RECEIVED("x")),
	REFUSED("stomp", PROTOCOL, SENT("CONNECT\naccept-version:1.2\n\n\0"), RECEIVED("x")),
	REFUSED("stomp, new", PROTOCOL, SENT("STOMP\r\nhost:a\r\n\r\n\0"), RECEIVED("x")),
	REFUSED("fix", PROTOCOL, SENT("8=FIX.4.2\0019=5\001"), RECEIVED("x")),
	REFUSED("login", PROTOCOL, SENT("LOGIN a b\n"), RECEIVED("x")),
	REFUSED("auth", PROTOCOL, SENT("AUTH secret\r\n"), RECEIVED("x")),
	REFUSED("user", PROTOCOL, SENT("USER a\r\n"), RECEIVED("x")),
	REFUSED("auth, small letters", PROTOCOL, SENT("auth secret\r\n"), RECEIVED("x")),
	REFUSED("redis in a line", PROTOCOL, SENT("HELLO 3 AUTH a b\r\n"), RECEIVED("x")),
	REFUSED("redis login", COMMAND, SENT("*2\r\n$4\r\nAUTH\r\n$1\r\na\r\n"), RECEIVED("+OK\r\n")),
	REFUSED("redis login, cut", COMMAND, SENT("*"), SENT("2\r\n$4\r\nauth\r\n$1\r\na\r\n"),
		RECEIVED("+OK\r\n")),
	REFUSED("redis login later", COMMAND, SENT("*1\r\n$4\r\nPING\r\n"), RECEIVED("+PONG\r\n"),
		SENT("*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n"), RECEIVED("+OK\r\n")),
	REFUSED("memcached, perhaps a login", PROTOCOL, SENT("set a 0 0 3\r\nu p\r\n"),
		RECEIVED("STORED\r\n")),
	REFUSED("memcached, binary login", PROTOCOL, SENT("\x80\x21\0\x05"), RECEIVED("x")),
	REFUSED("irc", PROTOCOL, SENT("NICK a\r\n"), RECEIVED("x")),
	REFUSED("http/2", PROTOCOL, SENT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), RECEIVED("x")),
};

Test(guard, raw)
{
	CHECK(raw);
}

static struct guard guard;

/* A connection that served one exchange well is not used up by a connect() that sends nothing. */
Test(guard, unused)
{
	for (unsigned kind = GUARD_HTTP; kind < GUARD_KINDS; kind++) {
		guard_start(&guard, (enum guard_kind)kind);
		check_number(guard_verdict(&guard), GUARD_OPEN);
		guard_sent(&guard, "", 0);
		guard_received(&guard, "", 0);
		check_number(guard_verdict(&guard), GUARD_OPEN);
	}
	guard_start(&guard, GUARD_RAW);
	exchange_run(&guard, &simple, 0);
	for (unsigned i = 0; i < 3; i++) {
		guard_reset(&guard);
		check_number(guard_verdict(&guard), GUARD_CLEAN);
	}
	guard_received(&guard, "late", 4);
	check_number(guard_refusal(&guard), GUARD_REASON_SERVER_FIRST);
	check(guard_server_first(&guard));
	check_number(guard.sent, 1);
	check_number(guard.received, 5);
}

Test(guard, off)
{
	guard_start(&guard, GUARD_OFF);
	exchange_run(&guard, &simple, 0);
	check_number(guard_verdict(&guard), GUARD_REFUSED);
	check_number(guard_refusal(&guard), GUARD_REASON_OFF);
}

Test(guard, refused_by_its_owner)
{
	guard_start(&guard, GUARD_RAW);
	exchange_run(&guard, &simple, 0);
	guard_refuse(&guard, GUARD_REASON_UNSEEN);
	guard_refuse(&guard, GUARD_REASON_ERROR);
	check_number(guard_verdict(&guard), GUARD_REFUSED);
	check_number(guard_refusal(&guard), GUARD_REASON_UNSEEN);
	check(!guard_server_first(&guard));
}
