/* SPDX-License-Identifier: Apache-2.0 */
/* actor - the interpreter of the tester's programs: what its files share.
 *
 * A program is text: blocks of operations, one to a line. The actor runs the block "main"; others are run by
 * it in children, threads and signal handlers. Each run of a block is a strand, and each strand writes its
 * own trace into memory shared with the runner, so that nothing is lost when the process dies, and no fd is
 * kept for it.
 *
 * An operation is a line in the table of its file: name, weight, grammar of its arguments, function. The
 * generator asks for these tables (`actor --operations`), so the line is all there is to add.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
	ARGUMENTS_MAX = 6,
	SLOTS = 26, /* sockets and other fds have the names a to z */
	STRANDS_MAX = 64,
	STRAND_TEXT = 8000,
	STRAND_NAME = 60,
};

struct argument {
	const char *word;
	long number; /* an int, or the number of a slot; -1 no slot */
	struct sockaddr_storage address;
	socklen_t length; /* of address, 0: not an address */
};

struct strand;
struct step;

/* @weight:  how often the generator takes it, 0: only where a recipe names it
 * @grammar: one word to an argument: fd, new, dest, local, block, option, int:LOW-HIGH, one:A|B|C */
struct operation {
	const char *name;
	int weight;
	const char *grammar;
	void (*run)(struct strand *strand, const struct step *step);
};

struct step {
	const struct operation *operation;
	int count;
	struct argument arguments[ARGUMENTS_MAX];
};

struct block {
	char name[16];
	int count, room;
	struct step *steps;
};

/* One strand's part of the shared memory. */
struct page {
	char name[STRAND_NAME];
	uint32_t length;
	char text[STRAND_TEXT];
};

struct shared {
	uint32_t turn; /* of the operations turn and next */
	uint32_t pages;
	uint32_t connections; /* made by the program, its children and what they run */
	struct page page[STRANDS_MAX];
};

struct strand {
	struct page *page;
	int at;             /* index of the step that runs */
	const char *within; /* the handler's block that runs it, or NULL */
};

/* What the actor knows of a slot's socket, to say in the trace what is its own and what was chosen for it. */
struct slot {
	int fd;
	unsigned turn; /* when it was put there, of all */
	bool was_bound, failed, is_stream, is_mptcp, connected;
	struct sockaddr_storage bound;
};

extern struct slot slots[SLOTS];
extern struct shared *shared;
extern const char *actor_path, *trace_path, *program_path;
/* The ephemeral range. */
extern int range_low, range_high;
/* Is it determined whether connect() takes an even port? Not where others hold much of the range, nor near
 * the limit of fds or in another root, where the shim does not open the file that tells the range. */
extern bool parity_is_known;

static inline void connection_made(void)
{
	__atomic_fetch_add(&shared->connections, 1, __ATOMIC_RELAXED);
}

/* Far from the knee, below which connect() takes ports of one parity. */
static inline bool knee_is_far(void)
{
	return __atomic_load_n(&shared->connections, __ATOMIC_RELAXED) * 8 <
	       (uint32_t)(range_high - range_low);
}

/* The tables, each ended by a line without a name. */
extern const struct operation socket_operations[], connect_operations[], option_operations[],
	data_operations[], fd_operations[], wait_operations[], process_operations[], thread_operations[],
	signal_operations[], sandbox_operations[], loop_operations[], crowd_operations[], visit_operations[],
	ends_operations[];

/* trace.c: what is said goes to the strand's page. None uses more than some 100 bytes of stack, as small
 * stacks are among what is tested. errno is left as it is. */
void say(struct strand *strand, const char *text);
void say_number(struct strand *strand, long number);
/* " r=N", or " e=NAME" for -1 and errno. */
void say_result(struct strand *strand, long result);
void say_errno(struct strand *strand, int number);
/* An address as the program may compare it: "own" where it is what slot was bound to, the class of its port.
 */
void say_address(struct strand *strand, const struct slot *slot, const struct sockaddr_storage *address,
		 bool is_local);
struct strand strand_open(const char *name);

/* actor.c */
const struct block *block_find(const char *name);
void block_run(struct strand *strand, const struct block *block);
/* Ends the strand: writes which fds are open. */
void strand_end(struct strand *strand);
/* "PARENT.INDEX", the name of a strand that the running step starts. */
void strand_name(char *name, const struct strand *strand);
/* The vector of arguments by which a new process goes on with a block. */
void continue_arguments(char **vector, const char *strand, const char *block);

/* parse.c */
void program_read(const char *path);
/* For the generator: "NAME WEIGHT GRAMMAR" of each operation, "option NAME VALUES" of each option, with tabs.
 */
void operations_print(void);
void options_print(void);

static inline int fd_of(const struct step *step, int index)
{
	long slot = step->arguments[index].number;
	return slot < 0 ? (int)(-slot - 100) : slots[slot].fd;
}

/* The slot that a step names; for who closes it. */
static inline struct slot *slot_of(const struct step *step, int index)
{
	static struct slot none;
	long named = step->arguments[index].number;

	return named < 0 ? &none : &slots[named];
}

/* What is known of a step's socket, which may be given as a number. One that exec has closed and that was
 * given out again is that of two slots: the one that got it last knows. */
static inline struct slot *slot_about(const struct step *step, int index)
{
	struct slot *slot = slot_of(step, index);
	int fd = fd_of(step, index);

	for (int i = 0; fd >= 0 && i < SLOTS; i++)
		if (slots[i].fd == fd && (slot->fd != fd || slots[i].turn > slot->turn))
			slot = &slots[i];
	return slot;
}

/* Puts into the slot that the step names. */
void slot_put(const struct step *step, int index, struct slot kind);
