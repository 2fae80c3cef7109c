// SPDX-License-Identifier: Apache-2.0
/* branch_marks - the note by which a file in assembler says that its indirect branches have landing pads, and
 * on x86-64 that calls and returns are paired (System V ABI, "Linux Extensions", .note.gnu.property). The linker
 * leaves the note out of a library if one file lacks it. */
#ifndef HEADROOM_POOL_BASE_BRANCH_MARKS_H
#define HEADROOM_POOL_BASE_BRANCH_MARKS_H

#if defined(__x86_64__)
/* GNU_PROPERTY_X86_FEATURE_1_AND: IBT (1), SHSTK (2) */
#define BRANCH_PROPERTY 0xc0000002
#define BRANCH_FEATURES 3
#elif defined(__aarch64__)
/* GNU_PROPERTY_AARCH64_FEATURE_1_AND: BTI (1), if the rest is compiled so (-mbranch-protection). */
#define BRANCH_PROPERTY 0xc0000000
#define BRANCH_FEATURES 1
#endif

.macro	BRANCH_MARKS
#if defined(__x86_64__) || defined(__ARM_FEATURE_BTI_DEFAULT)
	.section .note.gnu.property, "a"
	.balign	8
	.long	4		/* size of the name */
	.long	16		/* size of what follows it */
	.long	5		/* NT_GNU_PROPERTY_TYPE_0 */
	.asciz	"GNU"
	.long	BRANCH_PROPERTY
	.long	4
	.long	BRANCH_FEATURES
	.long	0		/* to a multiple of 8 */
#endif
.endm

#endif
