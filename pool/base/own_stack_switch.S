// SPDX-License-Identifier: Apache-2.0
/* own_stack_switch - void own_stack_switch(function, argument, top): call function(argument) with the stack
 * pointer at top. The frame pointer keeps the old one, for us and for whoever unwinds. */
#include "pool/base/branch_marks.h"

	.section .text.unlikely,"ax",%progbits
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

/* own_stack_ask_valgrind - long own_stack_ask_valgrind(const long request[6]): a client request of valgrind's,
 * "Valgrind manual", 3.1, with the numbers and the sequence of its valgrind.h: rotations by 64 bits in all,
 * and a move of a register to itself. Without valgrind nothing happens, and the result is 0. */
	.globl	own_stack_ask_valgrind
	.hidden	own_stack_ask_valgrind
	.type	own_stack_ask_valgrind, %function
own_stack_ask_valgrind:
	.cfi_startproc
#if defined(__x86_64__)
	endbr64
	movq	%rdi, %rax
	xorl	%edx, %edx
	rolq	$3, %rdi
	rolq	$13, %rdi
	rolq	$61, %rdi
	rolq	$51, %rdi
	xchgq	%rbx, %rbx
	movq	%rdx, %rax
	ret
#elif defined(__aarch64__)
	hint	#34	/* bti c */
	mov	x4, x0
	mov	x3, #0
	ror	x12, x12, #3
	ror	x12, x12, #13
	ror	x12, x12, #51
	ror	x12, x12, #61
	orr	x10, x10, x10
	mov	x0, x3
	ret
#endif
	.cfi_endproc
	.size	own_stack_ask_valgrind, .-own_stack_ask_valgrind

	.section .note.GNU-stack, "", %progbits
	BRANCH_MARKS
