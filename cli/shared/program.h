// SPDX-License-Identifier: Apache-2.0
/* program - can a library be preloaded into this program? */
#ifndef HEADROOM_CLI_SHARED_PROGRAM_H
#define HEADROOM_CLI_SHARED_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

enum { PROGRAM_PATH_MAX = 4096, PROGRAM_WHY_MAX = 512 };

/* What is known of a program before it is started. */
struct program {
	char path[PROGRAM_PATH_MAX]; /* of the file that will be loaded: a script's interpreter */
	unsigned machine; /* it is for: EM_X86_64 or EM_AARCH64 (elf.h); 0: no ELF file, whatever runs it */
	bool no_interpreter;       /* it is a script, and the interpreter at @path is missing */
	bool doubtful;             /* it can be started, but the shim will see little of it */
	char why[PROGRAM_WHY_MAX]; /* why not, or why doubtful; empty: all is well */
};

/**
 * program_find() - where execvp() would find it
 * @file:	a path, or a name to look for in PATH
 * Return: false if there is no such file; errno says why (ENOENT, EACCES)
 */
bool program_find(const char *file, char *path, size_t size);

/**
 * program_check() - look at a program, through the interpreters of scripts
 * @path:	as found
 * Return: false if no library can be preloaded into it; the reason is in @out
 */
bool program_check(const char *path, struct program *out);

/**
 * program_machine() - the name of a machine
 * @machine:	EM_... of elf.h; 0: this one
 */
const char *program_machine(unsigned machine);

#endif
