#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""usage - what the usage segment costs: in a connect() + close() pair, and to read for `headroom report`.

Asserts nothing. Runs the program `overhead` with the segment on and off in turn, and shows the median of what
the shim added. usage: usage.py [BUILD [TURNS [PAIRS]]]
"""
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(sys.argv[1] if sys.argv[1:] else "build").resolve()
TURNS = int(sys.argv[2]) if sys.argv[2:] else 10
PAIRS = sys.argv[3] if sys.argv[3:] else "6000"


def run(state, command):
    return subprocess.run([BUILD / "headroom", "run", "--log", "off", "--", *map(str, command)], check=True, text=True,
                          capture_output=True, env={**os.environ, "HEADROOM_STATE_DIR": state}).stdout


def added_ns(state, mode):
    plain, shim = re.search(r"plain (\S+) shim (\S+)", run(state, [BUILD / "tests/bench/overhead", PAIRS, *mode])).groups()
    return (float(shim) - float(plain)) * 1000


def counting(folder):
    for name, mode in (("RST", []), ("TIME_WAIT", ["time-wait"])):
        on, off = [], []
        for _ in range(TURNS):
            on.append(added_ns(folder, mode))
            off.append(added_ns("off", mode))
        print(f"connect+close by {name}: the shim adds {statistics.median(on):.0f} ns with the segment, "
              f"{statistics.median(off):.0f} ns without; {statistics.median(on) - statistics.median(off):+.0f} ns")


def reading(folder):
    """200 processes with 50 destinations each."""
    client = "import socket\nfor i in range(50): socket.socket().connect_ex(('127.0.1.%d' % i, 1))"
    run(folder, ["/usr/bin/python3", "-c", client])
    # The latest; those of the runs before have one destination.
    segments = sorted(pathlib.Path(folder).iterdir(), key=lambda p: p.stat().st_mtime)
    for old in segments[:-1]:
        old.unlink()
    for i in range(199):
        shutil.copy2(segments[-1], pathlib.Path(folder, f"{i:011x}.{i + 1}.00000000"))
    for options in ([], ["--json"]):
        times = []
        for _ in range(10):
            start = time.monotonic()
            done = subprocess.run([BUILD / "headroom", "report", "--state-dir", folder, *options], capture_output=True)
            times.append((time.monotonic() - start) * 1000)
        print(f"report {' '.join(options)}: {statistics.median(times):.0f} ms, {done.stdout.count(b'127.0.1.')} rows")


with tempfile.TemporaryDirectory(dir="/dev/shm") as place:
    counting(place)
    reading(place)
