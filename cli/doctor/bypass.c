// SPDX-License-Identifier: Apache-2.0
/* bypass - libraries of a process that runs under the shim whose connect() is libc's and not the shim's. */
#include "cli/doctor/bypass.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OBJECTS_MAX = 4096, HEADERS_MAX = 64, DYNAMIC_MAX = 128, RELOCATIONS_AT_ONCE = 256, NAMED_MAX = 3 };

/* A file that is mapped: an object begins where its first page is. */
struct object {
	char path[256];
	uint64_t base, end;
};

struct process {
	int memory; /* fd of /proc/PID/mem */
	struct object *objects;
	unsigned count;
};

/* What the dynamic section of an object tells (elf(5)). */
struct tables {
	uint64_t symbols, names, relocations[2], sizes[2];
};

static bool read_at(const struct process *p, uint64_t at, void *out, size_t size)
{
	return at < INT64_MAX && pread(p->memory, out, size, (off_t)at) == (ssize_t)size;
}

static void take_mapping(struct process *p, const char *line)
{
	unsigned long long from, to, offset;
	int path_at = 0;

	if (sscanf(line, "%llx-%llx %*s %llx %*s %*s %n", &from, &to, &offset, &path_at) < 3 || !path_at ||
	    line[path_at] != '/')
		return;
	struct object *last = p->count ? &p->objects[p->count - 1] : NULL;
	size_t length = strcspn(line + path_at, "\n");
	bool more = last && !strncmp(last->path, line + path_at, length) && !last->path[length];
	if (more) {
		last->end = to;
	} else if (!offset && p->count < OBJECTS_MAX && length < sizeof(last->path)) {
		struct object *made = &p->objects[p->count++];
		*made = (struct object){ .base = from, .end = to };
		memcpy(made->path, line + path_at, length);
	}
}

static bool read_mappings(struct process *p, int pid)
{
	char path[64], line[PATH_MAX + 128];

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	FILE *maps = fopen(path, "re");
	while (maps && fgets(line, sizeof(line), maps))
		take_mapping(p, line);
	if (maps)
		fclose(maps);
	return p->count;
}

static const char *name_of(const struct object *object)
{
	return strrchr(object->path, '/') + 1;
}

static const struct object *object_at(const struct process *p, uint64_t address)
{
	for (unsigned i = 0; i < p->count; i++)
		if (address >= p->objects[i].base && address < p->objects[i].end)
			return &p->objects[i];
	return NULL;
}

static bool is_libc(const struct object *object)
{
	const char *name = name_of(object);
	return !strncmp(name, "libc.so", 7) || !strncmp(name, "libc-2.", 7) ||
	       !strncmp(name, "libpthread", 10) || !strncmp(name, "ld-musl", 7);
}

/* glibc has added the base already where the section can be written to, musl never does. */
static uint64_t address_in(const struct object *object, uint64_t value)
{
	return value < object->base ? value + object->base : value;
}

static void enter_dynamic(const struct object *object, const Elf64_Dyn *d, struct tables *t)
{
	switch (d->d_tag) {
	case DT_SYMTAB:
		t->symbols = address_in(object, d->d_un.d_ptr);
		break;
	case DT_STRTAB:
		t->names = address_in(object, d->d_un.d_ptr);
		break;
	case DT_JMPREL:
		t->relocations[0] = address_in(object, d->d_un.d_ptr);
		break;
	case DT_PLTRELSZ:
		t->sizes[0] = d->d_un.d_val;
		break;
	case DT_RELA:
		t->relocations[1] = address_in(object, d->d_un.d_ptr);
		break;
	case DT_RELASZ:
		t->sizes[1] = d->d_un.d_val;
		break;
	default:
		break;
	}
}

static bool read_tables(const struct process *p, const struct object *object, struct tables *t)
{
	Elf64_Ehdr header;
	Elf64_Phdr headers[HEADERS_MAX];
	Elf64_Dyn dynamic[DYNAMIC_MAX];

	*t = (struct tables){ 0 };
	if (!read_at(p, object->base, &header, sizeof(header)) || memcmp(header.e_ident, ELFMAG, SELFMAG) ||
	    header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(*headers) ||
	    header.e_phnum > HEADERS_MAX ||
	    !read_at(p, object->base + header.e_phoff, headers, header.e_phnum * sizeof(*headers)))
		return false;
	for (unsigned i = 0; i < header.e_phnum; i++) {
		size_t size = headers[i].p_memsz;
		if (headers[i].p_type != PT_DYNAMIC)
			continue;
		size = size < sizeof(dynamic) ? size : sizeof(dynamic);
		if (!read_at(p, address_in(object, headers[i].p_vaddr), dynamic, size))
			return false;
		for (unsigned n = 0; n < size / sizeof(*dynamic) && dynamic[n].d_tag != DT_NULL; n++)
			enter_dynamic(object, &dynamic[n], t);
	}
	return t->symbols && t->names;
}

static bool is_binding(uint64_t info)
{
#if defined(__aarch64__)
	return ELF64_R_TYPE(info) == R_AARCH64_JUMP_SLOT || ELF64_R_TYPE(info) == R_AARCH64_GLOB_DAT;
#else
	return ELF64_R_TYPE(info) == R_X86_64_JUMP_SLOT || ELF64_R_TYPE(info) == R_X86_64_GLOB_DAT;
#endif
}

static bool is_of_connect(const struct process *p, const struct tables *t, uint64_t info)
{
	static const char wanted[] = "connect";
	char name[sizeof(wanted)];
	Elf64_Sym symbol;

	return is_binding(info) &&
	       read_at(p, t->symbols + ELF64_R_SYM(info) * sizeof(symbol), &symbol, sizeof(symbol)) &&
	       read_at(p, t->names + symbol.st_name, name, sizeof(name)) &&
	       !memcmp(name, wanted, sizeof(name));
}

/* Is the object's connect() that of libc? */
static bool passes_by(const struct process *p, const struct object *object)
{
	Elf64_Rela some[RELOCATIONS_AT_ONCE];
	struct tables t;

	if (is_libc(object) || strstr(name_of(object), "libheadroom") || !read_tables(p, object, &t))
		return false;
	for (unsigned table = 0; table < 2; table++) {
		for (uint64_t at = 0; at < t.sizes[table]; at += sizeof(some)) {
			uint64_t left = t.sizes[table] - at, bound;
			size_t size = left < sizeof(some) ? (size_t)left : sizeof(some);
			if (!read_at(p, t.relocations[table] + at, some, size))
				break;
			for (unsigned i = 0; i < size / sizeof(*some); i++) {
				if (!is_of_connect(p, &t, some[i].r_info) ||
				    !read_at(p, object->base + some[i].r_offset, &bound, sizeof(bound)))
					continue;
				const struct object *to = object_at(p, bound);
				if (to && is_libc(to))
					return true;
			}
		}
	}
	return false;
}

void doctor_bypass(struct findings *findings, int pid)
{
	struct process p = { .objects = calloc(OBJECTS_MAX, sizeof(*p.objects)) };
	char path[64], names[NAMED_MAX * 80] = "";
	unsigned found = 0;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	p.memory = open(path, O_RDONLY | O_CLOEXEC);
	if (p.objects && p.memory >= 0 && read_mappings(&p, pid))
		for (unsigned i = 0; i < p.count; i++) {
			size_t used = strlen(names);
			if (passes_by(&p, &p.objects[i]) && found++ < NAMED_MAX)
				snprintf(names + used, sizeof(names) - used, "%s%.70s", used ? ", " : "",
					 name_of(&p.objects[i]));
		}
	if (found)
		finding_add(findings, FINDING_BAD, "bypass", "headroom attach, which reaches it",
			    "%s%s: loaded with RTLD_DEEPBIND, so that libc's connect() is called, not the "
			    "shim's; those "
			    "connections are not counted, nor spread",
			    names, found > NAMED_MAX ? " and more" : "");
	if (p.memory >= 0)
		close(p.memory);
	free(p.objects);
}
