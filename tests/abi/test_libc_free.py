#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_libc_free - a program that has a loader and no C library runs untouched, and so does one without a loader."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))

import lab  # noqa: E402

SHIM = lab.BUILD / "libheadroom.so"
SOURCE = pathlib.Path(__file__).resolve().parent / "no_libc.c"
WITHOUT = ["-O1", "-nostdlib", "-ffreestanding", "-fno-stack-protector"]


def untouched(*flags):
    lab.needs("cc")
    lab.not_under_sanitizer("its runtime speaks in every program")
    program = lab.scratch() / "program"
    made = lab.run(["cc", *WITHOUT, *flags, "-o", str(program), str(SOURCE)])
    if made.status:
        raise lab.Failed(str(made))
    # A shim that did not stand down would complain.
    done = lab.run([str(program)], env={"LD_PRELOAD": str(SHIM), "HEADROOM_SOURCES": "no such", "HEADROOM_SUMMARY": "1"})
    lab.equal("status, output", (done.status, done.stdout, done.stderr), (7, "no library\n", ""))


def makes_no_call():
    """Of the shim's own: what the loader does for it is all there is."""
    lab.needs("cc", "strace")
    lab.not_under_sanitizer("its runtime makes calls of its own")
    program, trace = lab.scratch() / "program", lab.scratch() / "trace"
    lab.run(["cc", *WITHOUT, "-pie", "-fPIE", "-o", str(program), str(SOURCE)])
    lab.run(["strace", "-f", "-o", str(trace), "-E", f"LD_PRELOAD={SHIM}", str(program)])
    calls = trace.read_text().splitlines()
    after = [line for line in calls if "/proc" in line or "socket" in line or "madvise" in line]
    lab.equal("the program ran under strace", "no library" in trace.read_text(), True)
    lab.equal("calls", after, [])
    return f"{len(calls)} calls in all"


lab.main([
    ("a loader and no library", lambda: untouched("-pie", "-fPIE")),
    ("static, at any address", lambda: untouched("-static-pie", "-fPIE")),
    ("static", lambda: untouched("-static", "-no-pie", "-fno-pie")),
    ("no call of ours", makes_no_call),
])
