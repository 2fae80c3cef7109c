# SPDX-License-Identifier: Apache-2.0
"""hunt - plays programs in a world in each mode, and says which differences repeat.

A difference counts if it is there six times of six, between traces that were made in turns, at a line that is the same in
every plain run. What comes and goes is the machine's load, or the kernel's own choice. A crash, or an address that was
taken out of the list, counts if it is there once, and in none of six plain runs.
"""
import collections
import re

import compare
import modes

REPEATS = 6
Finding = collections.namedtuple("Finding", "seed mode world program differences")


def look(theatre, world, program, mode, plains, repeats=REPEATS, known=()):
    """plains: traces of plain runs, at least one; more are added where there is doubt. known: (mode, sign) of differences
    that need not be repeated. Return: what differs each time."""
    rules = compare.Rules(world, program, modes.MODES[mode])
    shims = [theatre.run(program, mode)]
    found = compare.differences(rules, plains, shims[0])
    if found and (mode, sign(found)) in known:
        return found
    if compare.never(rules, plains, shims[0]):
        plains += [theatre.run(program) for _ in range(len(plains), repeats)]
        return compare.never(rules, plains, shims[0])
    while found and len(shims) < repeats:
        plains.append(theatre.run(program))
        shims.append(theatre.run(program, mode))
        each = [compare.differences(rules, plains, shim) for shim in shims]
        always = set.intersection(*({key for key, _, _ in one} for one in each))
        found = [one for one in each[-1] if one[0] in always]
    return found


def sign(differences):
    """What differences of one cause have in common, roughly: the operation, what became what."""
    key, plain, shim = differences[0]
    where = "" if key[0].startswith("main") else key[0] + ": "
    before, after = ((text or "nothing").split() for text in (plain, shim))
    if len(before) == len(after) > 12:
        # Of long lines the words that differ.
        differ = [i for i in range(len(before)) if before[i] != after[i]]
        before, after = ([words[i] for i in (1, *differ)] for words in (before, after))
    return f"{where}{_rough(before)} -> {_rough(after)}"


def _rough(words):
    """Without numbers and addresses."""
    words = (re.sub(r"(?<![A-Z0-9_])[0-9a-f:.%]*\d[0-9a-f:.%]*", "#", word) for word in words)
    return " ".join(word for word in words if word != "#")[:90]
