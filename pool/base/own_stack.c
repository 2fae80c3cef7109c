// SPDX-License-Identifier: Apache-2.0
/* own_stack - run what needs much stack on a stack of our own. */
#include "pool/base/own_stack.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/base/restraint.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* A stack that overflows is to fault, not to write elsewhere. */
enum { GUARD = 64 * 1024 /* the largest page */, SLOTS = 8, SIGNAL_SET_BYTES = 8 };

struct slot {
	atomic_bool busy;
	char *base; /* of the mapping; NULL: none yet */
};

static struct slot slots[SLOTS];

/* own_stack_switch.S */
void own_stack_switch(own_stack_function *function, void *argument, void *top);
long own_stack_ask_valgrind(const long request[6]);

/* A stack that valgrind does not know it takes for a stack pointer that moved, and what lies between for
 * memory that is no longer used. It forgets those that were unmapped only when told
 * (VALGRIND_STACK_REGISTER(), VALGRIND_STACK_DEREGISTER() in valgrind.h). */
enum { STACK_REGISTER = 0x1501, STACK_DEREGISTER = 0x1502 };

static long tell_valgrind(long what, long first, long second)
{
	const long request[6] = { what, first, second };

	return own_stack_ask_valgrind(request);
}

/* *known: valgrind's number of it */
static char *map_one(long *known)
{
	size_t size = GUARD + OWN_STACK_SIZE;

	if (restraint_shut_in())
		return NULL;
	long at = kernel_syscall(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				 -1, 0);
	if (at < 0 && at > -4096)
		return NULL;
	kernel_syscall(SYS_mprotect, at, GUARD, PROT_NONE, 0, 0, 0);
	*known = tell_valgrind(STACK_REGISTER, at + GUARD, at + (long)size - 1);
	return (char *)at;
}

/* @made: one that has a stack already */
static struct slot *take_slot(bool made)
{
	for (unsigned i = 0; i < SLOTS; i++) {
		if (atomic_load_explicit(&slots[i].busy, memory_order_relaxed) ||
		    atomic_exchange(&slots[i].busy, true))
			continue;
		if (!made || slots[i].base)
			return &slots[i];
		atomic_store(&slots[i].busy, false);
	}
	return NULL;
}

static void unmap_one(char *base, long known)
{
	tell_valgrind(STACK_DEREGISTER, known, 0);
	kernel_syscall(SYS_munmap, (long)base, GUARD + OWN_STACK_SIZE, 0, 0, 0, 0);
}

static void run(own_stack_function *function, void *argument, char *base)
{
	restraint_on_own_stack = true;
	own_stack_switch(function, argument, base + GUARD + OWN_STACK_SIZE);
	restraint_on_own_stack = false;
}

COLD static bool run_and_keep(own_stack_function *function, void *argument, bool keep)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	/* They know each thread's stack, and no other. */
	function(argument);
	return true;
#endif
	uint64_t all = ~0ull, before;
	long known = 0;

	if (restraint_on_own_stack) {
		function(argument);
		return true;
	}
	if (kernel_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&before, SIGNAL_SET_BYTES, 0,
			   0))
		return false;
	struct slot *slot = take_slot(!keep);
	if (slot && !slot->base)
		slot->base = map_one(&known);
	char *base = slot ? slot->base : map_one(&known);
	if (base)
		run(function, argument, base);
	if (slot)
		atomic_store(&slot->busy, false);
	else if (base)
		unmap_one(base, known);
	kernel_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, SIGNAL_SET_BYTES, 0, 0);
	return base;
}

COLD bool own_stack_run(own_stack_function *function, void *argument)
{
	return run_and_keep(function, argument, true);
}

COLD bool own_stack_run_seldom(own_stack_function *function, void *argument)
{
	return run_and_keep(function, argument, false);
}

ONCE void own_stack_in_child(void)
{
	for (unsigned i = 0; i < SLOTS; i++)
		if (atomic_load(&slots[i].busy))
			atomic_store(&slots[i].busy, false);
}
