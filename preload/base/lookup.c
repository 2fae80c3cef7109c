// SPDX-License-Identifier: Apache-2.0
/* lookup - find a symbol of the libraries loaded at the start, without dlsym(). */
#include "preload/base/lookup.h"

#include "pool/base/hot.h"

#include <link.h>
#include <stdint.h>
#include <string.h>

struct search {
	const char *name;
	uint32_t hash;
	uint16_t hidden; /* what a version is to have of HIDDEN_VERSION */
	bool begun;      /* this library was passed, or need not be */
	void *found;
};

/* What a library tells of its symbols: elf(5); "GNU Hash ELF Sections". */
struct tables {
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

static bool read_tables(const struct dl_phdr_info *library, struct tables *out)
{
	const ElfW(Dyn) *at = NULL;

	*out = (struct tables){ 0 };
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

static const ElfW(Sym) * find_in(const struct tables *t, const struct search *search)
{
	uint32_t buckets = t->hashes[0], first = t->hashes[1], bloom = t->hashes[2];
	const uint32_t *bucket = t->hashes + 4 + bloom * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
	const uint32_t *chain = bucket + buckets;
	uint32_t i = buckets ? bucket[search->hash % buckets] : 0;

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
	search->found = (void *)(library->dlpi_addr + symbol->st_value);
	if (ELF64_ST_TYPE(symbol->st_info) == STT_GNU_IFUNC)
		search->found = ((void *(*)(void))search->found)();
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
