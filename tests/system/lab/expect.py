# SPDX-License-Identifier: Apache-2.0
"""expect - what a case expects, for how long it waits, and what else it may end with."""
import os
import pathlib
import sys
import time

# An emulated machine is slow: HEADROOM_PATIENCE says how many times as long things may take there.
PATIENCE_S = 60 * int(os.environ.get("HEADROOM_PATIENCE") or 1)


class Failed(Exception):
    """The product, or the program under test, did not do what the case expects."""


class Skipped(Exception):
    """The case cannot run here; the text says what is missing."""


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
