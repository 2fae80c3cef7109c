// SPDX-License-Identifier: Apache-2.0
/* memcached_command - the commands that a program sends to memcached. */
#include "pool/guard/memcached_command.h"

/* What may come after the words that must be there. */
enum ending {
	ENDS,          /* nothing */
	MAY_BE_SILENT, /* noreply */
	ZERO_SILENT,   /* 0, noreply */
	DELAY_SILENT,  /* a number, noreply */
	META_FLAGS,    /* words, q among them */
	MORE_WORDS,
};

/* memcached 1.6, doc/protocol.txt. Left out: commands that leave state, end the connection, change the
 * server, or answer in other ways (watch, quit, shutdown, lru_crawler, ...). */
static const struct command {
	char name[10];
	uint8_t words; /* with the name */
	uint8_t data;  /* the number of the word that says how much data follows; 0: none */
	uint8_t ending;
	uint8_t reply;
	bool proves; /* answered well, it shows that no login is needed; a proxy may answer some itself */
} known[] = {
	{ "get", 2, 0, MORE_WORDS, REPLY_RETRIEVE, true },
	{ "gets", 2, 0, MORE_WORDS, REPLY_RETRIEVE, true },
	{ "gat", 3, 0, MORE_WORDS, REPLY_RETRIEVE, true },
	{ "gats", 3, 0, MORE_WORDS, REPLY_RETRIEVE, true },
	{ "set", 5, 4, MAY_BE_SILENT, REPLY_STORE, false },
	{ "add", 5, 4, MAY_BE_SILENT, REPLY_STORE, true },
	{ "replace", 5, 4, MAY_BE_SILENT, REPLY_STORE, true },
	{ "append", 5, 4, MAY_BE_SILENT, REPLY_STORE, true },
	{ "prepend", 5, 4, MAY_BE_SILENT, REPLY_STORE, true },
	{ "cas", 6, 4, MAY_BE_SILENT, REPLY_STORE, true },
	{ "delete", 2, 0, ZERO_SILENT, REPLY_DELETE, true },
	{ "incr", 3, 0, MAY_BE_SILENT, REPLY_ARITHMETIC, true },
	{ "decr", 3, 0, MAY_BE_SILENT, REPLY_ARITHMETIC, true },
	{ "touch", 3, 0, MAY_BE_SILENT, REPLY_TOUCH, true },
	{ "version", 1, 0, ENDS, REPLY_VERSION, false },
	{ "flush_all", 1, 0, DELAY_SILENT, REPLY_OK, true },
	{ "verbosity", 2, 0, MAY_BE_SILENT, REPLY_OK, false },
	{ "stats", 1, 0, MORE_WORDS, REPLY_STATS, true },
	{ "mg", 2, 0, META_FLAGS, REPLY_META_GET, true },
	{ "ms", 3, 2, META_FLAGS, REPLY_META_SET, true },
	{ "md", 2, 0, META_FLAGS, REPLY_META_DELETE, true },
	{ "ma", 2, 0, META_FLAGS, REPLY_META_ARITHMETIC, true },
	{ "mn", 1, 0, ENDS, REPLY_META_NOOP, false },
	{ "me", 2, 0, META_FLAGS, REPLY_META_DEBUG, true },
};

enum { KNOWN_SET = 4 };

static void refuse_bad(struct guard *guard)
{
	bool understood = guard->memcached.commands.understood;

	guard_refuse(guard, understood ? GUARD_REASON_BAD_REQUEST : GUARD_REASON_PROTOCOL);
}

static void command_begin(struct memcached_commands *commands)
{
	memcached_line_start(&commands->line);
	commands->quiet = commands->no_reply = false;
}

/* A server with a password file (memcached -Y) takes the data of a `set` for user and password, whatever its
 * key, until they are right (try_read_command_asciiauth(), proto_text.c). To all else it answers with an
 * error. So a `set` may be a login, unless a command went before it that only a server without a password
 * file answers well: of the answer the guard sees to itself. */
static void judge_login(struct guard *guard, const struct command *command)
{
	const struct memcached_commands *commands = &guard->memcached.commands;

	if (guard->memcached.open_to_all)
		return;
	if (command == &known[KNOWN_SET])
		guard_refuse(guard, GUARD_REASON_AUTH);
	else if (!commands->quiet && !commands->no_reply && command->proves)
		guard->memcached.open_to_all = true;
}

static void command_end(struct guard *guard)
{
	struct memcached_commands *commands = &guard->memcached.commands;
	uint8_t reply = known[commands->command].reply;

	judge_login(guard, &known[commands->command]);
	if (commands->quiet)
		reply |= REPLY_QUIET;
	if (!commands->no_reply && !request_add(&guard->memcached.waiting, reply))
		guard_refuse(guard, GUARD_REASON_LIMIT);
	commands->last_no_reply = commands->no_reply;
	commands->understood = true;
	command_begin(commands);
}

static void find_command(struct guard *guard)
{
	struct memcached_commands *commands = &guard->memcached.commands;

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (memcached_is(&commands->line, known[i].name)) {
			commands->command = (uint8_t)i;
			return;
		}
	}
	guard_refuse(guard, GUARD_REASON_COMMAND);
}

/* A word after those that must be there. Return: false if it may not be there. */
static bool optional_word(struct memcached_commands *commands, const struct command *command)
{
	uint64_t number;
	bool is_first = commands->line.words == command->words + 1U;

	if (command->ending == MORE_WORDS)
		return true;
	if (command->ending == META_FLAGS) {
		commands->quiet |= *commands->line.text == 'q';
		return true;
	}
	if (command->ending == ENDS || commands->no_reply)
		return false;
	if (memcached_is(&commands->line, "noreply")) {
		commands->no_reply = true;
		return true;
	}
	if (command->ending == ZERO_SILENT)
		return is_first && memcached_is(&commands->line, "0");
	return command->ending == DELAY_SILENT && is_first && memcached_number(&commands->line, &number);
}

/* Return: false if the word breaks the form. */
static bool word_end(struct guard *guard)
{
	struct memcached_commands *commands = &guard->memcached.commands;
	struct memcached_line *line = &commands->line;
	uint32_t number = line->words - 1;

	if (number == 0) {
		find_command(guard);
		return true;
	}
	const struct command *command = &known[commands->command];
	if (command->data && number == command->data)
		return memcached_number(line, &line->left);
	return number < command->words || optional_word(commands, command);
}

static bool line_end(struct guard *guard)
{
	struct memcached_commands *commands = &guard->memcached.commands;
	const struct command *command = &known[commands->command];

	if (commands->line.words < command->words)
		return false;
	if (!command->data) {
		command_end(guard);
		return true;
	}
	memcached_data_start(&commands->line);
	return true;
}

static bool follow_byte(struct guard *guard, char c)
{
	static const struct memcached_ends ends = { .word = word_end, .line = line_end, .data = command_end };
	struct memcached_commands *commands = &guard->memcached.commands;
	bool in_name = commands->line.words <= 1 &&
		       (commands->line.place == MEMCACHED_BEGIN || commands->line.place == MEMCACHED_IN_WORD);

	if (in_name && c != ' ' && c != '\r' && c != '_' && (c < 'a' || c > 'z'))
		return false;
	return memcached_line_follow(&commands->line, c, &ends, guard);
}

void memcached_commands_start(struct memcached_commands *commands)
{
	command_begin(commands);
	commands->last_no_reply = commands->understood = false;
}

void memcached_commands_follow(struct guard *guard, const char *bytes, size_t size)
{
	struct memcached_commands *commands = &guard->memcached.commands;

	while (size && !guard->reason) {
		size_t taken = 1;
		if (commands->line.place == MEMCACHED_IN_DATA)
			taken = memcached_data_skip(&commands->line, size);
		else if (!follow_byte(guard, *bytes))
			refuse_bad(guard);
		bytes += taken;
		size -= taken;
	}
}

bool memcached_commands_settled(const struct memcached_commands *commands)
{
	/* After noreply an error may still come: only a later reply shows that none did. */
	return commands->line.place == MEMCACHED_BEGIN && !commands->last_no_reply;
}
