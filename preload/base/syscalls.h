// SPDX-License-Identifier: Apache-2.0
/* syscalls - which numbers given to syscall() are looked at before: shared by C and assembler. */
#ifndef HEADROOM_PRELOAD_BASE_SYSCALLS_H
#define HEADROOM_PRELOAD_BASE_SYSCALLS_H

/* Numbers from here on are none that we know. */
#define SYSCALL_BITS 512

#endif
