// SPDX-License-Identifier: Apache-2.0
/* test_lookup - what is found without dlsym() is what dlsym(RTLD_NEXT) finds. */
#include "preload/base/hooks.h"
#include "preload/base/lookup.h"
#include "tests/unit/check.h"

#include <dlfcn.h>
#include <string.h>

#define NAME_OF(result, name, parameters, arguments) #name "\0"

Test(lookup, all_hooks_are_found_as_dlsym_finds_them)
{
	static const char names[] = ALL_HOOKS(NAME_OF) "clone\0vfork\0syscall";
	const char *name = names;
	void *found[LOOKUP_MOST];
	unsigned count = 0, known = 0;

	for (const char *at = names; at < names + sizeof(names); at += strlen(at) + 1)
		count++;
	lookup_behind(names, count, found);
	for (unsigned i = 0; i < count; i++, name += strlen(name) + 1) {
		known += found[i] != NULL;
		if (found[i])
			cr_expect_eq(found[i], dlsym(RTLD_NEXT, name), "%s", name);
		else
			cr_expect_null(lookup(name, true, false), "%s is there", name);
	}
	cr_expect_gt(known, count / 2);
}

/* On x86-64 glibc's memcpy() has a resolver. */
Test(lookup, what_a_resolver_chooses_is_left_to_dlsym)
{
	void *found[2];

	lookup_behind("memcpy\0no_such_name", 2, found);
	check(!found[0] || found[0] == dlsym(RTLD_NEXT, "memcpy"));
	check(!found[1]);
}
