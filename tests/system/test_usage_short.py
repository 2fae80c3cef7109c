#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_usage_short - processes that live for one connection leave few files, and nothing they counted is lost."""
import json
import os
import pathlib
import random
import re
import resource

import lab
from sock_diag import tuples

PORT, COUNT = 5000, 300
KEPT = 8  # of a name that keep a segment of their own
PAGES_MOST = 11  # more that a forked child touches first


def state():
    if not lab.state():
        raise lab.Skipped("no memory file system at /dev/shm")
    return lab.state()


def report():
    done = lab.run([str(lab.HEADROOM), "report", "--json"], env={"HEADROOM_STATE_DIR": str(state())})
    lab.equal("exit status", (done.status, done.stderr), (0, ""))
    return json.loads(done.stdout)["processes"]


def spaces():
    return [s for p in report() for s in p["spaces"]]


def total(name):
    return sum(s[name] for s in spaces())


def run(*arguments, shim=None):
    done = lab.run([lab.client("short"), *arguments], shim or {}, limit_s=120)
    lab.equal("all connected", done.stdout, "done, 0 failed\n")


def files():
    """Without the board, on which whoever was slow writes."""
    return [f for f in state().iterdir() if f.name != "board"]


def counted():
    """Some end by exit(), some by _exit() with the connection open."""
    lab.ports(30000, 39999)
    with lab.Hold(PORT):
        run("-k", str(PORT), str(COUNT))
        lab.equal("opened, TIME_WAIT", (total("opened"), total("time_wait")), (COUNT, sum(tuples(PORT).values())))
        lab.equal("TIME_WAIT", total("time_wait"), COUNT)
        lab.equal("files", len(files()), KEPT + 1)
        lab.equal("KiB", sum(f.stat().st_blocks // 2 for f in files()) < 128, True)
        merged = [p for p in report() if p["pid"] is None]
        lab.equal("added up", [(p["name"], p["processes"], p["running"]) for p in merged],
                  [("short", COUNT - KEPT, False)])
        text = lab.run([str(lab.HEADROOM), "report"], env={"HEADROOM_STATE_DIR": str(state())}).stdout
        lab.equal("a line for them", f"short-lived processes of short, {COUNT - KEPT} of them" in text, True)


def by_source():
    lab.ports(30000, 39999)
    with lab.Hold(PORT):
        run(str(PORT), str(COUNT), "3", shim={"sources": "127.0.0.1-127.0.0.8"})
        seen = {}
        for s in spaces():
            if s["source"]:
                seen[s["source"]] = seen.get(s["source"], 0) + s["time_wait"]
        kernel = {}
        for source, count in tuples(PORT).items():
            kernel[source] = kernel.get(source, 0) + count
        lab.equal("TIME_WAIT by source", seen, kernel)
        lab.equal("files", len(files()), KEPT + 1)


def at_once():
    """Many add to it at the same time; some are killed while they do."""
    lab.ports(30000, 39999)
    with lab.Hold(PORT):
        run(str(PORT), "20")
        many = [lab.Process([lab.client("short"), str(PORT), "60"], {}) for _ in range(6)]
        for one in many:
            lab.equal("all connected", one.wait().stdout, "done, 0 failed\n")
        lab.equal("opened", total("opened"), 20 + 6 * 60)
        lab.equal("TIME_WAIT", total("time_wait"), sum(tuples(PORT).values()))


def few_calls():
    """A child takes over what its parent has found out, and looks for nothing: what is to be counted it adds at its end."""
    lab.needs("strace")
    lab.not_under_sanitizer("it makes calls of its own, and knows no stack but the program's")
    lab.ports(30000, 30399)  # so few that no connect() is slow, as it may be on a busy machine
    trace = lab.scratch() / "trace"
    with lab.Hold(PORT):
        done = lab.run(["strace", "-f", "-o", str(trace), str(lab.HEADROOM), "run", "--", lab.client("short"), str(PORT),
                        "60"], limit_s=60, env={"HEADROOM_STATE_DIR": str(state())})
        lab.equal("all connected", done.stdout, "done, 0 failed\n")
    of = {}
    for line in trace.read_text().splitlines():
        call = re.match(r"(\d+) +(\w+)\(", line)
        if call:
            of.setdefault(int(call[1]), []).append(call[2])
    parent, *children = of
    last = of[children[-1]]
    for name, most in (("openat", 1), ("socket", 1), ("fcntl", 0), ("newfstatat", 0), ("prlimit64", 0), ("mmap", 2),
                       ("uname", 0)):
        if last.count(name) > most:
            raise lab.Failed(f"{name}(): {last.count(name)} in a child: {last}")
    if len(last) > 30:
        raise lab.Failed(f"{len(last)} system calls in a child: {last}")
    return f"{len(last)} system calls in a child, {len(of[children[0]])} in the first"


def few_pages():
    """Each page that a child touches first costs it 1 to 3 us."""
    lab.not_under_sanitizer("it has pages of its own")
    lab.ports(30000, 39999)

    def pages(shim):
        """Return: page faults of a child: 1,000 children more, and what they add. Of five parents, as where a library is
        loaded decides on some."""
        def faults(count):
            before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt
            for _ in range(5):
                lab.equal("all connected", lab.run([lab.client("short"), str(PORT), str(count)], shim).stdout, "done, 0 failed\n")
            return resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt - before
        return (faults(240) - faults(40)) / 1000

    with lab.Hold(PORT):
        run(str(PORT), "20")
        without, shimmed = pages(None), pages({})
    if shimmed > without + PAGES_MOST:
        raise lab.Failed(f"{shimmed} page faults in a child, {without} without the shim")
    return f"{shimmed} page faults in a child, {without} without the shim"


def other_user():
    """A child that has become another user counts as that one, not where its parent counts."""
    lab.own_memory_files()
    pathlib.Path("/dev/shm").chmod(0o1777)
    lab.ports(30000, 39999)
    with lab.Hold(PORT):
        run(str(PORT), "40", shim={"env": {"HEADROOM_STATE_DIR": ""}})
        run("-u", "65534", str(PORT), "40", shim={"env": {"HEADROOM_STATE_DIR": ""}})
    place = pathlib.Path("/dev/shm/headroom-65534")
    done = lab.run([str(lab.HEADROOM), "report", "--json"], env={"HEADROOM_STATE_DIR": str(place)})
    opened = sum(s["opened"] for p in json.loads(done.stdout)["processes"] for s in p["spaces"])
    lab.equal("whose files", {f.stat().st_uid for f in place.iterdir()}, {65534})
    lab.equal("opened as that user", opened, 40)


OPEN = """import socket
held = [socket.create_connection(("127.0.0.1", {port})) for _ in range({count})]
print("held", flush=True)
input()
"""


def seen_by_siblings():
    """What they left in TIME_WAIT counts for who spreads over the same sources."""
    lab.ports(30000, 30399)
    lab.sysctl("ipv4/tcp_tw_reuse", 0)
    with lab.Hold(PORT):
        run(str(PORT), "60", shim={"sources": "127.0.0.1"})
        command = [lab.PYTHON, "-c", OPEN.format(port=PORT, count=40)]
        with lab.Process(command, {"sources": "127.0.0.1-127.0.0.2"}, stdin=True) as process:
            lab.wait_for(lambda: "held" in process.stdout(), "40 connections", process)
            lab.equal("by source", dict(tuples(PORT)), {"127.0.0.1": 60, "127.0.0.2": 40})


def cheap_to_look_at():
    """To see what a sibling has in use six system calls are enough, one of them open(), no /proc, no memory; and none for
    one elsewhere."""
    lab.needs("strace")
    lab.not_under_sanitizer("it makes calls of its own, and knows no stack but the program's")
    trace = lab.scratch() / "trace"
    shim = {"sources": "127.0.0.1-127.0.0.8"}

    def start(count):
        started = [lab.Process([lab.PYTHON, "-c", OPEN.format(port=PORT, count=8)], shim, stdin=True) for _ in range(count)]
        for worker in started:
            lab.wait_for(lambda w=worker: "held" in w.stdout(), "8 connections", worker)
        return started

    def opened(worker):
        name = next(f.name for f in files() if f".{worker.pid}." in f.name)
        return [i for i, line in enumerate(lines) if f'"{name}"' in line]

    lab.ports(30000, 39999)
    with lab.Hold(PORT):
        elsewhere = start(2)
    lab.new_network()
    lab.ports(30000, 39999)
    with lab.Hold(PORT):
        workers = start(12)
        lab.run(["strace", "-f", "-o", str(trace), str(lab.HEADROOM), "run", "--sources", shim["sources"], "--",
                 lab.client("short"), str(PORT), "1"], env={"HEADROOM_STATE_DIR": str(state())})
        for worker in workers + elsewhere:
            worker.end_input()
        lines = trace.read_text().splitlines()
        looks = [opened(worker) for worker in workers]
        lab.equal("open() of a sibling's segment", [len(look) for look in looks], [1] * 12)
        lab.equal("of one in another network namespace", [opened(worker) for worker in elsewhere], [[], []])
        lab.equal("its /proc", [w.pid for w in workers if any(f"/proc/{w.pid}/" in line for line in lines)], [])
        first, last = min(looks)[0], max(looks)[0]
        lab.equal("memory for it", [line for line in lines[first:last] if "map(" in line], [])
        own = [line for line in lines if line.startswith(lines[first].split()[0] + " ") and "resumed>" not in line]
        calls = own.index(lines[last]) - own.index(lines[first])
        lab.equal("system calls for the others than the last", calls, 6 * (len(workers) - 1))
        lab.equal("its own start, and the boot's", [line for line in own if "/stat\"" in line or "boot_id" in line], [])


def long_life():
    """One of them that goes on gets a segment after all."""
    lab.ports(30000, 39999)
    with lab.Hold(PORT):
        run(str(PORT), "40")
        (lab.scratch() / "short").symlink_to(lab.PYTHON)
        script = ("import socket, time\n"
                  f"held = [socket.create_connection(('127.0.0.1', {PORT}))]\n"
                  "time.sleep(.2)\n"
                  f"held.append(socket.create_connection(('127.0.0.1', {PORT})))\n"
                  "print('held', flush=True); input()\n")
        with lab.Process([str(lab.scratch() / "short"), "-c", script], {}, stdin=True) as process:
            lab.wait_for(lambda: "held" in process.stdout(), "two connections", process)
            running = [p for p in report() if p["running"]]
            lab.equal("running", [(p["pid"], sum(s["open"] for s in p["spaces"])) for p in running],
                      [(process.pid, 2)])


def planted():
    """What is no such file, or not trusted, changes nothing for programs, and is told by the report."""
    target = state() / "recent.1"
    size = 0
    lab.ports(30000, 39999)
    with lab.Hold(PORT):
        run(str(PORT), "20")
        size, good = target.stat().st_size, target.read_bytes()
        victim = lab.scratch() / "victim"
        victim.write_bytes(b"x" * size)
        seed = random.Random(1)
        for name, put in (("link", lambda: target.symlink_to(victim)),
                          ("short", lambda: target.write_bytes(good[:1000])),
                          ("noise", lambda: target.write_bytes(seed.randbytes(size))),
                          ("used", lambda: target.write_bytes(good[:20] + b"\xff\xff\xff\xff" + good[24:])),
                          ("pipe", lambda: os.mkfifo(target, 0o600)),
                          ("directory", lambda: target.mkdir())):
            target.unlink()
            put()
            if not target.is_symlink():
                target.chmod(0o600 if name != "directory" else 0o700)
            run(str(PORT), "20")
            done = lab.run([str(lab.HEADROOM), "report", "--json"], env={"HEADROOM_STATE_DIR": str(state())})
            skipped = [s["path"] for s in json.loads(done.stdout)["skipped"]]
            lab.equal(f"{name}: skipped", (done.status, skipped), (0, [str(target)]))
            if name == "directory":
                target.rmdir()
                target.write_bytes(b"")
        lab.equal("the victim", set(victim.read_bytes()), {ord("x")})
        target.unlink()
        # Others may look into it: not ours to write.
        target.write_bytes(good)
        target.chmod(0o666)
        run(str(PORT), "20")
        lab.equal("not written", target.read_bytes() == good, True)


lab.main([
    ("counted", counted),
    ("by source", by_source),
    ("at once", at_once),
    ("few calls in a child", few_calls),
    ("few pages in a child", few_pages),
    ("a child of another user", other_user),
    ("seen by siblings", seen_by_siblings),
    ("siblings are cheap to look at", cheap_to_look_at),
    ("one that goes on", long_life),
    ("planted files", planted),
])
