#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_libc - the one libheadroom.so in programs for musl: untouched when they inherit it, and spread to the last port."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))

import lab  # noqa: E402
import programs  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
SHIM = lab.BUILD / "libheadroom.so"


def build(*names):
    lab.needs("musl-gcc")
    lab.not_under_sanitizer("it is for programs that were built with it")
    folder = lab.scratch() / "build"
    folder.mkdir()
    programs.put_product(lab.BUILD, folder)
    programs.make(programs.musl_compiler(folder), folder, names)
    return folder


def inherits():
    """Exit status and output as without; nothing on standard error."""
    folder = build("sums", "messages")
    for name in ("sums", "messages"):
        command = [str(folder / "tests/system" / name)]
        plain, with_it = lab.run(command), lab.run(command, env={"LD_PRELOAD": str(SHIM)})
        lab.equal(f"{name}, alone", (plain.status, plain.stderr), (0, ""))
        lab.equal(name, (with_it.status, with_it.stdout, with_it.stderr), (0, plain.stdout, ""))
    return "as without: threads, fork, vfork, spawn, files, fds in messages"


def system_test(name, wanted, *clients):
    """Cases of a test of tests/system, with the programs made for musl."""
    folder = build(*clients)
    done = lab.run([lab.PYTHON, str(lab.HERE / f"test_{name}.py"), *wanted], limit_s=lab.CASE_LIMIT_S,
                   env={"HEADROOM_BUILD": str(folder), "HEADROOM_SKIPS": os.devnull, "HEADROOM_TEST_BRIEF": ""})
    if done.status:
        raise lab.Failed(str(done))
    return f"test_{name}.py: as with glibc"


def found():
    """A program that asks dlsym() what there is gets what works."""
    folder = build("found")
    done = lab.run([str(folder / "tests/system/found")], {})
    lab.equal("it said", (done.status, done.stdout), (0, "memfd_create 1\nclose_range 0 0\nopen64 1\nclosefrom 0\n"
                                                         "_Fork and execveat 0\n"))


def jumps(compiler):
    """A thread that has left connect() by siglongjmp() ends as it would have, in whichever way."""
    lab.not_under_sanitizer("it has a word to say about longjmp()")
    program = lab.scratch() / "jumps"
    lab.needs(compiler)
    made = lab.run([compiler, "-O1", "-w", "-D_GNU_SOURCE", "-o", str(program), str(HERE / "jumps.c"), "-lpthread"])
    if made.status:
        raise lab.Failed(str(made))
    said = lab.run([str(program)], {"sources": "127.0.0.1-127.0.0.2"})
    lab.equal("it said", (said.status, said.stdout), (0, "returns: ended\nexits: ended\ncancelled: cancelled\nreturns: ended\n"))


def by_command():
    """`headroom run` takes a program for musl."""
    folder = build("sums")
    done = lab.run([str(folder / "tests/system/sums")], {"options": ["--summary"]})
    lab.equal("exit status", done.status, 0)
    return "headroom run takes it"


lab.main([
    ("a program that inherits it", inherits),
    ("headroom run", by_command),
    ("names that only the shim has", found),
    ("connect() left by siglongjmp(), musl", lambda: jumps("musl-gcc")),
    ("connect() left by siglongjmp(), glibc", lambda: jumps("gcc")),
    ("k times the capacity", lambda: system_test("fill", ["ipv4", "ipv6", "sources"], "fill", "hold")),
    ("calls as without it", lambda: system_test("transparency", [], "calls", "hold")),
])
