// SPDX-License-Identifier: Apache-2.0
/* trampoline_aarch64 - the two hooks that C cannot be: vfork() returns twice, and syscall() passes on
 * whatever it was given, with no frame between its caller and the kernel.
 *
 * Where branches must land on pads (BTI) these are `bti c`, which takes calls, and jumps by x16 and x17. The return
 * address is signed (PAC) while it is on the stack, as in what the compiler makes. */
#include "pool/base/branch_marks.h"
#include "preload/base/syscalls.h"

#include <sys/syscall.h>

#ifndef SYS_clone3
#define SYS_clone3 435 /* from Linux 5.3 */
#endif
#ifndef SYS_close_range
#define SYS_close_range 436 /* from Linux 5.9 */
#endif
#ifndef SYS_landlock_restrict_self
#define SYS_landlock_restrict_self 446 /* from Linux 5.13 */
#endif

/* As hints: what a processor does not have it passes over. */
#define BTI_C   hint #34
#define PACIASP hint #25
#define AUTIASP hint #29

	.text

	.globl	vfork
	.type	vfork, %function
vfork:
	.cfi_startproc
	PACIASP		/* a landing pad, too */
	.cfi_negate_ra_state
	stp	x29, x30, [sp, #-16]!
	.cfi_adjust_cfa_offset 16
	.cfi_rel_offset x29, 0
	.cfi_rel_offset x30, 8
	mov	x29, sp
	bl	before_vfork
	mov	x16, x0
	ldp	x29, x30, [sp], #16
	.cfi_adjust_cfa_offset -16
	.cfi_restore x29
	.cfi_restore x30
	AUTIASP
	.cfi_negate_ra_state
	br	x16
	.cfi_endproc
	.size	vfork, .-vfork

	.globl	__vfork
	.type	__vfork, %function
	.set	__vfork, vfork

/* To a function of C, if the number is this. */
	.macro	TO number, function
	cmp	x0, #\number
	b.eq	\function
	.endm

	.globl	syscall
	.type	syscall, %function
syscall:
	.cfi_startproc
	BTI_C
	TO	SYS_close, syscall_on_fds
	TO	SYS_dup3, syscall_on_fds
	TO	SYS_close_range, syscall_on_fds
	TO	SYS_seccomp, syscall_seccomp
	TO	SYS_landlock_restrict_self, syscall_landlock
	TO	SYS_io_uring_setup, syscall_io_uring
	TO	SYS_unshare, syscall_unshare
	TO	SYS_setns, syscall_setns
	cmp	x0, #SYSCALL_BITS
	b.hs	1f
	adrp	x16, syscall_seen
	add	x16, x16, :lo12:syscall_seen
	lsr	x17, x0, #6
	ldr	x16, [x16, x17, lsl #3]
	lsr	x16, x16, x0		/* by x0 modulo 64 */
	tbz	x16, #0, 1f
	/* Somebody wants to know before: with all arguments as they are. */
	PACIASP
	.cfi_negate_ra_state
	stp	x29, x30, [sp, #-80]!
	.cfi_adjust_cfa_offset 80
	.cfi_rel_offset x29, 0
	.cfi_rel_offset x30, 8
	mov	x29, sp
	stp	x0, x1, [sp, #16]
	stp	x2, x3, [sp, #32]
	stp	x4, x5, [sp, #48]
	str	x6, [sp, #64]
	bl	before_syscall
	ldp	x0, x1, [sp, #16]
	ldp	x2, x3, [sp, #32]
	ldp	x4, x5, [sp, #48]
	ldr	x6, [sp, #64]
	ldp	x29, x30, [sp], #80
	.cfi_adjust_cfa_offset -80
	.cfi_restore x29
	.cfi_restore x30
	AUTIASP
	.cfi_negate_ra_state
1:	adrp	x16, real_syscall
	ldr	x16, [x16, :lo12:real_syscall]
	br	x16
	.cfi_endproc
	.size	syscall, .-syscall

	/* syscall() before the shim is ready; arguments as the kernel wants them (syscall(2)). */
	.globl	early_syscall
	.hidden	early_syscall
	.type	early_syscall, %function
early_syscall:
	.cfi_startproc
	BTI_C
	mov	x8, x0
	mov	x0, x1
	mov	x1, x2
	mov	x2, x3
	mov	x3, x4
	mov	x4, x5
	mov	x5, x6
	svc	#0
	cmn	x0, #4095
	b.hs	1f
	ret
1:	neg	x0, x0
	b	syscall_failed
	.cfi_endproc
	.size	early_syscall, .-early_syscall

	.section .note.GNU-stack, "", %progbits
	BRANCH_MARKS
