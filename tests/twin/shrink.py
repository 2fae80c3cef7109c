# SPDX-License-Identifier: Apache-2.0
"""shrink - makes a difference small: fewer operations, a simpler world, as long as there is one (delta debugging).

A. Zeller, R. Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002: parts are left out, the large ones first.
"""
import time

import hunt
import place
import players

# Of the world, what can be left out; the rest makes it what it is.
KEPT = ("range", "sources", "natural", "veth")


class Shrinker:
    def __init__(self, finding, tools, base, seconds):
        self._finding, self._tools, self._base = finding, tools, base
        self._end = time.monotonic() + seconds
        self._kind = _kind(finding.differences)

    def _differs(self, world, program, theatre=None):
        """Return: the differences of the same kind, or []. A world that cannot be made has none."""
        own = None
        try:
            if theatre is None:
                theatre = own = players.Theatre(world, self._tools, self._base)
            found = hunt.look(theatre, world, program, self._finding.mode, [theatre.run(program)], 2)
            return found if found and _kind(found) == self._kind else []
        except place.Unbuildable:
            return []
        finally:
            if own:
                own.close()

    def _without(self, lines, fixed, good):
        """Leaves out as many of the lines as it can, runs of them first."""
        size = max(1, len(lines) // 2)
        while size:
            at = 0
            while at < len(lines) and time.monotonic() < self._end:
                shorter = [line for i, line in enumerate(lines) if not at <= i < at + size or fixed(line)]
                if len(shorter) < len(lines) and good(shorter):
                    lines = shorter
                else:
                    at += size
            size //= 2
        return lines

    def shrink(self):
        """Return: a Finding that is as small as the time allowed."""
        world, program = self._finding.world, self._finding.program
        try:
            theatre = players.Theatre(world, self._tools, self._base)
        except place.Unbuildable:
            return self._finding
        program = self._without(program, lambda line: line == "block main", lambda lines: _whole(lines) and
                                self._differs(world, lines, theatre))
        theatre.close()
        world = self._without(world, lambda line: line.split()[0] in KEPT, lambda lines: self._differs(lines, program))
        found = self._differs(world, program)
        if not found:
            return self._finding
        return self._finding._replace(world=world, program=program, differences=found)


def _kind(differences):
    key, plain, _ = differences[0]
    words = (plain or "").split()
    return key[0].split(".")[0], words[1] if key[0].startswith("main") and len(words) > 1 else ""


def _whole(program):
    """Does each block that is named have its lines? What names one that is gone is left out of the test."""
    return any(line == "block main" for line in program)
