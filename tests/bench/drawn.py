# SPDX-License-Identifier: Apache-2.0
"""drawn - a program that draws on a terminal, and what it spends on each picture."""
import fcntl
import os
import pathlib
import pty
import re
import select
import struct
import subprocess
import termios
import time

import lab


class Terminal:
    """command on a terminal of its own, 80 x 24. What it draws is read as it comes, and kept."""

    def __init__(self, command, env):
        self._near, far = pty.openpty()
        fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        with os.fdopen(far):
            self._popen = subprocess.Popen(command, stdin=far, stdout=far, env={**lab.environment(env), "TERM": "xterm"})
        self.drawn = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._popen.terminate()
        while self._popen.poll() is None:
            self._read()
        os.close(self._near)

    def _read(self):
        if select.select([self._near], [], [], 0.005)[0]:
            try:
                self.drawn += os.read(self._near, 65536)
            except OSError:  # EIO: nobody has the other end open
                time.sleep(0.005)

    def until(self, holds, what):
        """Reads what it draws until holds() is true. Return: what that gave."""
        def look():
            self._read()
            if self._popen.poll() is not None:
                raise lab.Failed(f"{self._popen.args[1]} ended, waiting for {what}: {self.drawn[-500:]!r}")
            return holds()
        return lab.wait_for(look, what)

    def _spent(self):
        """Return: milliseconds of processor; how often it went to sleep by itself."""
        process = pathlib.Path("/proc", str(self._popen.pid))
        slept = re.search(r"^voluntary_ctxt_switches:\t(\d+)", (process / "status").read_text(), re.M)
        return int((process / "schedstat").read_text().split()[0]) / 1e6, int(slept[1])

    def one_turn_ms(self):
        """From one sleep to the next. Return: milliseconds of processor."""
        ms, slept = self._spent()
        def next_sleep():
            now, after = self._spent()
            return after > slept and (now, after - slept)
        now, turns = self.until(next_sleep, "its next picture")
        return (now - ms) / turns
