// SPDX-License-Identifier: Apache-2.0
/* vdso - functions of the kernel's that every process has in its memory (vdso(7)).
 *
 * Looked up by hand, as the kernel's own example does (tools/testing/selftests/vDSO/parse_vdso.c): the loader
 * gives a vDSO's symbols to libc, and to others only by names that another preload may have taken. */
#include "pool/base/vdso.h"

#include "pool/base/hot.h"

#include <elf.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What the dynamic section names; addresses are those of this process. */
struct tables {
	const ElfW(Sym) * symbols;
	const char *names;
	const uint32_t *hash, *gnu_hash;
};

/* Return: what is to be added to the addresses in the image */
static uintptr_t base_of(const ElfW(Ehdr) * image, const ElfW(Dyn) * *dynamic)
{
	const ElfW(Phdr) *segment = (const void *)((uintptr_t)image + image->e_phoff);
	uintptr_t base = 0;

	for (unsigned i = 0; i < image->e_phnum; i++, segment++) {
		if (segment->p_type == PT_LOAD && !base)
			base = (uintptr_t)image + segment->p_offset - segment->p_vaddr;
		if (segment->p_type == PT_DYNAMIC)
			*dynamic = (const void *)((uintptr_t)image + segment->p_offset);
	}
	return base;
}

static struct tables tables_of(uintptr_t base, const ElfW(Dyn) * entry)
{
	struct tables found = { 0 };

	for (; entry->d_tag != DT_NULL; entry++) {
		const void *at = (const void *)(base + entry->d_un.d_ptr);
		if (entry->d_tag == DT_SYMTAB)
			found.symbols = at;
		else if (entry->d_tag == DT_STRTAB)
			found.names = at;
		else if (entry->d_tag == DT_HASH)
			found.hash = at;
		else if (entry->d_tag == DT_GNU_HASH)
			found.gnu_hash = at;
	}
	return found;
}

/* No table says how many symbols there are, but each hash table implies it. Newer kernels have the GNU one
 * only: its last chain ends with the last symbol. */
static uint32_t symbol_count(const struct tables *of)
{
	if (of->hash)
		return of->hash[1]; /* nchain */
	if (!of->gnu_hash)
		return 0;
	uint32_t buckets = of->gnu_hash[0], first = of->gnu_hash[1], words = of->gnu_hash[2], last = 0;
	const uint32_t *bucket = of->gnu_hash + 4 + words * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
	const uint32_t *chain = bucket + buckets;

	for (uint32_t i = 0; i < buckets; i++)
		last = bucket[i] > last ? bucket[i] : last;
	if (last < first)
		return 0;
	while (!(chain[last - first] & 1))
		last++;
	return last + 1;
}

COLD const void *vdso_find(const void *image, const char *name)
{
	const ElfW(Dyn) *dynamic = NULL;

	if (!image || memcmp(image, ELFMAG, SELFMAG))
		return NULL;
	uintptr_t base = base_of(image, &dynamic);
	if (!dynamic)
		return NULL;
	struct tables of = tables_of(base, dynamic);
	uint32_t count = of.symbols && of.names ? symbol_count(&of) : 0;
	for (uint32_t i = 0; i < count; i++) {
		const ElfW(Sym) *symbol = &of.symbols[i];
		if (symbol->st_shndx != SHN_UNDEF && ELF64_ST_TYPE(symbol->st_info) == STT_FUNC &&
		    !strcmp(of.names + symbol->st_name, name))
			return (const void *)(base + symbol->st_value);
	}
	return NULL;
}
