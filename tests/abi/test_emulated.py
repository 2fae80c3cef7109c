#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_emulated - programs for aarch64 under qemu-user, whose system calls are this kernel's; tests/abi/run calls it.

usage: test_emulated.py BUILD ROOT   (folders: programs.make(), sysroot.make())
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))

import lab  # noqa: E402

BUILD, ROOT = sys.argv[1:]
# lab.main() takes the rest for names of cases.
del sys.argv[1:]
SHIM = f"{BUILD}/libheadroom.so"


def emulated(program, *arguments, **environment):
    command = ["qemu-aarch64", "-L", ROOT]
    for name, value in environment.items():
        command += ["-E", f"{name}={value}"]
    return lab.run([*command, f"{BUILD}/tests/system/{program}", *arguments], limit_s=lab.CASE_LIMIT_S)


def as_without(program):
    """Exit status and output are those without the shim."""
    plain, with_it = emulated(program, "emulated"), emulated(program, "emulated", LD_PRELOAD=SHIM)
    lab.equal("alone", (plain.status, plain.stderr), (0, ""))
    lab.equal("with it", (with_it.status, with_it.stdout, with_it.stderr), (0, plain.stdout, ""))


def jumps():
    said = emulated("jumps", LD_PRELOAD=SHIM, HEADROOM_SOURCES="127.0.0.1-127.0.0.2")
    lab.equal("it said", (said.status, said.stdout), (0, "returns: ended\nexits: ended\ncancelled: cancelled\nreturns: ended\n"))


def found():
    said = emulated("found", "emulated", LD_PRELOAD=SHIM)
    lab.equal("it said", (said.status, said.stdout), (0, "memfd_create 1\nclose_range 0 0\nopen64 1\nclosefrom 0\n"
                                                         "_Fork and execveat 0\n"))


def fill(k):
    capacity = lab.ports(40000, 40099)
    with lab.Hold(5000):
        said = emulated("fill", "127.0.0.1", "5000", LD_PRELOAD=SHIM, HEADROOM_LOG="off",
                        HEADROOM_SOURCES=f"127.0.0.1-127.0.0.{k}")
    lab.equal("stdout", said.stdout, f"127.0.0.1 5000 opened {k * capacity}, connect EADDRNOTAVAIL\nheld\n")
    return f"{k * capacity} connections"


lab.main([
    ("inherited", lambda: as_without("sums")),
    ("fds in messages", lambda: as_without("messages")),
    ("names that only the shim has", found),
    ("connect() left by siglongjmp()", jumps),
    # qemu-user knows neither IP_BIND_ADDRESS_NO_PORT nor IP_LOCAL_PORT_RANGE, so it cannot be more.
    ("all ports of one source", lambda: fill(1)),
])
