# SPDX-License-Identifier: Apache-2.0
"""syscalls - calls of the kernel that Python has no function for."""
import ctypes
import os
import signal

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def call(name, *arguments):
    if getattr(libc, name)(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def die_with_parent(wanted=signal.SIGKILL):
    libc.prctl(PR_SET_PDEATHSIG, int(wanted), 0, 0, 0)
