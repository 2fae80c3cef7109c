# SPDX-License-Identifier: Apache-2.0
"""common - what the rest of the lab stands on: where things are, how long is long, what a case may end with."""
import ctypes
import os
import pathlib
import signal
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("HEADROOM_BUILD") or HERE.parent.parent / "build").resolve()
HEADROOM = BUILD / "headroom"
SANITIZER = os.environ.get("HEADROOM_SANITIZER_PRELOAD", "")
PYTHON = "/usr/bin/python3"
# An emulated machine is slow: HEADROOM_PATIENCE says how many times as long things may take there.
PATIENCE_S = 60 * int(os.environ.get("HEADROOM_PATIENCE") or 1)

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


class Failed(Exception):
    """The product, or the program under test, did not do what the case expects."""


class Skipped(Exception):
    """The case cannot run here; the text says what is missing."""


def call(name, *arguments):
    if getattr(libc, name)(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def die_with_parent(wanted=signal.SIGKILL):
    libc.prctl(PR_SET_PDEATHSIG, int(wanted), 0, 0, 0)


def wait_for(condition, what, process=None, limit_s=PATIENCE_S):
    """Polls until condition() is true. Return: what it gave."""
    deadline = time.monotonic() + limit_s
    pause_s = 0.001
    while True:
        value = condition()
        if value:
            return value
        late = time.monotonic() > deadline
        if late or (process is not None and not process.running() and not condition()):
            detail = f"\n{process.wait()}" if process is not None and not process.running() else ""
            raise Failed(f"{'timed out' if late else 'it ended'} waiting for {what}{detail}")
        time.sleep(pause_s)
        pause_s = min(1.5 * pause_s, 0.01)


def equal(what, seen, expected):
    if seen != expected:
        raise Failed(f"{what}: {seen!r}, expected {expected!r}")


def total(counts):
    return sum(counts.values())


def note_skip(case, why):
    """For tests/run, which judges what was left out."""
    if "HEADROOM_SKIPS" in os.environ:
        with open(os.environ["HEADROOM_SKIPS"], "a") as notes:
            notes.write(f"system/{pathlib.Path(sys.argv[0]).stem.removeprefix('test_')}, {case}: {why}\n")
