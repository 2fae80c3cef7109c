// SPDX-License-Identifier: Apache-2.0
/* lookup - find a symbol of the libraries loaded at the start, without dlsym(). */
#include "preload/base/lookup.h"

#include "pool/base/hot.h"

#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>

struct search {
	const char *name;
	uint32_t hash;
	uint16_t hidden; /* what a version is to have of HIDDEN_VERSION */
	bool begun;      /* this library was passed, or need not be */
	void *found;
};

/* What a library tells of its symbols: elf(5); "GNU Hash ELF Sections". */
struct tables {
	ElfW(Addr) base;
	const ElfW(Sym) * symbols;
	const char *names;
	const uint16_t *versions; /* NULL: none has a version */
	const uint32_t *hashes;
};

enum { HIDDEN_VERSION = 0x8000 }; /* not the default one */

static uint32_t hash_of(const char *name)
{
	uint32_t hash = 5381;

	for (; *name; name++)
		hash = hash * 33 + (unsigned char)*name;
	return hash;
}

ONCE static bool read_tables(const struct dl_phdr_info *library, struct tables *out)
{
	const ElfW(Dyn) *at = NULL;

	*out = (struct tables){ .base = library->dlpi_addr };
	for (unsigned i = 0; i < library->dlpi_phnum; i++)
		if (library->dlpi_phdr[i].p_type == PT_DYNAMIC)
			at = (const void *)(library->dlpi_addr + library->dlpi_phdr[i].p_vaddr);
	for (; at && at->d_tag != DT_NULL; at++) {
		/* The vDSO's are not addresses. */
		const void *table = (const void *)(at->d_un.d_ptr < library->dlpi_addr
							   ? at->d_un.d_ptr + library->dlpi_addr
							   : at->d_un.d_ptr);
		if (at->d_tag == DT_SYMTAB)
			out->symbols = table;
		else if (at->d_tag == DT_STRTAB)
			out->names = table;
		else if (at->d_tag == DT_VERSYM)
			out->versions = table;
		else if (at->d_tag == DT_GNU_HASH)
			out->hashes = table;
	}
	return out->symbols && out->names && out->hashes;
}

/* The filter says at once of most names that a library has not (the Bloom filter of DT_GNU_HASH). */
ONCE static bool may_have(const struct tables *t, uint32_t hash)
{
	enum { WORD_BITS = 8 * sizeof(ElfW(Addr)) };
	const ElfW(Addr) *words = (const ElfW(Addr) *)(const void *)(t->hashes + 4);
	ElfW(Addr) word = words[hash / WORD_BITS & (t->hashes[2] - 1)];

	return word >> hash % WORD_BITS & word >> (hash >> t->hashes[3]) % WORD_BITS & 1;
}

ONCE static const ElfW(Sym) * find_in(const struct tables *t, const struct search *search)
{
	uint32_t buckets = t->hashes[0], first = t->hashes[1], bloom = t->hashes[2];
	const uint32_t *bucket = t->hashes + 4 + bloom * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
	const uint32_t *chain = bucket + buckets;
	uint32_t i = buckets && may_have(t, search->hash) ? bucket[search->hash % buckets] : 0;

	for (; i >= first && i; i++) {
		const ElfW(Sym) *symbol = &t->symbols[i];
		if ((chain[i - first] | 1) == (search->hash | 1) && symbol->st_shndx != SHN_UNDEF &&
		    ((t->versions ? t->versions[i] : 0) & HIDDEN_VERSION) == search->hidden &&
		    !strcmp(t->names + symbol->st_name, search->name))
			return symbol;
		if (chain[i - first] & 1)
			break;
	}
	return NULL;
}

/* Of several functions for one a resolver chooses. */
static void *address_of(ElfW(Addr) base, const ElfW(Sym) * symbol)
{
	void *at = (void *)(base + symbol->st_value);

	return ELF64_ST_TYPE(symbol->st_info) == STT_GNU_IFUNC ? ((void *(*)(void))at)() : at;
}

static bool is_this_library(const struct dl_phdr_info *library)
{
	uintptr_t here = (uintptr_t)lookup - library->dlpi_addr;

	for (unsigned i = 0; i < library->dlpi_phnum; i++)
		if (library->dlpi_phdr[i].p_type == PT_LOAD &&
		    here - library->dlpi_phdr[i].p_vaddr < library->dlpi_phdr[i].p_memsz)
			return true;
	return false;
}

static int look(struct dl_phdr_info *library, size_t size, void *argument)
{
	struct search *search = argument;
	const ElfW(Sym) * symbol;
	struct tables tables;

	(void)size;
	if (!search->begun) {
		search->begun = is_this_library(library);
		return 0;
	}
	if (!read_tables(library, &tables) || !(symbol = find_in(&tables, search)))
		return 0;
	search->found = address_of(tables.base, symbol);
	return 1;
}

COLD void *lookup(const char *name, bool behind, bool older)
{
	struct search search = {
		.name = name, .hash = hash_of(name), .begun = !behind, .hidden = older ? HIDDEN_VERSION : 0
	};

	dl_iterate_phdr(look, &search);
	return search.found;
}

/* The kernel's own, which dlsym() does not look into: vdso(7). On aarch64 it has no DT_GNU_HASH. */
static bool is_vdso(const struct dl_phdr_info *library)
{
	int saved = errno;
	bool is = library->dlpi_addr == getauxval(AT_SYSINFO_EHDR);

	errno = saved; /* getauxval(3) sets it where there is none */
	return is;
}

/* What stands behind this library since the start, and so until the end (dlclose(3)). */
IN_DATA static struct {
	unsigned count;
	struct tables of[LOOKUP_LIBRARIES];
} behind;

struct learning {
	bool begun, all;
};

ONCE static int learn(struct dl_phdr_info *library, size_t size, void *argument)
{
	struct learning *learning = argument;

	(void)size;
	if (!learning->begun) {
		learning->begun = is_this_library(library);
		return 0;
	}
	if (is_vdso(library))
		return 0;
	/* What it has nobody knows: so it is not known of those behind it either whether they are first. */
	if (behind.count == LOOKUP_LIBRARIES || !read_tables(library, &behind.of[behind.count])) {
		learning->all = false;
		return 1;
	}
	behind.count++;
	return 0;
}

ONCE bool lookup_learn(void)
{
	struct learning learning = { .all = true };

	dl_iterate_phdr(learn, &learning);
	return learning.all;
}

ONCE void *lookup_learned(const char *name)
{
	struct search search = { .name = name, .hash = hash_of(name) };
	const ElfW(Sym) * symbol;

	for (unsigned i = 0; i < behind.count; i++)
		if ((symbol = find_in(&behind.of[i], &search)))
			return address_of(behind.of[i].base, symbol);
	return NULL;
}
