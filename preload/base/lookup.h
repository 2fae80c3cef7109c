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
 * lookup_learn() - remember what was loaded behind this library, once, at start: a look into it later takes
 * no lock, as dlsym() does, and no memory Return: false if not all of it can be: more than LOOKUP_LIBRARIES,
 * or one that has the old table of names alone
 */
bool lookup_learn(void);

/**
 * lookup_learned() - lookup() there, behind this library, of what was learned
 */
void *lookup_learned(const char *name);

enum { LOOKUP_LIBRARIES = 48 };

#endif
