# SPDX-License-Identifier: Apache-2.0
"""stalls - did the machine stand still? A virtual one does for some 100 ms now and then, and what a program gives up then it
would have given up without the shim. On each processor a process sleeps for a moment, and sees how late it wakes."""
import mmap
import os
import struct
import time

from lab.syscalls import die_with_parent

NAP_S = 0.02
# Where a machine under load is not called still: what this is for waits longer.
STALL_S = 0.1


class Stalls:
    def __init__(self):
        self._late = mmap.mmap(-1, mmap.PAGESIZE)
        self._processors = sorted(os.sched_getaffinity(0))
        for i, processor in enumerate(self._processors):
            if not os.fork():
                try:
                    die_with_parent()
                    os.sched_setaffinity(0, {processor})
                    self._watch(8 * i)
                finally:
                    os._exit(1)

    def _watch(self, at):
        while True:
            begun = time.monotonic()
            time.sleep(NAP_S)
            late = time.monotonic() - begun - NAP_S
            if late > struct.unpack_from("d", self._late, at)[0]:
                struct.pack_into("d", self._late, at, late)

    def forget(self):
        self._late[:] = bytes(mmap.PAGESIZE)

    def longest_ms(self):
        """Since it was forgotten; 0 if it was too short to matter."""
        longest = max(struct.unpack_from(f"{len(self._processors)}d", self._late))
        return round(1000 * longest) if longest >= STALL_S else 0
