// SPDX-License-Identifier: Apache-2.0
/* host_wide - the files by which the shim is in every program of a host, and at work in those of a list.
 *
 * /etc/ld.so.preload is a link to HOST_PRELOAD. Of that the loader says nothing where it leads nowhere, as
 * after a boot, since /run is in memory. The entry in it is HOST_SHIM, a link too: by this name the shim
 * knows that it is there for all (preload/host.c). */
#ifndef HEADROOM_POOL_RULES_HOST_WIDE_H
#define HEADROOM_POOL_RULES_HOST_WIDE_H

#include <stdbool.h>

#define HOST_FOLDER  "/run/headroom/host"
#define HOST_SHIM    HOST_FOLDER "/libheadroom.so"
#define HOST_PRELOAD HOST_FOLDER "/ld.so.preload"
/* Names of programs, one a line. */
#define HOST_INCLUDE HOST_FOLDER "/include"
/* A rule file; empty if nothing was asked for. */
#define HOST_RULES HOST_FOLDER "/rules"

enum { HOST_INCLUDE_MAX = 4096 }; /* bytes of HOST_INCLUDE */

/**
 * host_wide_lists() - is a program in the list?
 * @list:	the text of HOST_INCLUDE
 * @program:	its name without folders, as it was called
 */
bool host_wide_lists(const char *list, const char *program);

#endif
