// SPDX-License-Identifier: Apache-2.0
/* lookup - find a symbol of the libraries loaded at the start, without dlsym().
 *
 * Before glibc 2.34 dlsym() is in libdl, which few programs have. Preloaded with it, it would cost each
 * program of a later glibc a file more; loaded when we need it, it might not be found. */
#ifndef HEADROOM_PRELOAD_BASE_LOOKUP_H
#define HEADROOM_PRELOAD_BASE_LOOKUP_H

#include <stdbool.h>

/**
 * lookup() - as dlsym(RTLD_NEXT), or RTLD_DEFAULT
 * @name:	of a function or an object
 * @behind:	only in what was loaded behind this library
 * @older:	of several versions one that is not the default one
 *
 * The first in the order of loading, which is that of the search; of several versions the default one.
 * Return: NULL if there is none. For glibc, which has put addresses into the tables (dl_relocate_object()).
 */
void *lookup(const char *name, bool behind, bool older);

/**
 * lookup_behind() - many names at once, each in what was loaded behind this library: one walk, where dlsym()
 * takes a lock and walks for each
 * @names:	one after the other, each with its '\0'
 * @count:	of them, LOOKUP_MOST at most
 * @found:	@count pointers; NULL: not there, or only dlsym() can tell (a resolver is to choose, a library
 *		has the old table of names alone)
 */
void lookup_behind(const char *names, unsigned count, void **found);

enum { LOOKUP_MOST = 128 };

#endif
