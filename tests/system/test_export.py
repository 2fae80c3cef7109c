#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_export - `headroom export`: what it tells is what the kernel counts. Label sets are bounded, counters never fall."""
import re
import shutil
import struct

import lab
from exported import command, export, fill, left, lint, Listening, parse, PORT, state, sums, values
from sock_diag import tuples


def counts():
    """Headroom of each source, after all processes; with --host those without the shim too."""
    with lab.Hold(PORT), fill(40), fill(20), fill(10, shim=False):
        ours = export()
        lab.equal("without the third", sum(values(ours, "in_use_ports").values()), 60)
        seen = export("--host")
        lab.equal("headroom", values(seen, "ports"), left())
        lab.equal("in use", values(seen, "in_use_ports"), tuples(PORT))
        lab.equal("of the processes", sum(values(seen, "process_in_use_ports").values()), 60)
        lab.equal("processes", values(seen, "processes", "process"), {"fill": 2})
        lab.equal("opened", sum(values(seen, "connections_opened_total").values()), 60)
        lab.equal("calls in the histograms", sum(values(seen, "connect_duration_seconds_count").values()), 60)
        lab.equal("+Inf", sum(values(seen, "connect_duration_seconds_bucket", le="+Inf").values()), 60)
        lab.equal("host", [values(seen, f"host_{n}_ports")[None] for n in ("range", "reserved", "capacity")],
                  [100, 0, 100])


def bounded():
    """60 destinations, --top 5: five with labels of their own; sums are the same."""
    with fill(1, *range(6000, 6060), sources="127.0.0.1"):
        everything, some = export("--top", "500"), export("--top", "5")
        opened = values(some, "connect_failures_total", "destination", errno="ECONNREFUSED")
        lab.equal("label sets", (len(opened), "other" in opened), (6, True))
        lab.equal("sum", sum(opened.values()), 60)
        lab.equal("all", len(values(everything, "connect_failures_total", "destination", errno="ECONNREFUSED")), 60)
        lab.equal("lines", len(some) < 6 * 50 + 20, True)


def per_pid():
    with lab.Hold(PORT), fill(10) as one, fill(20) as other:
        seen = export("--per-pid")
        lab.equal("processes", values(seen, "processes", "pid"), {str(one.pid): 1, str(other.pid): 1})
        lab.equal("opened", sum(values(seen, "connections_opened_total", pid=str(other.pid)).values()), 20)


def many_programs():
    """210 programs: 200 have labels of their own, the rest are `other`; the sums are whole."""
    with lab.Hold(PORT), fill(7, sources="127.0.0.1"):
        [segment] = state().iterdir()
        data = segment.read_bytes()
    segment.unlink()
    for i in range(210):
        # Its pid, so that it is a process of its own, and its name: struct usage_header.
        copy = bytearray(data)
        struct.pack_into("=I", copy, 36, 1000 + i)
        struct.pack_into("=64s", copy, 256, f"program{i:03}".encode())
        path = state() / f"00000000001.{1000 + i}.00000000"
        path.write_bytes(copy)
        path.chmod(0o400)
    seen = export()
    opened = sums(seen, "connections_opened_total", "process")
    lab.equal("programs with labels", (len(opened), "other" in opened), (201, True))
    lab.equal("opened by the rest", opened.pop("other"), 10 * 7)
    lab.equal("opened by each", set(opened.values()), {7})
    processes = values(seen, "processes", "process")
    lab.equal("groups of processes", (len(processes), "other" in processes), (201, True))


def networks():
    """A program in another network namespace: its rows say so, by the inode of the namespace; ours do not."""
    script = 'ip link set lo up; stat -Lc %i /proc/self/ns/net; exec "$@"'
    with lab.Hold(PORT), fill(10, sources="127.0.0.1"), \
            lab.Process(["unshare", "-n", "sh", "-c", script, "sh", lab.client("fill"), "-c", "1", "127.0.0.9", str(PORT)],
                        {}, stdin=True) as other:
        lab.wait_for(lambda: "held" in other.stdout(), "its connection", other)
        inode = other.stdout().split()[0]
        seen = export()
        lab.equal("opened here", sums(seen, "connections_opened_total", "netns"), {None: 10, inode: 0})
        lab.equal("failed", sums(seen, "connect_failures_total", "netns", errno="ECONNREFUSED"), {inode: 1})
        lab.equal("in use", sums(seen, "in_use_ports", "netns"), {None: 10, inode: 0})


def never_fall():
    """A destination that gets labels of its own, a process that ends, a segment that goes: counters only rise."""
    def opened(**expected):
        equal = {name.replace("to", "127.0.0.9:"): number for name, number in expected.items()}
        lab.equal("opened", values(server.samples(), "connections_opened_total", "destination"), equal)

    with lab.Hold(PORT), lab.Hold(PORT + 1), Listening("--top", "1") as server:
        with fill(10, PORT, PORT + 1, sources="127.0.0.1"):
            opened(to5000=10, other=10)
            with fill(30, PORT + 1, sources="127.0.0.1"):
                opened(to5001=30, other=10)  # 5000 has lost its labels, to the fuller one
            opened(to5001=30, other=10)
        for segment in state().iterdir():
            segment.unlink()
        opened()
        with fill(5, PORT, sources="127.0.0.1"):
            opened(to5000=15, other=10)


def names():
    """A program's name with quotes and a backslash; segments that are none."""
    name = lab.scratch() / 'a"b\\c'
    shutil.copy(lab.client("fill"), name)
    with lab.Hold(PORT), fill(5, program=str(name)):
        (state() / "00000000001.1.00000001").write_bytes(b"x" * 5000)
        (state() / "00000000001.1.00000001").chmod(0o400)
        done = lab.run(command())
        lab.equal("status, lines", (done.status, done.stderr.count("\n")), (0, 1))
        seen = parse(done.stdout)
        lab.equal("name", values(seen, "processes", "process"), {'a\\"b\\\\c': 1})
        lab.equal("skipped", values(seen, "export_skipped_segments")[None], 1)
        lint(done.stdout)


def linted():
    with lab.Hold(PORT), fill(40):
        lint(lab.run(command("--host", "--per-pid")).stdout)
        lint(lab.run(command()).stdout)
    lint(lab.run(command()).stdout)


def documented():
    """docs/users/metrics.md lists each metric with its type, and no other. Those of attached cgroups: test_attach.py."""
    with lab.Hold(PORT), fill(10):
        text = lab.run(command("--all-netns")).stdout
    page = (lab.HERE.parent.parent / "docs/users/metrics.md").read_text()
    listed = dict(re.findall(r"^\| `(headroom_\w+)` \| (\w+) \|", page, re.M))
    seen = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M))
    listed, seen = ({name: kind for name, kind in of.items() if not name.startswith("headroom_attach_")}
                    for of in (listed, seen))
    lab.equal("types", listed, seen)
    return f"{len(listed)} metrics"


lab.main([
    ("counts", counts),
    ("label sets", bounded),
    ("per process", per_pid),
    ("200 programs", many_programs),
    ("network namespaces", networks),
    ("counters never fall", never_fall),
    ("names from outside", names),
    ("promtool check metrics", linted),
    ("documented", documented),
])
