# SPDX-License-Identifier: Apache-2.0
"""folders - what goes with a run and with a case."""
import os

from lab.expect import Skipped
from lab.syscalls import call, CLONE_NEWNS, libc, MS_PRIVATE, MS_REC

_shared = _scratch = _memory = None


def begin_run(shared_folder, memory_folder):
    """memory_folder: on a memory file system, or None"""
    global _shared, _memory
    _shared, _memory = shared_folder, memory_folder


def begin_case(folder):
    global _scratch
    _scratch = folder


def shared():
    """A folder that goes with the run: what is compiled once and used by several cases."""
    return _shared


def state():
    """A folder for usage segments that goes with the case, on a memory file system; None where there is none."""
    folder = _memory and _memory / f"{os.getpid()}"
    if folder:
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def scratch():
    """A folder that goes with the case."""
    return _scratch


def own_memory_files(size=None):
    """Gives the case a /dev/shm of its own: what others left there by pid is not met, and nothing is left."""
    call("unshare", CLONE_NEWNS)
    call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    call("mount", b"none", b"/dev/shm", b"tmpfs", 0, f"size={size}".encode() if size else None)
    if _memory:
        _memory.mkdir()


def own_run():
    """Gives the case an empty /run of its own."""
    if libc.unshare(CLONE_NEWNS):
        raise Skipped("no right to mount")
    call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    call("mount", b"none", b"/run", b"tmpfs", 0, b"mode=755")
