// SPDX-License-Identifier: Apache-2.0
/* trial - would this process be killed for a system call? A child tries them and may die of it.
 *
 * Theory of operation
 *
 * A seccomp filter that was there at the start cannot be read without rights (ptrace(2),
 * PTRACE_SECCOMP_GET_FILTER), and PR_GET_SECCOMP says only that there is one. A child has the same filter
 * (seccomp(2)) and is not missed: it makes each call once, in a form that does nothing (fd -1, length 0, an
 * empty path), since a filter sees numbers and not what they point to. A call that the filter refuses with an
 * error harms nobody, ours least: each of them may fail.
 *
 * The child is made without a signal at its end (clone(2)), so that no SIGCHLD and no wait() of the program
 * sees it, and without CLONE_VM: before Linux 5.16 whoever dies with a core takes all with it who share its
 * memory. */
#ifndef HEADROOM_POOL_BASE_TRIAL_H
#define HEADROOM_POOL_BASE_TRIAL_H

enum trial {
	TRIAL_PASSED,
	TRIAL_DIED,
	TRIAL_UNKNOWN /* no child could be made, or somebody else waited for it */
};

/**
 * trial_of_calls() - all calls that the shim makes of its own, but for netlink
 */
enum trial trial_of_calls(void);

/**
 * trial_of_netlink() - a socket of AF_NETLINK
 * Return: TRIAL_UNKNOWN as well when the call fails
 */
enum trial trial_of_netlink(void);

#endif
