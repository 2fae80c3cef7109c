// SPDX-License-Identifier: Apache-2.0
/* own_stack - run what needs much stack on a stack of our own.
 *
 * Theory of operation
 *
 * A hook may be called on a thread of 16 KiB or on a signal stack of SIGSTKSZ, by a program that left just
 * enough for the plain call. So a hook has small frames, and whatever is seldom and needs buffers (looking up
 * ports and addresses, making the usage segment, writing a line) runs here instead.
 *
 * All signals are blocked meanwhile: a handler of the program would run on our stack, which it does not know,
 * and may call a hook, or leave by siglongjmp(). So nothing that can block for long runs here, and no call of
 * the program's own. The stacks are kept for the next time, SLOTS at most. */
#ifndef HEADROOM_POOL_BASE_OWN_STACK_H
#define HEADROOM_POOL_BASE_OWN_STACK_H

#include <stdbool.h>

enum { OWN_STACK_SIZE = 64 * 1024 };

typedef void own_stack_function(void *argument);

/**
 * own_stack_run() - call a function on a stack of our own; call without the shim's lock
 *
 * Called from there again it is an ordinary call.
 *
 * Return: false when there is no memory for one: then the function was not called
 */
bool own_stack_run(own_stack_function *function, void *argument);

/**
 * own_stack_run_seldom() - the same where no stack is to be kept for it: each costs a child some, when the
 * process forks
 */
bool own_stack_run_seldom(own_stack_function *function, void *argument);

/**
 * own_stack_in_child() - in a forked child: the threads that had them are not there
 */
void own_stack_in_child(void);

#endif
