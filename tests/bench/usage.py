#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""usage - what the usage segment costs: in a connect() + close() pair, and to read for `headroom report`.

Asserts nothing. Runs the program `overhead` for a moment with the segment on and off, in random order, again and
again: what a program got by chance (where its memory lies, which core) differs more between two runs than within one,
so many short runs say more than a few long ones. Of each two the difference counts; told are the median of the
differences and where it lies with 95 % certainty. It goes on until that is known to NS ns on either side, or for
SECONDS. usage: usage.py [BUILD [NS [SECONDS]]] (build 15 120)
"""
import contextlib
import fcntl
import os
import pathlib
import random
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(sys.argv[1] if sys.argv[1:] else "build").resolve()
KNOWN_TO_NS = float(sys.argv[2]) if sys.argv[2:] else 15
SECONDS = float(sys.argv[3]) if sys.argv[3:] else 120
ROUNDS = 1200  # of each of three ways: a fifth of a second
PROCESSES, DESTINATIONS = 200, 50


def run(state, command):
    return subprocess.run([BUILD / "headroom", "run", "--log", "off", "--", *map(str, command)], check=True, text=True,
                          capture_output=True, env={**os.environ, "HEADROOM_STATE_DIR": state}).stdout


def added_ns(state, mode):
    """What the shim adds, against the calls straight from libc in the same run."""
    said = run(state, [BUILD / "tests/bench/overhead", ROUNDS, mode, "none"])
    return 1000 * float(re.search(r"added_us (\S+)", said)[1])


def interval(values):
    """Where the median lies with 95 % certainty: by ranks, whatever the distribution."""
    values, half = sorted(values), 0.98 * len(values) ** 0.5
    return values[max(0, int(len(values) / 2 - half))], values[min(len(values) - 1, int(len(values) / 2 + half))]


def counting(folder):
    for mode in ("rst", "time-wait"):
        on, off, until = [], [], time.monotonic() + SECONDS
        low, high = -1e9, 1e9
        while len(on) < 20 or (high - low > 2 * KNOWN_TO_NS and time.monotonic() < until):
            for place, into in random.sample(((folder, on), ("off", off)), 2):
                into.append(added_ns(place, mode))
            differences = [a - b for a, b in zip(on, off)]
            low, high = interval(differences)
        print(f"connect+close by {mode.upper()}: the shim adds {statistics.median(on):.0f} ns with the segment, "
              f"{statistics.median(off):.0f} ns without; the segment {statistics.median(differences):+.0f} ns "
              f"(95 %: {low:+.0f} to {high:+.0f}, {len(on)} pairs)", flush=True)


def segments(folder):
    """Those of as many processes, and a lock on each as if it ran: else the report removes all but 100."""
    client = f"import socket\nfor i in range({DESTINATIONS}): socket.socket().connect_ex(('127.0.1.%d' % i, 1))"
    run(folder, ["/usr/bin/python3", "-c", client])
    one, *older = sorted(pathlib.Path(folder).iterdir(), key=lambda p: p.stat().st_mtime, reverse=True)
    for path in older:
        path.unlink()
    for i in range(PROCESSES - 1):
        shutil.copy2(one, pathlib.Path(folder, f"{i:011x}.{i + 1}.00000000"))
    for path in pathlib.Path(folder).iterdir():
        path.chmod(0o600)
        file = open(path, "r+b")
        path.chmod(0o400)
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        yield file


def reading(folder):
    with contextlib.ExitStack() as files:
        for file in segments(folder):
            files.enter_context(file)
        for options in ([], ["--json"]):
            times, spent = [], []
            for _ in range(20):
                start, before = time.monotonic(), os.times()
                done = subprocess.run([BUILD / "headroom", "report", "--state-dir", folder, *options], capture_output=True)
                after = os.times()
                times.append((time.monotonic() - start) * 1000)
                spent.append((after.children_user + after.children_system - before.children_user -
                              before.children_system) * 1000)
            print(f"report {' '.join(options)}: {statistics.median(times):.0f} ms, of the processor "
                  f"{statistics.median(spent):.0f} ms; {done.stdout.count(b'127.0.1.')} rows")


with tempfile.TemporaryDirectory(dir="/dev/shm") as place:
    counting(place)
    reading(place)
