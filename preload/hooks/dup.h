// SPDX-License-Identifier: Apache-2.0
/* dup - another fd number for a socket. */
#ifndef HEADROOM_PRELOAD_HOOKS_DUP_H
#define HEADROOM_PRELOAD_HOOKS_DUP_H

/**
 * dup3_by_number() - syscall(SYS_dup3, ...): the kernel's, where musl's dup3() is forgiving
 * Return: as dup3()
 */
int dup3_by_number(int fd, int target, int flags);

#endif
