// SPDX-License-Identifier: Apache-2.0
/* trampoline_x86_64 - the two hooks that C cannot be: vfork() returns twice, and syscall() passes on
 * whatever it was given, with no frame between its caller and the kernel. */
#include "pool/base/branch_marks.h"
#include "preload/base/syscalls.h"

#include <sys/syscall.h>

#ifndef SYS_clone3
#define SYS_clone3 435 /* from Linux 5.3 */
#endif
#ifndef SYS_landlock_restrict_self
#define SYS_landlock_restrict_self 446 /* from Linux 5.13 */
#endif

	.text

	.globl	vfork
	.type	vfork, @function
vfork:
	.cfi_startproc
	endbr64
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	before_vfork
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	jmp	*%rax
	.cfi_endproc
	.size	vfork, .-vfork

	.globl	__vfork
	.type	__vfork, @function
	.set	__vfork, vfork

	.globl	syscall
	.type	syscall, @function
syscall:
	.cfi_startproc
	endbr64
	cmpq	$SYS_close, %rdi
	je	syscall_on_fds
	cmpq	$SYS_dup2, %rdi
	je	syscall_on_fds
	cmpq	$SYS_dup3, %rdi
	je	syscall_on_fds
	cmpq	$SYS_close_range, %rdi
	je	syscall_on_fds
	cmpq	$SYS_seccomp, %rdi
	je	syscall_seccomp
	cmpq	$SYS_landlock_restrict_self, %rdi
	je	syscall_landlock
	cmpq	$SYS_io_uring_setup, %rdi
	je	syscall_io_uring
	cmpq	$SYS_unshare, %rdi
	je	syscall_unshare
	cmpq	$SYS_setns, %rdi
	je	syscall_setns
	cmpq	$SYSCALL_BITS, %rdi
	jae	1f
	btq	%rdi, syscall_seen(%rip)
	jnc	1f
	/* Somebody wants to know before: with all arguments as they are. */
	pushq	%rdi
	pushq	%rsi
	pushq	%rdx
	pushq	%rcx
	pushq	%r8
	pushq	%r9
	.cfi_adjust_cfa_offset 48
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	before_syscall
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%r9
	popq	%r8
	popq	%rcx
	popq	%rdx
	popq	%rsi
	popq	%rdi
	.cfi_adjust_cfa_offset -48
1:	jmp	*real_syscall(%rip)
	.cfi_endproc
	.size	syscall, .-syscall

	/* syscall() before the shim is ready; arguments as the kernel wants them (syscall(2)). */
	.globl	early_syscall
	.hidden	early_syscall
	.type	early_syscall, @function
early_syscall:
	.cfi_startproc
	endbr64
	movq	%rdi, %rax
	movq	%rsi, %rdi
	movq	%rdx, %rsi
	movq	%rcx, %rdx
	movq	%r8, %r10
	movq	%r9, %r8
	movq	8(%rsp), %r9
	syscall
	cmpq	$-4095, %rax
	jae	1f
	ret
1:	negq	%rax
	movq	%rax, %rdi
	jmp	syscall_failed
	.cfi_endproc
	.size	early_syscall, .-early_syscall

	/* The versions that glibc has of these calls besides the default ones (versions_x86_64.map). */
	.globl	posix_spawn_old
	.type	posix_spawn_old, @function
posix_spawn_old:
	.cfi_startproc
	endbr64
	jmp	hook_posix_spawn_old
	.cfi_endproc
	.size	posix_spawn_old, .-posix_spawn_old
	.symver	posix_spawn_old, posix_spawn@GLIBC_2.2.5, remove

	.globl	posix_spawnp_old
	.type	posix_spawnp_old, @function
posix_spawnp_old:
	.cfi_startproc
	endbr64
	jmp	hook_posix_spawnp_old
	.cfi_endproc
	.size	posix_spawnp_old, .-posix_spawnp_old
	.symver	posix_spawnp_old, posix_spawnp@GLIBC_2.2.5, remove

	.section .note.GNU-stack, "", @progbits
	BRANCH_MARKS
