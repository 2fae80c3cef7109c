#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_emulated - programs for aarch64; tests/abi/run calls it.

Under qemu-user, whose system calls are this kernel's: HEADROOM_EMULATED and HEADROOM_EMULATED_ROOT name what programs.make()
and sysroot.make() made; HEADROOM_EMULATED_SANITIZER is ThreadSanitizer's library, if it was made with that. Without these it runs the programs of HEADROOM_BUILD, in a machine that is for them.
"""
import functools
import os
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))

import lab  # noqa: E402

ROOT = os.environ.get("HEADROOM_EMULATED_ROOT")
BUILD = os.environ.get("HEADROOM_EMULATED") or lab.BUILD
PAGE_SIZE, LEAST_PAGE_SIZE = os.environ.get("QEMU_PAGESIZE", "4096"), "4096"
SANITIZER = os.environ.get("HEADROOM_EMULATED_SANITIZER")
# qemu-user cannot have itself started.
EMULATED = ("emulated",) if ROOT else ()
SHIM = f"{BUILD}/libheadroom.so"
THREADS_LIMIT_S = 1800


def emulated(program, *arguments, page_size=PAGE_SIZE, **environment):
    command = [f"{BUILD}/tests/system/{program}", *arguments]
    if not ROOT:
        return lab.run(command, env=environment, limit_s=lab.CASE_LIMIT_S)
    words = [word for name, value in environment.items() for word in ("-E", f"{name}={value}")]
    return lab.run(["qemu-aarch64", "-L", ROOT, *words, *command], env={"QEMU_PAGESIZE": page_size}, limit_s=lab.CASE_LIMIT_S)


def alone(run):
    """Without the shim. With qemu-user's larger pages musl's malloc() and stdio break by themselves; no kernel is like that.

    run: what runs the program, with a page_size
    """
    plain = run(page_size=PAGE_SIZE)
    if PAGE_SIZE != LEAST_PAGE_SIZE:
        least = run(page_size=LEAST_PAGE_SIZE)
        if (plain.status, plain.stdout) != (least.status, least.stdout):
            raise lab.Skipped(f"qemu-user: without the shim it is not with pages of {PAGE_SIZE} as with those of {LEAST_PAGE_SIZE}")
    return plain


def as_without(program):
    """Exit status and output are those without the shim."""
    plain = alone(functools.partial(emulated, program, *EMULATED))
    with_it = emulated(program, *EMULATED, LD_PRELOAD=SHIM)
    lab.equal("alone", (plain.status, plain.stderr), (0, ""))
    lab.equal("with it", (with_it.status, with_it.stdout, with_it.stderr), (0, plain.stdout, ""))


def jumps():
    said = emulated("jumps", LD_PRELOAD=SHIM, HEADROOM_SOURCES="127.0.0.1-127.0.0.2")
    lab.equal("it said", (said.status, said.stdout), (0, "returns: ended\nexits: ended\ncancelled: cancelled\nreturns: ended\n"))


def found():
    said = emulated("found", *EMULATED, LD_PRELOAD=SHIM)
    lab.equal("it said", (said.status, said.stdout), (0, "memfd_create 1\nclose_range 0 0\nopen64 1\nclosefrom 0\n"
                                                         "_Fork and execveat 0\n"))


def filled(**how):
    """All ports, in a network of its own."""
    lab.new_network()
    lab.ports(40000, 40099)
    with lab.Hold(5000):
        return emulated("fill", "127.0.0.1", "5000", **how)


def fill(k):
    alone(filled)
    said = filled(LD_PRELOAD=SHIM, HEADROOM_LOG="off", HEADROOM_SOURCES=f"127.0.0.1-127.0.0.{k}")
    lab.equal("stdout", said.stdout, f"127.0.0.1 5000 opened {k * 100}, connect EADDRNOTAVAIL\nheld\n")
    return f"{k * 100} connections"


def threads(sources):
    """Many at random, under ThreadSanitizer; see system/test_stress.py. Without setarch it starts itself anew, which qemu-user cannot.
    Without children, each of which takes gigabytes of memory there."""
    lab.new_network()
    lab.ports(10000, 60000)
    lab.ipv6_on_loopback(["fd00:1::1"])
    words = {"LD_PRELOAD": f"{SANITIZER}:{SHIM}", "TSAN_OPTIONS": "die_after_fork=0", "HEADROOM_SOURCES": sources, "HEADROOM_LOG": "off"}
    command = ["setarch", "-R", "qemu-aarch64", "-L", ROOT, *(word for name, value in words.items() for word in ("-E", f"{name}={value}")),
               f"{BUILD}/tests/system/stress", "1", "6", "childless"]
    with lab.Hold(5000, "http"), lab.Process(command) as process:
        lab.wait_for(lambda: "held" in process.stdout(), "the threads to end", process, limit_s=THREADS_LIMIT_S)
        process.send(signal.SIGTERM)
        ended = process.wait()
    lab.equal("exit status", ended.status, 0)
    lab.equal("complaints", [line for line in ended.stderr.splitlines() if "Sanitizer" in line], [])
    return ended.stdout.strip()


if SANITIZER:
    lab.CASE_LIMIT_S = 2 * THREADS_LIMIT_S
lab.main([
    ("32 threads, no sources", lambda: threads("")),
    ("32 threads, two sources", lambda: threads("127.0.0.1-127.0.0.2")),
] if SANITIZER else [
    ("inherited", lambda: as_without("sums")),
    ("fds in messages", lambda: as_without("messages")),
    ("names that only the shim has", found),
    ("connect() left by siglongjmp()", jumps),
    # qemu-user knows neither IP_BIND_ADDRESS_NO_PORT nor IP_LOCAL_PORT_RANGE, so it cannot be more.
    ("all ports of one source", lambda: fill(1)),
    *(() if ROOT else (("all ports of two sources", lambda: fill(2)),)),
])
