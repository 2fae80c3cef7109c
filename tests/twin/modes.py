# SPDX-License-Identifier: Apache-2.0
"""modes - the ways in which the shim is put beside a program. A mode is an environment, and what it may change.

To add one: a line in MODES. named: sources of the world are used, so the masks of addresses apply (compare.py); counts: it
counts, and that is compared with the kernel's numbers (counts.py); reuses: connections are kept for the next, so the peer sees fewer.
"""
import collections
import subprocess

import worlds

Mode = collections.namedtuple("Mode", "name environment named rules counts reuses", defaults=(True, False))


def _list(world):
    return worlds.value(world, "sources") or "127.0.0.1"


def excluded(world):
    """Addresses that are taken out in mode except: those with which there is trouble, else the last of the list, of each
    family, that is not the kernel's own choice. None where nothing would be left."""
    natural = {words.split()[1] for words in worlds.values(world, "natural")}
    listed = [address for address in _list(world).split(",") if address not in natural]
    bad = worlds.values(world, "bad") + worlds.values(world, "foreign")
    last = {":" in address: address for address in listed}
    out = [address for address in bad if address in listed] or list(last.values())
    return out if set(_list(world).split(",")) - set(out) else []


def _list_without(world):
    # Where `auto` finds addresses it is to stay with what is left, too.
    return ",".join(["auto" if worlds.values(world, "veth") else _list(world), *("!" + address for address in excluded(world))])


MODES = {mode.name: mode for mode in (
    # Plain Linux once more: what differs here is a fault of the tester.
    Mode("none", lambda world: {}, False, None, False),
    Mode("count", lambda world: {}, False, None),
    Mode("even", lambda world: {"HEADROOM_SOURCES": _list(world), "HEADROOM_SPREAD": "even"}, True, None),
    Mode("spill", lambda world: {"HEADROOM_SOURCES": _list(world), "HEADROOM_SPREAD": "spill"}, True, None),
    Mode("sticky", lambda world: {"HEADROOM_SOURCES": _list(world), "HEADROOM_SPREAD": "sticky"}, True, None),
    Mode("auto", lambda world: {"HEADROOM_SOURCES": "auto"}, True, None),
    Mode("auto-even", lambda world: {"HEADROOM_SOURCES": "auto", "HEADROOM_SPREAD": "even"}, True, None),
    # Sockets that the program bound to a source, without a port, are spread too.
    Mode("own", lambda world: {}, True,
         lambda world: ["[to *]", f"sources = {_list(world)}", "spread = even", "explicit_source = spread"]),
    # The list without one of its addresses, which is not used then: not even if it is one that gets no answer.
    Mode("except", lambda world: {"HEADROOM_SOURCES": _list_without(world), "HEADROOM_SPREAD": "even"}, True, None),
    # Connections are used again for whoever connects next; the servers answer what they get, as raw wants it.
    Mode("raw", lambda world: {}, False, lambda world: ["[to *]", "reuse = raw"], True, True),
    Mode("disabled", lambda world: {"HEADROOM_SOURCES": _list(world), "HEADROOM_DISABLE": "1"}, False, None, False),
)}
# What is run unless --mode says otherwise, for each program: all would be slow, and disabled says little.
USUAL = ("count", "even", "spill", "sticky", "auto", "own", "except", "raw")


def known(headroom, folder):
    """Those that this build has: a way to spread may be newer than the shim that is looked at."""
    found = []
    for name in MODES:
        spread = MODES[name].environment([]).get("HEADROOM_SPREAD")
        if spread:
            rules = folder / "spread.rules"
            rules.write_text(f"[headroom]\nsources = 127.0.0.1\nspread = {spread}\n")
            # Of a variable such as HEADROOM_BUILD it says that nobody reads it.
            if subprocess.run([str(headroom), "config", "check", str(rules)], env={"PATH": "/usr/bin"},
                              capture_output=True).returncode:
                continue
        found.append(name)
    return found
