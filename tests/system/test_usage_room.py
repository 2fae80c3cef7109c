#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_usage_room - usage segments take a small share of /dev/shm, and never the memory that programs need there."""
import contextlib
import os
import pathlib
import re

import lab

SHM = pathlib.Path("/dev/shm")
CLIENT = [lab.PYTHON, str(lab.HERE / "clients/steered.py")]
WORKERS = 12


def shm(size):
    if os.geteuid():
        raise lab.Skipped("no right to mount")
    lab.own_memory_files(size)


def start(orders, **env):
    """A client that runs by the default places, all of them but /dev/shm closed to it."""
    env = {"HEADROOM_STATE_DIR": "", "XDG_RUNTIME_DIR": "", "HEADROOM_LOG_LEVEL": "info", **env}
    wrap = ["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups"]
    client = lab.Process([*wrap, *CLIENT], {}, stdin=True, env=env)
    for number, order in enumerate(orders, 1):
        client._stdin.write(f"{order}\n".encode())
        client._stdin.flush()
        lab.wait_for(lambda n=number: len(client.stdout().splitlines()) >= n, order, client)
    return client


def lines(client):
    return re.findall(r"event=no_usage.*", client.stderr())


def ours():
    return sum(f.stat().st_blocks * 512 for d in SHM.glob("headroom-*") for f in d.iterdir())


def used():
    fs = os.statvfs(SHM)
    return (fs.f_blocks - fs.f_bfree) * fs.f_frsize


def shared():
    """Each of the workers would take 300 KiB."""
    shm("4m")
    (SHM / "theirs").write_bytes(b"x" * (1 << 20))
    with contextlib.ExitStack() as workers:
        clients = [workers.enter_context(start(["refused 600"])) for _ in range(WORKERS)]
        lab.equal("a sixteenth at most", 0 < ours() <= (4 << 20) // 16, True)
        lab.equal("lines of those that have a segment", {len(lines(c)) for c in clients} <= {0, 1}, True)
        # What is left can be had by the program.
        (SHM / "more").write_bytes(b"x" * ((4 << 20) - used()))


def too_small(size, fill=0):
    shm(size)
    if fill:
        (SHM / "theirs").write_bytes(b"x" * fill)
    with start(["refused 20", "refused 20"]) as client:
        lab.equal("ours", ours(), 0)
        lab.equal("lines", len(lines(client)), 1)
        if "level=info" not in client.stderr():
            raise lab.Failed(f"not at level info: {client.stderr()}")


def full_later():
    """No more is taken once less than a quarter is free; what was taken can be written to."""
    shm("4m")
    with start(["refused 5"]) as client:
        before = ours()
        (SHM / "theirs").write_bytes(b"x" * ((4 << 20) - used()))
        client._stdin.write(b"refused 600\n")
        client._stdin.flush()
        lab.wait_for(lambda: len(client.stdout().splitlines()) >= 2, "600 more", client)
        lab.equal("ours", (before > 0, ours()), (True, before))


def foreign_directory():
    """Somebody's mkdir takes the place of another user's segments: that is told by the report, not by programs."""
    shm("4m")
    (SHM / "headroom-1000").mkdir(mode=0o700)
    os.chown(SHM / "headroom-1000", 1001, 1001)
    with start(["refused 5"], HEADROOM_LOG_LEVEL="warn") as client:
        lab.equal("said", client.stderr(), "")
        wrap = ["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups"]
        said = lab.run([*wrap, str(lab.HEADROOM), "report"], env={"HEADROOM_STATE_DIR": "", "XDG_RUNTIME_DIR": ""})
        lab.equal("report", ("belongs to another user" in said.stderr, said.status), (True, 0))


def runtime_of_another():
    """`sudo -E` keeps XDG_RUNTIME_DIR: nothing is made there that would keep its user out."""
    shm("4m")
    (SHM / "run").mkdir(mode=0o700)
    with start(["refused 5"], XDG_RUNTIME_DIR=str(SHM / "run")):
        lab.equal("in it", os.listdir(SHM / "run"), [])
    os.chown(SHM / "run", 1000, 1000)
    with start(["refused 5"], XDG_RUNTIME_DIR=str(SHM / "run")):
        lab.equal("in his own", len(os.listdir(SHM / "run/headroom")), 1)


lab.main([
    ("shared with programs", shared),
    ("too small", lambda: too_small("32k")),
    ("full at the start", lambda: too_small("4m", 4 << 20)),
    ("full later", full_later),
    ("a directory of another user", foreign_directory),
    ("XDG_RUNTIME_DIR of another user", runtime_of_another),
])
