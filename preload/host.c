// SPDX-License-Identifier: Apache-2.0
/* host - is the shim here because it is in every program of the host?
 *
 * The loader keeps the name by which it loaded a library, links included. So no program that has the shim by
 * LD_PRELOAD makes a system call to find that out; and one that has it both ways has one copy, by the name of
 * LD_PRELOAD. */
#include "preload/host.h"

#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/rules/host_wide.h"

#include <link.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>

struct own {
	uintptr_t inside; /* an address of ours */
	bool by_host;
};

ONCE static int look_at(struct dl_phdr_info *library, size_t size, void *argument)
{
	struct own *own = argument;

	(void)size;
	for (unsigned i = 0; i < library->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &library->dlpi_phdr[i];
		uintptr_t start = library->dlpi_addr + segment->p_vaddr;
		if (segment->p_type != PT_LOAD || own->inside < start ||
		    own->inside >= start + segment->p_memsz)
			continue;
		own->by_host = library->dlpi_name && !strcmp(library->dlpi_name, HOST_SHIM);
		return 1;
	}
	return 0;
}

ONCE bool host_leaves_alone(const char *program, const char **rules)
{
	struct own own = { .inside = (uintptr_t)&look_at };
	char list[HOST_INCLUDE_MAX];

	*rules = NULL;
	dl_iterate_phdr(look_at, &own);
	if (!own.by_host)
		return false;
	if (getauxval(AT_SECURE) || kernel_read_file(HOST_INCLUDE, list, sizeof(list)) <= 0)
		return true;
	*rules = HOST_RULES;
	return !host_wide_lists(list, program);
}
