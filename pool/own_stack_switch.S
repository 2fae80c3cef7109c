// SPDX-License-Identifier: Apache-2.0
/* own_stack_switch - void own_stack_switch(function, argument, top): call function(argument) with the stack
 * pointer at top. The frame pointer keeps the old one, for us and for whoever unwinds. */
#include "branch_marks.h"

	.text
	.globl	own_stack_switch
	.hidden	own_stack_switch
	.type	own_stack_switch, %function
own_stack_switch:
	.cfi_startproc
#if defined(__x86_64__)
	endbr64
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	movq	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	movq	%rdx, %rsp
	movq	%rdi, %rax
	movq	%rsi, %rdi
	call	*%rax
	movq	%rbp, %rsp
	popq	%rbp
	.cfi_def_cfa %rsp, 8
	ret
#elif defined(__aarch64__)
	hint	#34	/* bti c */
	stp	x29, x30, [sp, #-16]!
	.cfi_adjust_cfa_offset 16
	.cfi_rel_offset x29, 0
	.cfi_rel_offset x30, 8
	mov	x29, sp
	.cfi_def_cfa_register x29
	mov	sp, x2
	mov	x9, x0
	mov	x0, x1
	blr	x9
	mov	sp, x29
	ldp	x29, x30, [sp], #16
	.cfi_def_cfa sp, 0
	.cfi_restore x30
	.cfi_restore x29
	ret
#endif
	.cfi_endproc
	.size	own_stack_switch, .-own_stack_switch

	.section .note.GNU-stack, "", %progbits
	BRANCH_MARKS
