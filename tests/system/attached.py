# SPDX-License-Identifier: Apache-2.0
"""attached - what the tests of `headroom attach` share: cgroups of their own, clients that connect when they are told."""
import contextlib
import json
import os
import pathlib
import re

import lab

PINS = pathlib.Path("/sys/fs/bpf/headroom")
PORT, CAPACITY = 5000, 100
SOURCES = [f"127.0.0.{i}" for i in range(2, 6)]
# Puts itself into the cgroup, then runs the case.
INTO = "import ctypes, errno, os, socket, struct, sys\nopen(sys.argv[1] + '/cgroup.procs', 'w').write('0')\n"
# Of some connected sockets, which stay in `held`.
SOURCES_OF = """
def sources_of(count, kind, to, port):
    seen = set()
    for i in range(count):
        s = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, kind)
        s.connect((to, port))
        seen.add(s.getsockname()[0])
        held.append(s)
    return seen
"""
_serial = 0
_own_pins = False


def _take_pins_of_our_own():
    """A BPF file system for this case alone: others that attach are not met, and nothing is left."""
    global _own_pins
    if _own_pins:
        return
    _own_pins = True
    try:
        lab.call("unshare", lab.CLONE_NEWNS)
        lab.call("mount", b"none", b"/", None, lab.MS_REC | lab.MS_PRIVATE, None)
        lab.call("mount", b"bpf", b"/sys/fs/bpf", b"bpf", 0, None)
    except OSError as refused:
        raise lab.Skipped(f"no attaching here: {refused}") from None


def headroom(*arguments, **how):
    if lab.SANITIZER:
        how["env"] = {"LD_PRELOAD": lab.SANITIZER, "ASAN_OPTIONS": "detect_leaks=0", **how.get("env", {})}
    return lab.run([str(lab.HEADROOM), *arguments], **how)


def _mount():
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        if line.split()[2] == "cgroup2":
            return pathlib.Path(line.split()[1])
    raise lab.Skipped("no attaching here: cgroup v2 is not mounted")


@contextlib.contextmanager
def cgroup(parent=None):
    """A cgroup of the test's own; what is attached to it and in it goes with it. Gives its folder."""
    global _serial
    if os.geteuid() or pathlib.Path("/proc/self/uid_map").read_text().split()[:2] != ["0", "0"]:
        raise lab.Skipped("no attaching here: needs root")
    _take_pins_of_our_own()
    _serial += 1
    folder = (parent or _mount()) / f"headroom-test-{os.getpid()}-{_serial}"
    try:
        folder.mkdir()
    except OSError as refused:
        raise lab.Skipped(f"no attaching here: {refused}") from None
    try:
        yield folder
    finally:
        headroom("detach", str(folder))
        for pid in (folder / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                os.kill(int(pid), 9)
        lab.wait_for(lambda: not (folder / "cgroup.procs").read_text(), "the cgroup to be empty")
        folder.rmdir()


def attach(folder, *options, sources=None):
    """Attaches, or skips where this build or this machine cannot."""
    listed = ["--sources", ",".join(SOURCES if sources is None else sources)] if sources != [] else []
    done = headroom("attach", str(folder), *listed, *options)
    if done.status and re.search("this build is without it|needs Linux|needs the kernel's type", done.stderr):
        raise lab.Skipped(f"no attaching here: {done.stderr.strip()}")
    if done.status or done.stderr:
        raise lab.Failed(f"attach: {done}")


def detach(folder):
    done = headroom("detach", str(folder))
    lab.equal("detach", (done.status, done.stderr), (0, ""))
    lab.equal("what is pinned", pinned(folder), [])


def pinned(folder):
    """What is in the BPF file system for a cgroup."""
    return pinned_of(folder.stat().st_ino)


def pinned_of(number):
    with contextlib.suppress(FileNotFoundError):  # not made so far, or taken away meanwhile
        return sorted(str(p) for p in PINS.glob(f"*-{number}*"))
    return []


def listed(folder):
    """What `attach --list --json` has of a cgroup; None if it is not attached."""
    done = headroom("attach", "--list", "--json")
    lab.equal("attach --list", (done.status, done.stderr), (0, ""))
    found = json.loads(done.stdout)
    lab.equal("schema", found["schema"], 1)
    for one in found["attached"]:
        if one["cgroup"] == str(folder):
            return one
    return None


class Client(lab.Process):
    """A program that runs already, in a cgroup: go(n) lets it connect n times."""

    def __init__(self, folder, command, **how):
        super().__init__(command, stdin=True, **how)
        self._lines = 0
        (folder / "cgroup.procs").write_text(str(self.pid))

    def go(self, count):
        """Return: (connected, failed, errno of the last failure)"""
        self._stdin.write(f"{count}\n".encode())
        self._stdin.flush()
        self._lines += 1
        lab.wait_for(lambda: self.stdout().count("\n") >= self._lines, "the client", self)
        return tuple(int(n) for n in re.findall(r"\d+", self.stdout().splitlines()[self._lines - 1]))


def client(folder, name="attach_client", to="127.0.0.1", *rest, **how):
    return Client(folder, [lab.client(name), to, str(PORT), *rest], **how)


def seen_by(folder, code, *options, sources=None):
    """Return: the lines that a program prints without an attachment, and with one; its second argument is 0, then 1."""
    without = lab.run([lab.PYTHON, "-c", INTO + code, str(folder), "0"])
    lab.equal("without: stderr", without.stderr, "")
    attach(folder, *options, sources=sources)
    done = lab.run([lab.PYTHON, "-c", INTO + code, str(folder), "1"])
    detach(folder)
    lab.equal("attached: stderr, status", (done.stderr, done.status), ("", without.status))
    return without.stdout.splitlines(), done.stdout.splitlines()
