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
	unsigned known = 0;

	check(lookup_learn());
	for (const char *name = names; name < names + sizeof(names); name += strlen(name) + 1) {
		void *found = lookup_learned(name);
		known += found != NULL;
		cr_expect_eq(found, dlsym(RTLD_NEXT, name), "%s", name);
		cr_expect_eq(found, lookup(name, true, false), "%s", name);
	}
	check(known > 30);
}

/* On x86-64 glibc's memcpy() has a resolver. */
Test(lookup, what_a_resolver_chooses_is_asked_of_it)
{
	check(lookup_learn());
	check(lookup_learned("memcpy") == dlsym(RTLD_NEXT, "memcpy"));
	check(!lookup_learned("no_such_name"));
}

Test(lookup, before_it_has_learned_it_knows_nothing)
{
	check(!lookup_learned("connect"));
}
