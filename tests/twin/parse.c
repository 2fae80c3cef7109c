/* SPDX-License-Identifier: Apache-2.0 */
/* parse - a program's text becomes steps, before the first of them runs: running takes no memory and little
 * stack. */
#include "actor.h"
#include "parse_address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct operation *const tables[] = {
	socket_operations,  connect_operations, option_operations,  data_operations,   fd_operations,
	wait_operations,    loop_operations,    process_operations, thread_operations, signal_operations,
	sandbox_operations, crowd_operations,   visit_operations,   ends_operations,
};
static struct block blocks[32];
static int block_count;

static _Noreturn void fail(const char *what, const char *line)
{
	fprintf(stderr, "actor: %s: %s\n", what, line);
	exit(125);
}

const struct block *block_find(const char *name)
{
	for (int i = 0; i < block_count; i++)
		if (!strcmp(blocks[i].name, name))
			return &blocks[i];
	return NULL;
}

static const struct operation *operation_find(const char *name)
{
	for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
		for (const struct operation *o = tables[t]; o->name; o++)
			if (!strcmp(o->name, name))
				return o;
	return NULL;
}

void operations_print(void)
{
	for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
		for (const struct operation *o = tables[t]; o->name; o++)
			printf("%s\t%d\t%s\n", o->name, o->weight, o->grammar);
	options_print();
}

static void parse_argument(struct argument *out, const char *kind, const char *word, const char *line)
{
	out->word = strdup(word);
	if (!strncmp(kind, "fd", 2) || !strncmp(kind, "new", 3)) {
		/* #N is the number itself: 0 to 2, or one that is not open. */
		out->number = *word == '#' ? -100 - atoi(word + 1) : *word - 'a';
		if (out->number >= SLOTS)
			fail("no such slot", line);
	} else if (!strncmp(kind, "dest", 4) || !strncmp(kind, "local", 5)) {
		if (!parse_address(word, &out->address, &out->length))
			fail("not an address", line);
	} else {
		out->number = strtol(word, NULL, 0);
	}
}

static void parse_step(struct block *block, char *line)
{
	char whole[256], grammar[256];
	snprintf(whole, sizeof whole, "%s", line);
	char *save, *saved;
	char *word = strtok_r(line, " ", &save);
	struct step step = { operation_find(word), 0, { { 0 } } };
	if (!step.operation)
		fail("no such operation", whole);
	snprintf(grammar, sizeof grammar, "%s", step.operation->grammar);
	for (char *kind = strtok_r(grammar, " ", &saved); kind; kind = strtok_r(NULL, " ", &saved)) {
		word = strtok_r(NULL, " ", &save);
		if (!word)
			fail("an argument is missing", whole);
		parse_argument(&step.arguments[step.count++], kind, word, whole);
	}
	if (block->count == block->room) {
		block->room = block->room ? 2 * block->room : 16;
		block->steps = reallocarray(block->steps, (size_t)block->room, sizeof step);
	}
	block->steps[block->count++] = step;
}

void program_read(const char *path)
{
	char line[256];
	FILE *file = fopen(path, "re");
	if (!file)
		fail("cannot be read", path);
	struct block *block = NULL;
	while (fgets(line, sizeof line, file)) {
		line[strcspn(line, "\n")] = '\0';
		if (!*line || *line == '#')
			continue;
		if (!strncmp(line, "block ", 6)) {
			if (block_count == 32)
				fail("too many blocks", line);
			block = &blocks[block_count++];
			snprintf(block->name, sizeof block->name, "%.15s", line + 6);
		} else if (block) {
			parse_step(block, line);
		} else {
			fail("not in a block", line);
		}
	}
	fclose(file);
}
