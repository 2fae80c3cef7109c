// SPDX-License-Identifier: Apache-2.0
/* test_clock - the clock, and the image it comes from: the kernel's own, and others that it may have one day.
 */
#include "pool/base/clock.h"
#include "pool/base/vdso.h"
#include "tests/unit/check.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#if defined(__x86_64__)
#define NAME "__vdso_clock_gettime"
#else
#define NAME "__kernel_clock_gettime"
#endif

Test(clock, the_clocks_go_on_and_are_never_0)
{
	uint64_t fine = clock_ns(), coarse = clock_coarse_ns();
	check(fine && coarse);
	check(clock_ns() >= fine);
	check(clock_coarse_ns() >= coarse);
	check(coarse <= clock_ns());
}

Test(clock, it_is_the_kernels)
{
	struct timespec before, after;
	clock_gettime(CLOCK_MONOTONIC, &before);
	uint64_t ns = clock_ns();
	clock_gettime(CLOCK_MONOTONIC, &after);
	check(ns > (uint64_t)before.tv_sec * 1000000000 + (uint64_t)before.tv_nsec);
	check(ns <= (uint64_t)after.tv_sec * 1000000000 + (uint64_t)after.tv_nsec + 1);
}

static const void *kernels_own(void)
{
	return (const void *)getauxval(AT_SYSINFO_EHDR);
}

/* A copy of the kernel's image that can be changed: it ends with its section headers. */
static char *copied(void)
{
	const ElfW(Ehdr) *image = kernels_own();
	size_t size = image->e_shoff + (size_t)image->e_shentsize * image->e_shnum;
	char *copy = malloc(size);
	memcpy(copy, image, size);
	return copy;
}

static ElfW(Dyn) * dynamic_entry(char *image, ElfW(Sxword) tag)
{
	ElfW(Phdr) *segment = (void *)(image + ((ElfW(Ehdr) *)(void *)image)->e_phoff);
	while (segment->p_type != PT_DYNAMIC)
		segment++;
	ElfW(Dyn) *entry = (void *)(image + segment->p_offset);
	while (entry->d_tag != tag && entry->d_tag != DT_NULL)
		entry++;
	return entry->d_tag == tag ? entry : NULL;
}

static bool found_in(const char *image)
{
	const char *at = vdso_find(image, NAME);
	return at && at - image == (const char *)vdso_find(kernels_own(), NAME) - (const char *)kernels_own();
}

Test(vdso, the_kernels_function_is_found)
{
	clock_function *found;
	struct timespec now = { 0 };
	if (!kernels_own())
		return; /* vdso=0 */
	*(const void **)&found = vdso_find(kernels_own(), NAME);
	check(found);
	check_number(found(CLOCK_MONOTONIC, &now), 0);
	check(now.tv_sec || now.tv_nsec);
	check_number(found(12345, &now), -EINVAL);
	check(!vdso_find(kernels_own(), "__vdso_clock_gettim"));
	check(!vdso_find(kernels_own(), ""));
}

Test(vdso, by_either_hash_table)
{
	static const ElfW(Sxword) tables[] = { DT_HASH, DT_GNU_HASH };
	unsigned found = 0;
	if (!kernels_own())
		return;
	for (unsigned i = 0; i < 2; i++) {
		char *image = copied();
		ElfW(Dyn) *other = dynamic_entry(image, tables[!i]);
		if (other)
			other->d_tag = DT_DEBUG;
		if (dynamic_entry(image, tables[i])) {
			check(found_in(image));
			found++;
		}
		free(image);
	}
	check(found);
}

Test(vdso, what_is_no_image_of_use)
{
	static const ElfW(Sxword) needed[] = { DT_SYMTAB, DT_STRTAB };
	check(!vdso_find(NULL, NAME));
	check(!vdso_find("no ELF header here, and no more than this", NAME));
	if (!kernels_own())
		return;
	for (unsigned i = 0; i < 2; i++) {
		char *image = copied();
		dynamic_entry(image, needed[i])->d_tag = DT_DEBUG;
		check(!vdso_find(image, NAME));
		free(image);
	}
	char *image = copied();
	((ElfW(Ehdr) *)(void *)image)->e_phnum = 0;
	check(!vdso_find(image, NAME));
	free(image);
}
