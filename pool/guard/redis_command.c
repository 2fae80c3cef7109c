// SPDX-License-Identifier: Apache-2.0
/* redis_command - the commands that a program sends to Redis. */
#include "pool/guard/redis_command.h"

#include "pool/guard/letter.h"

#include <stdlib.h>
#include <string.h>

/* A longer inline command is an error to the server (PROTO_INLINE_MAX_SIZE, server.h of Redis). */
enum { INLINE_MAX = 65536 };

enum command_place {
	COMMAND_BEGIN,
	COMMAND_COUNT,
	COMMAND_DOLLAR,
	COMMAND_SIZE,
	COMMAND_ARGUMENT,
	COMMAND_ARGUMENT_CR,
	COMMAND_ARGUMENT_LF,
	COMMAND_INLINE_WORD,
	COMMAND_INLINE_SPACE,
	COMMAND_INLINE_LF,
};

enum judging {
	JUDGE_NAME,
	JUDGE_SUBCOMMAND, /* of a command that is safe with some subcommands only */
	JUDGE_BLOCK,      /* any argument may be the BLOCK of XREAD */
	JUDGE_NOTHING,
};

/* Known to leave nothing behind on the connection, to answer with one reply, and not to wait for others:
 * Redis 7.0 (`COMMAND`), and the hash commands of 7.4 and 8.0. Sorted. What is not here is refused: CLIENT ID
 * and CLIENT INFO too, by whose number a program knows, and tells others of, this connection. */
static const char safe[][REDIS_TEXT_MAX] = {
	"append",
	"bgrewriteaof",
	"bgsave",
	"bitcount",
	"bitfield",
	"bitfield_ro",
	"bitop",
	"bitpos",
	"client|getname",
	"client|list",
	"cluster|countkeysinslot",
	"cluster|getkeysinslot",
	"cluster|info",
	"cluster|keyslot",
	"cluster|links",
	"cluster|myid",
	"cluster|nodes",
	"cluster|replicas",
	"cluster|shards",
	"cluster|slots",
	"command",
	"config|get",
	"copy",
	"dbsize",
	"decr",
	"decrby",
	"del",
	"dump",
	"echo",
	"eval",
	"eval_ro",
	"evalsha",
	"evalsha_ro",
	"exists",
	"expire",
	"expireat",
	"expiretime",
	"fcall",
	"fcall_ro",
	"flushall",
	"flushdb",
	"function",
	"geoadd",
	"geodist",
	"geohash",
	"geopos",
	"georadius",
	"georadius_ro",
	"georadiusbymember",
	"georadiusbymember_ro",
	"geosearch",
	"geosearchstore",
	"get",
	"getbit",
	"getdel",
	"getex",
	"getrange",
	"getset",
	"hdel",
	"hexists",
	"hexpire",
	"hexpireat",
	"hexpiretime",
	"hget",
	"hgetall",
	"hgetdel",
	"hgetex",
	"hincrby",
	"hincrbyfloat",
	"hkeys",
	"hlen",
	"hmget",
	"hmset",
	"hpersist",
	"hpexpire",
	"hpexpireat",
	"hpexpiretime",
	"hpttl",
	"hrandfield",
	"hscan",
	"hset",
	"hsetex",
	"hsetnx",
	"hstrlen",
	"httl",
	"hvals",
	"incr",
	"incrby",
	"incrbyfloat",
	"info",
	"keys",
	"lastsave",
	"latency",
	"lcs",
	"lindex",
	"linsert",
	"llen",
	"lmove",
	"lmpop",
	"lolwut",
	"lpop",
	"lpos",
	"lpush",
	"lpushx",
	"lrange",
	"lrem",
	"lset",
	"ltrim",
	"memory",
	"mget",
	"move",
	"mset",
	"msetnx",
	"object",
	"persist",
	"pexpire",
	"pexpireat",
	"pexpiretime",
	"pfadd",
	"pfcount",
	"pfmerge",
	"ping",
	"psetex",
	"pttl",
	"publish",
	"pubsub",
	"randomkey",
	"rename",
	"renamenx",
	"restore",
	"role",
	"rpop",
	"rpoplpush",
	"rpush",
	"rpushx",
	"sadd",
	"save",
	"scan",
	"scard",
	"script|exists",
	"script|flush",
	"script|kill",
	"script|load",
	"sdiff",
	"sdiffstore",
	"set",
	"setbit",
	"setex",
	"setnx",
	"setrange",
	"sinter",
	"sintercard",
	"sinterstore",
	"sismember",
	"slowlog",
	"smembers",
	"smismember",
	"smove",
	"sort",
	"sort_ro",
	"spop",
	"spublish",
	"srandmember",
	"srem",
	"sscan",
	"strlen",
	"substr",
	"sunion",
	"sunionstore",
	"time",
	"touch",
	"ttl",
	"type",
	"unlink",
	"xack",
	"xadd",
	"xautoclaim",
	"xclaim",
	"xdel",
	"xgroup",
	"xinfo",
	"xlen",
	"xpending",
	"xrange",
	"xread",
	"xreadgroup",
	"xrevrange",
	"xsetid",
	"xtrim",
	"zadd",
	"zcard",
	"zcount",
	"zdiff",
	"zdiffstore",
	"zincrby",
	"zinter",
	"zintercard",
	"zinterstore",
	"zlexcount",
	"zmpop",
	"zmscore",
	"zpopmax",
	"zpopmin",
	"zrandmember",
	"zrange",
	"zrangebylex",
	"zrangebyscore",
	"zrangestore",
	"zrank",
	"zrem",
	"zremrangebylex",
	"zremrangebyrank",
	"zremrangebyscore",
	"zrevrange",
	"zrevrangebylex",
	"zrevrangebyscore",
	"zrevrank",
	"zscan",
	"zscore",
	"zunion",
	"zunionstore",
};

/* Safe with the subcommands above only. */
static const char containers[][REDIS_TEXT_MAX] = { "client", "cluster", "config", "script" };
static const char blocking[][REDIS_TEXT_MAX] = { "xread", "xreadgroup" };

#define LISTED(text, list) bsearch(text, list, sizeof(list) / sizeof(*(list)), sizeof(*(list)), compare)

static int compare(const void *text, const void *entry)
{
	return strcmp(text, entry);
}

static void refuse_bad(struct guard *guard)
{
	guard_refuse(guard,
		     guard->redis.commands.understood ? GUARD_REASON_BAD_REQUEST : GUARD_REASON_PROTOCOL);
}

/* In lower case; what does not fit, and the `|` that is our own, match nothing. */
static void append(struct redis_commands *commands, char c)
{
	if (commands->judging == JUDGE_NOTHING || commands->text_size == REDIS_TEXT_MAX)
		return;
	if (c == '|' || c == '\0')
		c = '?';
	commands->text[commands->text_size++] = guard_lower(c);
}

/* What the argument just read means for the command. Return: false if it is not known to be safe. */
static bool judge(struct redis_commands *commands)
{
	size_t size = commands->text_size;
	bool fits = size < REDIS_TEXT_MAX;

	if (fits)
		commands->text[size] = '\0';
	commands->text_size = 0;
	switch ((enum judging)commands->judging) {
	case JUDGE_NAME:
		commands->judging = JUDGE_NOTHING;
		if (fits && LISTED(commands->text, containers)) {
			commands->judging = JUDGE_SUBCOMMAND;
			commands->text[size] = '|';
			commands->text_size = (uint8_t)(size + 1);
			return true;
		}
		if (fits && LISTED(commands->text, blocking))
			commands->judging = JUDGE_BLOCK;
		return fits && LISTED(commands->text, safe);
	case JUDGE_SUBCOMMAND:
		commands->judging = JUDGE_NOTHING;
		return fits && LISTED(commands->text, safe);
	case JUDGE_BLOCK:
		return !fits || strcmp(commands->text, "block") != 0;
	case JUDGE_NOTHING:
		break;
	}
	return true;
}

static void command_begin(struct redis_commands *commands)
{
	commands->number = (struct redis_number){ 0 };
	commands->judging = JUDGE_NAME;
	commands->text_size = 0;
	commands->left = 0;
}

static void command_end(struct guard *guard)
{
	struct redis_commands *commands = &guard->redis.commands;

	if (commands->judging == JUDGE_SUBCOMMAND)
		guard_refuse(guard, GUARD_REASON_COMMAND);
	commands->place = COMMAND_BEGIN;
	commands->understood = true;
	guard->redis.waiting++;
}

static void argument_end(struct guard *guard)
{
	struct redis_commands *commands = &guard->redis.commands;

	if (!judge(commands))
		guard_refuse(guard, GUARD_REASON_COMMAND);
	commands->place = COMMAND_DOLLAR;
	if (--commands->arguments == 0)
		command_end(guard);
}

static void word_end(struct guard *guard)
{
	struct redis_commands *commands = &guard->redis.commands;

	if (judge(commands))
		return;
	/* A first word that is no command is that of another protocol. */
	if (!commands->understood)
		refuse_bad(guard);
	guard_refuse(guard, GUARD_REASON_COMMAND);
}

/* Return: false if the byte breaks the form, or is a quote, which this does not undo. */
static bool follow_inline(struct guard *guard, char c)
{
	struct redis_commands *commands = &guard->redis.commands;

	if (++commands->left > INLINE_MAX)
		guard_refuse(guard, GUARD_REASON_LIMIT);
	if (c == ' ' || c == '\r') {
		if (commands->place == COMMAND_INLINE_WORD)
			word_end(guard);
		commands->place = c == ' ' ? COMMAND_INLINE_SPACE : COMMAND_INLINE_LF;
		return true;
	}
	if ((unsigned char)c < ' ' || c == '"' || c == '\'')
		return false;
	commands->place = COMMAND_INLINE_WORD;
	append(commands, c);
	return true;
}

static bool follow_begin(struct guard *guard, char c)
{
	struct redis_commands *commands = &guard->redis.commands;

	command_begin(commands);
	commands->place = COMMAND_COUNT;
	if (c == '*')
		return true;
	return ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) && follow_inline(guard, c);
}

static bool follow_number(struct redis_commands *commands, char c)
{
	bool is_count = commands->place == COMMAND_COUNT;
	enum redis_number_state state = redis_number_follow(&commands->number, c);

	if (state != NUMBER_DONE)
		return state == NUMBER_MORE;
	uint64_t value = commands->number.value;
	bool negative = commands->number.negative;
	commands->number = (struct redis_number){ 0 };
	if (is_count) {
		commands->place = COMMAND_DOLLAR;
		commands->arguments = value;
		return value && !negative; /* the server skips an empty command without a reply */
	}
	commands->place = value ? COMMAND_ARGUMENT : COMMAND_ARGUMENT_CR;
	commands->left = value;
	return !negative;
}

/* Any byte but those of an argument. Return: false if it breaks the form. */
static bool follow_byte(struct guard *guard, char c)
{
	struct redis_commands *commands = &guard->redis.commands;

	switch ((enum command_place)commands->place) {
	case COMMAND_BEGIN:
		return follow_begin(guard, c);
	case COMMAND_COUNT:
	case COMMAND_SIZE:
		return follow_number(commands, c);
	case COMMAND_DOLLAR:
		commands->place = COMMAND_SIZE;
		return c == '$';
	case COMMAND_ARGUMENT_CR:
		commands->place = COMMAND_ARGUMENT_LF;
		return c == '\r';
	case COMMAND_ARGUMENT_LF:
		if (c == '\n')
			argument_end(guard);
		return c == '\n';
	case COMMAND_INLINE_WORD:
	case COMMAND_INLINE_SPACE:
		return follow_inline(guard, c);
	case COMMAND_INLINE_LF:
		if (c == '\n')
			command_end(guard);
		return c == '\n';
	case COMMAND_ARGUMENT:
		break;
	}
	return false;
}

static size_t read_argument(struct redis_commands *commands, const char *bytes, size_t size)
{
	size_t take = size < commands->left ? size : (size_t)commands->left;

	for (size_t i = 0; i < take && i < REDIS_TEXT_MAX; i++)
		append(commands, bytes[i]);
	commands->left -= take;
	if (!commands->left)
		commands->place = COMMAND_ARGUMENT_CR;
	return take;
}

void redis_commands_start(struct redis_commands *commands)
{
	command_begin(commands);
	commands->place = COMMAND_BEGIN;
	commands->understood = false;
}

void redis_commands_follow(struct guard *guard, const char *bytes, size_t size)
{
	struct redis_commands *commands = &guard->redis.commands;

	while (size && !guard->reason) {
		size_t taken = 1;
		if (commands->place == COMMAND_ARGUMENT)
			taken = read_argument(commands, bytes, size);
		else if (!follow_byte(guard, *bytes))
			refuse_bad(guard);
		bytes += taken;
		size -= taken;
	}
}

bool redis_commands_between(const struct redis_commands *commands)
{
	return commands->place == COMMAND_BEGIN;
}
