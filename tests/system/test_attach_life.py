#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_attach_life - `headroom attach` and `detach`: where, beside whom, in which order; whatever happens, nothing is left."""
import contextlib
import json
import os
import re

import attached
import lab
import sock_diag
from attached import PORT, SOURCES, attach, cgroup, client, detach


def foreign_program():
    """What others have attached there runs as before, and is named."""
    lab.needs("bpftool", "clang")
    program, pin = lab.scratch() / "foreign.o", f"/sys/fs/bpf/headroom-test-{os.getpid()}"
    done = lab.run(["clang", "-O2", "-g", "-target", "bpf", f"-I/usr/include/{os.uname().machine}-linux-gnu",
                    "-c", str(lab.HERE / "attach_foreign.bpf.c"), "-o", str(program)])
    lab.equal("clang", (done.status, done.stderr), (0, ""))

    def bpftool(*arguments):
        done = lab.run(["bpftool", "-j", *arguments])
        if done.status:
            raise lab.Failed(f"bpftool {arguments}: {done}")
        return json.loads(done.stdout or "null")

    def counted():
        number = bpftool("prog", "show", "pinned", pin)["map_ids"][0]
        return bpftool("map", "lookup", "id", str(number), "key", "0", "0", "0", "0")["formatted"]["value"]

    with lab.Hold(PORT), cgroup() as folder, client(folder) as process:
        attach(folder)  # skips where nothing can be attached
        detach(folder)
        bpftool("prog", "load", str(program), pin)
        try:
            bpftool("cgroup", "attach", str(folder), "connect4", "pinned", pin, "multi")
            process.go(10)
            attach(folder)
            lab.equal("attached", process.go(40), (40, 0, 0))
            lab.equal("named", [p["name"] for p in attached.listed(folder)["foreign_programs"]], ["foreign"])
            detach(folder)
            process.go(10)
            lab.equal("connect() seen by the foreign program", counted(), 60)
        finally:
            os.unlink(pin)
    return "60 of 60"


def killed_half_way():
    """At any of its system calls that matter: all of it is there, or nothing."""
    lab.needs("strace")
    lab.not_under_sanitizer("strace")
    outcomes = []
    with lab.Hold(PORT), cgroup() as folder, client(folder) as process:
        attach(folder)
        detach(folder)
        places = [("bpf", n) for n in range(1, 400)] + [("mkdirat", 1), ("renameat", 1), ("close", 9)]
        done_with = set()
        for call, number in places:
            if call in done_with:
                continue
            done = lab.run(["strace", "-o", "/dev/null", "-e", f"trace={call}",
                            "-e", f"inject={call}:signal=KILL:when={number}", str(lab.HEADROOM), "attach", str(folder),
                            "--sources", ",".join(SOURCES)])
            if not done.status:  # so many calls there are not
                done_with.add(call)
            lab.wait_for(lambda: not any("new-" in p for p in attached.pinned(folder)), "half of it to go")
            if attached.listed(folder):
                outcomes.append("all")
                before = sock_diag.tuples(PORT)
                process.go(4)
                seen = sock_diag.tuples(PORT)
                lab.equal("attached: from 127.0.0.1", seen.get("127.0.0.1"), before.get("127.0.0.1"))
                detach(folder)
            else:
                outcomes.append("nothing")
                lab.equal(f"pinned after {call} {number}", attached.pinned(folder), [])
    if not {"all", "nothing"} <= set(outcomes):
        raise lab.Failed(f"never killed at the right time: {outcomes}")
    return f"{len(outcomes)} times"


def refusals():
    """One line and status 2 for each mistake."""
    with cgroup() as folder:
        attach(folder)
        for arguments, words in (
                (["attach"], "expected a TARGET"), (["attach", str(folder), "a"], "one TARGET"),
                (["attach", str(folder)], "nothing to spread over"),
                (["attach", str(folder), "--sources", "auto"], "`auto` is for programs under the shim"),
                (["attach", str(folder), "--sources", "127.0.0.2"], "is attached already"),
                (["attach", "/tmp", "--sources", "127.0.0.2"], "is not a folder of cgroup v2"),
                (["attach", "pid:0", "--sources", "127.0.0.2"], "is not a process id"),
                (["attach", "none-such.service", "--sources", "127.0.0.2"], "no cgroup is called none-such.service"),
                (["attach", "container:12345", "--sources", "127.0.0.2"], "at least 6 letters"),
                (["attach", str(folder), "--sources", "127.0.0.2", "--spread", "wide"], "--spread"),
                (["attach", str(folder), "--list"], "--list"), (["attach", "--json"], "--json"),
                (["detach"], "expected one TARGET"), (["detach", "--all", "a"], "expected one TARGET")):
            done = attached.headroom(*arguments)
            lab.equal(f"{arguments}: status, stdout", (done.status, done.stdout), (2, ""))
            if words not in done.stderr or len(done.stderr.splitlines()) != 1:
                raise lab.Failed(f"{arguments}: {done.stderr}")
        detach(folder)
        done = attached.headroom("detach", str(folder))
        lab.equal("detached twice", done.status, 2)
    return "14 mistakes"


def targets():
    """pid:N, the name of a unit, container:ID."""
    with lab.Hold(PORT), cgroup() as folder:
        unit, container = folder / f"hr-test-{os.getpid()}.service", folder / f"docker-{os.getpid():064x}.scope"
        for path, word in ((unit, unit.name), (container, f"container:{os.getpid():064x}"), (folder, None)):
            path.mkdir(exist_ok=True)
            try:
                with client(path) as process:
                    word = word or f"pid:{process.pid}"
                    attach(word)
                    lab.equal("listed", attached.listed(path) is not None, True)
                    lab.equal("detach", attached.headroom("detach", word).status, 0)
                    process.wait()
            finally:
                if path != folder:
                    lab.wait_for(lambda: not (path / "cgroup.procs").read_text(), "an empty cgroup")
                    path.rmdir()
    return "3 kinds"


def detach_all():
    """Also where some cgroups are gone, or half attached; the folder of pins goes with the last."""
    with cgroup() as one, cgroup() as other:
        attach(one)
        attach(other)
        done = attached.headroom("detach", "--all")
        lab.equal("detach --all", (done.status, done.stderr, len(done.stdout.splitlines())), (0, "", 2))
        lab.equal("the folder of pins", attached.PINS.exists(), False)
        done = attached.headroom("detach", "--all")
        lab.equal("again", (done.status, done.stdout, done.stderr), (0, "", ""))
        lab.equal("list", attached.headroom("attach", "--list").stdout, "nothing is attached\n")
    return "2 cgroups"


def at_once():
    """Commands that run together wait for each other."""
    with contextlib.ExitStack() as held:
        folders = [held.enter_context(cgroup()) for _ in range(4)]
        attach(folders[0])
        detach(folders[0])
        for _ in range(3):
            for verb in (["attach", "--sources", "127.0.0.2"], ["detach"]):
                started = [lab.Process([str(lab.HEADROOM), *verb, str(folder)]) for folder in folders]
                for process in started:
                    done = process.wait()
                    lab.equal(f"{verb}: status, stderr", (done.status, done.stderr), (0, ""))
            lab.equal("the folder of pins", attached.PINS.exists(), False)
    return "4 commands, 6 times"


def without_rights():
    with cgroup() as folder:
        attach(folder)
        for arguments in (["attach", str(folder), "--sources", "127.0.0.2"], ["attach", "--list"], ["detach", "--all"]):
            done = lab.run(["setpriv", "--reuid", "65534", "--clear-groups", "--inh-caps", "-all",
                            str(lab.HEADROOM), *arguments])
            lab.equal("status, stdout", (done.status, done.stdout), (2, ""))
            if "needs root, or CAP_BPF" not in done.stderr or len(done.stderr.splitlines()) != 1:
                raise lab.Failed(done.stderr)
        lab.equal("still attached", attached.listed(folder) is not None, True)
    return "one line"


def metrics():
    """`headroom export`: the sums of each attached cgroup."""
    with lab.Hold(PORT), cgroup() as folder, client(folder) as process:
        attach(folder, "--strict")
        process.go(410)
        done = attached.headroom("export", "--state-dir", str(lab.scratch()))
        lab.equal("export", (done.status, done.stderr), (0, ""))
        seen = dict(line.rsplit(" ", 1) for line in done.stdout.splitlines() if line.startswith("headroom_attach_"))
        label = f'cgroup="{folder}"'
        lab.equal("metrics", {name: seen.get(f"headroom_attach_{name}") for name in (
            f"open_connections{{{label}}}", f"time_wait_connections{{{label}}}", f"opened_total{{{label}}}",
            f"lost_total{{{label}}}", f'failures_total{{{label},reason="full"}}')},
            {f"open_connections{{{label}}}": "400", f"time_wait_connections{{{label}}}": "0",
             f"opened_total{{{label}}}": "400", f"lost_total{{{label}}}": "0",
             f'failures_total{{{label},reason="full"}}': "10"})
        page = (lab.HERE.parent.parent / "docs/users/metrics.md").read_text()
        lab.equal("documented", sorted(re.findall(r"^\| `(headroom_attach_\w+)` \| (\w+) \|", page, re.M)),
                  sorted([("headroom_attach_hidden", "gauge"),
                          *re.findall(r"^# TYPE (headroom_attach_\w+) (\w+)$", done.stdout, re.M)]))
        detach(folder)
        if "headroom_attach" in attached.headroom("export", "--state-dir", str(lab.scratch())).stdout:
            raise lab.Failed("still exported")
    return "10 lines"


def nested():
    """The inner cgroup's programs come first; the outer's find a source and step aside."""
    with lab.Hold(PORT), cgroup() as outer, cgroup(outer) as inner, client(inner) as process:
        attach(outer, sources=["127.0.0.20"])
        lab.equal("outer", process.go(10), (10, 0, 0))
        attach(inner, sources=["127.0.0.21"])
        lab.equal("both", process.go(10), (10, 0, 0))
        lab.equal("from", sock_diag.tuples(PORT), {"127.0.0.20": 10, "127.0.0.21": 10})
        lab.equal("seen beside it", len(attached.listed(inner)["foreign_programs"]), 2)
        detach(inner)
        lab.equal("outer again", process.go(10), (10, 0, 0))
        lab.equal("from", sock_diag.tuples(PORT), {"127.0.0.20": 20, "127.0.0.21": 10})
    return "two attachments"


def ends_with_its_cgroup():
    with cgroup() as folder:
        attach(folder)
        number = folder.stat().st_ino
        folder.rmdir()
        lab.wait_for(lambda: attached.headroom("attach", "--list").stdout.find(str(folder)) < 0, "the list")
        lab.equal("pinned", attached.pinned_of(number), [])
        folder.mkdir()
    return "nothing left"


lab.main([
    ("metrics", metrics),
    ("nested", nested),
    ("a foreign program", foreign_program),
    ("killed half way", killed_half_way),
    ("mistakes", refusals),
    ("targets", targets),
    ("detach --all", detach_all),
    ("commands at once", at_once),
    ("without rights", without_rights),
    ("a cgroup that goes", ends_with_its_cgroup),
])
