// SPDX-License-Identifier: Apache-2.0
/* program - can a library be preloaded into this program? */
#include "cli/shared/program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { SCRIPT_DEPTH = 4 }; /* as the kernel allows (BINPRM_MAX_RECURSION, fs/exec.c) */

static bool executable_file(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return false;
	if (!S_ISREG(st.st_mode)) {
		errno = EACCES;
		return false;
	}
	return access(path, X_OK) == 0;
}

bool program_find(const char *file, char *path, size_t size)
{
	const char *folders = getenv("PATH");
	int error = ENOENT;

	if (strchr(file, '/')) {
		if ((size_t)snprintf(path, size, "%s", file) >= size) {
			errno = ENAMETOOLONG;
			return false;
		}
		return executable_file(path);
	}
	for (const char *at = folders ? folders : "/bin:/usr/bin"; *file;) {
		size_t length = strcspn(at, ":");
		int used = snprintf(path, size, "%.*s%s%s", (int)length, at, length ? "/" : "", file);
		if (used > 0 && (size_t)used < size && executable_file(path))
			return true;
		if (errno == EACCES)
			error = EACCES;
		if (!at[length])
			break;
		at += length + 1;
	}
	errno = error;
	return false;
}

static bool refuse(struct program *out, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(out->why, sizeof(out->why), format, arguments);
	va_end(arguments);
	return false;
}

/* A file the kernel runs with more rights than its caller has gets AT_SECURE, and then the loader drops
 * LD_PRELOAD (ld.so(8)). For a caller who has those rights already nothing changes. */
static bool check_rights(int fd, struct program *out)
{
	struct stat st;

	if (fstat(fd, &st) || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return true;
	if (st.st_mode & S_ISUID && st.st_uid != getuid())
		return refuse(out, "is set-user-ID: the loader ignores LD_PRELOAD for it");
	if (st.st_mode & S_ISGID && st.st_mode & S_IXGRP && st.st_gid != getgid())
		return refuse(out, "is set-group-ID: the loader ignores LD_PRELOAD for it");
	if (getuid() && fgetxattr(fd, "security.capability", NULL, 0) > 0)
		return refuse(out, "has file capabilities: the loader ignores LD_PRELOAD for it");
	return true;
}

const char *program_machine(unsigned machine)
{
	switch (machine) {
	case 0:
		return "this machine";
	case EM_X86_64:
		return "x86-64";
	case EM_386:
		return "i386";
	case EM_AARCH64:
		return "aarch64";
	case EM_ARM:
		return "arm";
	default:
		return "another";
	}
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* Go puts a note named "Go" into its programs; they make system calls without libc. */
static bool has_go_note(int fd, const ElfW(Phdr) * segment)
{
	struct {
		ElfW(Nhdr) head;
		char name[4];
	} note;
	return pread(fd, &note, sizeof(note), (off_t)segment->p_offset) == sizeof(note) &&
	       note.head.n_namesz == 4 && !memcmp(note.name, "Go\0", 4);
}

static bool is_known_loader(const char *name)
{
	return !strncmp(name, "ld-linux-", 9) || !strncmp(name, "ld-musl-", 8);
}

/* A loader that is run itself, with a program as its argument (ld.so(8)), heeds LD_PRELOAD. */
static bool is_loader(const char *path)
{
	char whole[PATH_MAX];

	return is_known_loader(base_name(path)) ||
	       (realpath(path, whole) && is_known_loader(base_name(whole)));
}

static bool check_elf(int fd, const ElfW(Ehdr) * head, struct program *out)
{
	ElfW(Phdr) segment;
	char loader[PROGRAM_PATH_MAX] = "";
	bool go = false;

	if (head->e_ident[EI_CLASS] != ELFCLASS64 ||
	    (head->e_machine != EM_X86_64 && head->e_machine != EM_AARCH64))
		return refuse(out, "is a %d-bit %s program; the shim is for 64-bit x86-64 and aarch64",
			      head->e_ident[EI_CLASS] == ELFCLASS32 ? 32 : 64,
			      program_machine(head->e_machine));
	out->machine = head->e_machine;
	for (unsigned i = 0; i < head->e_phnum; i++) {
		if (pread(fd, &segment, sizeof(segment), (off_t)(head->e_phoff + i * sizeof(segment))) !=
		    sizeof(segment))
			return refuse(out, "is cut off: not a whole program");
		if (segment.p_type == PT_INTERP && segment.p_filesz && segment.p_filesz < sizeof(loader) &&
		    pread(fd, loader, segment.p_filesz, (off_t)segment.p_offset) > 0)
			loader[segment.p_filesz - 1] = '\0';
		if (segment.p_type == PT_NOTE)
			go = go || has_go_note(fd, &segment);
	}
	if (!*loader)
		return is_loader(out->path) ||
		       refuse(out, "is statically linked: no library can be preloaded into it");
	if (!is_known_loader(base_name(loader)))
		return refuse(out, "uses another C library (%s); the shim is for the GNU C library and musl",
			      base_name(loader));
	if (go) {
		out->doubtful = true;
		refuse(out,
		       "is a Go program: it makes its system calls without libc, and the shim sees none");
	}
	return true;
}

/* The interpreter in the first line of a script (execve(2), "Interpreter scripts"). */
static bool script_interpreter(char *line, char **interpreter)
{
	*interpreter = line + 2 + strspn(line + 2, " \t");
	(*interpreter)[strcspn(*interpreter, " \t\n")] = '\0';
	return **interpreter;
}

/* `#!/usr/bin/env NAME` is as good as NAME's own path. */
static void through_env(const char *line, char *path, size_t size)
{
	char name[256];
	if (!strcmp(base_name(path), "env") && sscanf(line, "#!%*s %255s", name) == 1 && !strchr(name, '=') &&
	    *name != '-')
		program_find(name, path, size);
}

bool program_check(const char *path, struct program *out)
{
	union {
		ElfW(Ehdr) elf;
		char text[256];
	} head;
	char *interpreter, line[sizeof(head) + 1];

	*out = (struct program){ 0 };
	snprintf(out->path, sizeof(out->path), "%s", path);
	for (int depth = 0; depth <= SCRIPT_DEPTH; depth++) {
		memset(&head, 0, sizeof(head));
		/* An interpreter named by a script may be a FIFO: do not wait for its writer. */
		int fd = open(out->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (fd < 0) {
			out->no_interpreter = depth > 0 && errno == ENOENT;
			/* It may be executable all the same: let execve() tell. */
			return errno == EACCES || refuse(out, "%s", strerror(errno));
		}
		ssize_t got = read(fd, &head, sizeof(head));
		bool elf = got >= (ssize_t)sizeof(head.elf) && !memcmp(head.elf.e_ident, ELFMAG, SELFMAG);
		bool good = !elf || (check_rights(fd, out) && check_elf(fd, &head.elf, out));
		close(fd);
		memcpy(line, head.text, sizeof(head.text));
		line[sizeof(head.text)] = '\0';
		if (elf || strncmp(line, "#!", 2))
			return good; /* neither ELF nor script: execvp() runs it by /bin/sh */
		char whole[sizeof(line)];
		memcpy(whole, line, sizeof(line));
		if (!script_interpreter(line, &interpreter))
			return true;
		snprintf(out->path, sizeof(out->path), "%s", interpreter);
		through_env(whole, out->path, sizeof(out->path));
	}
	return true;
}
