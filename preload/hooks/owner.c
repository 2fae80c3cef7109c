// SPDX-License-Identifier: Apache-2.0
/* owner - who gets the signals of a socket: F_SETOWN and its kin, by fcntl(), ioctl() and syscall(). */
#include "preload/hooks/owner.h"

#include "pool/base/hot.h"
#include "preload/base/fdtable.h"
#include "preload/base/hooks.h"
#include "preload/base/process.h"
#include "preload/parking/parking.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>

static void note(int fd)
{
	int saved = errno;

	if (shim.settings.reuses && fdtable_look(fd))
		parking_signals(fd);
	errno = saved;
}

COLD void owner_by_fcntl(int fd, int command)
{
	if (command == F_SETOWN || command == F_SETOWN_EX || command == F_SETSIG)
		note(fd);
}

/* The upper half of a request is none of it (sys_ioctl(), fs/ioctl.c). */
COLD void owner_by_ioctl(int fd, unsigned long request)
{
	if ((unsigned)request == FIOSETOWN || (unsigned)request == SIOCSPGRP)
		note(fd);
}

/* The third argument is variadic in libc: on the supported ABIs it arrives where a named one would. */
int hook_ioctl(int fd, unsigned long request, void *argument)
{
	int rc = real.ioctl(fd, request, argument);

	if (unlikely(fdtable_look(fd)))
		owner_by_ioctl(fd, request);
	return rc;
}
