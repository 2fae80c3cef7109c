#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_groups - sixty workers are one row, by unit, container or program, and can be told apart again."""
import contextlib
import os
import pwd
import re
import sys

import incident
from incident import FAR, NEAR, TO, lab

sys.path.insert(0, str(incident.HERE.parent / "system"))
import attached  # noqa: E402
import terminal  # noqa: E402

CONNECTS = f"for i in range(int(sys.argv[1])): connect('{FAR}', 5000)"
BINDS = f"connect('{FAR}', 5001, '{NEAR}', explicit=True)"
WORKERS, EACH = 8, 5


@contextlib.contextmanager
def workers(number=WORKERS, each=EACH, shim=True, text=CONNECTS):
    with contextlib.ExitStack() as held:
        yield [held.enter_context(incident.program(text, each, **({"shim": {}} if shim else {}))) for _ in range(number)]


def once(*words):
    """Return: [(who, headroom, open)] of `top --once`."""
    text = incident.headroom("top", "--once", "--host", "--delay", "0.1", *words).stdout
    return [(m[1].strip(), int(m[2]), int(m[3]))
            for m in re.finditer(r"^(.*?)  +\S+:\d+ +\S+ +(\d+) +\d+ +(\d+) ", text, re.M)]


def of_a_program():
    left = 200 - WORKERS * EACH
    with incident.network(), workers() as all_of_them:
        name = incident.name_of(all_of_them[0].pid)
        single = sorted((incident.who(w), left, EACH) for w in all_of_them)
        lab.equal("top", once(), [(f"{name} ({WORKERS})", left, WORKERS * EACH)])
        lab.equal("top --by process", sorted(once("--by", "process")), single)
        lab.equal("top --by source", once("--by", "source"), [("(all)", left, WORKERS * EACH)])
        [group] = incident.as_json("report", "--by", "workers")["groups"]
        lab.equal("report", [group[k] for k in ("name", "processes", "open", "headroom")], [name, WORKERS, WORKERS * EACH, left])
        lab.equal("report --by process", len(incident.as_json("report", "--by", "process")["groups"]), WORKERS)
        [group] = incident.as_json("report", "--by", "source")["groups"]
        lab.equal("report --by source", (group["name"], group["processes"]), (NEAR, WORKERS))
        user = pwd.getpwuid(os.geteuid()).pw_name
        incident.has("report --by user", incident.headroom("report", "--by", "user").stdout, f"user {user} ")
        space, text = incident.check()
        incident.has("check", text, f"held by    {name} ({WORKERS} processes) {WORKERS * EACH}\n")
        lab.equal("check's groups", space["groups"], [{"name": name, "processes": WORKERS, "sockets": WORKERS * EACH}])
        lab.equal("check's processes", len(space["processes"]), WORKERS)
        incident.has("check --by process", incident.check("--by", "process")[1], "3 more processes", incident.who(all_of_them[0]))
        lab.equal("truth", incident.truth(), left)


def few_stay_alone():
    with incident.network(), workers(3) as all_of_them:
        lab.equal("top", sorted(name for name, _, _ in once()), sorted(map(incident.who, all_of_them)))
        incident.has("check", incident.check()[1], *map(incident.who, all_of_them))


def without_the_shim():
    """Who blocks ports, too."""
    incident.needs_probe()
    with incident.network(servers=(5000, 5001)), workers(shim=False, text=BINDS) as all_of_them:
        name = incident.name_of(all_of_them[0].pid)
        wanted = f"{name} ({WORKERS} processes) {WORKERS}"
        incident.has("ports", incident.headroom("ports", "--probe").stdout, f"  by       {wanted}\n")
        incident.has("ports --by process", incident.headroom("ports", "--probe", "--by", "process").stdout, "3 more processes")
        incident.has("check --all", incident.headroom("check", "--all", "--probe").stdout, f"blocked by {wanted}")
        seen = incident.as_json("ports", "--probe")
        lab.equal("JSON", seen["blocker_groups"], [{"name": name, "processes": WORKERS, "sockets": WORKERS}])


def of_a_unit():
    """Two programs of one unit, and two that are in none."""
    with incident.network(), attached.cgroup() as folder:
        unit = folder / "headroom-shop.service"
        unit.mkdir()
        try:
            with workers(2) as ours, workers(2) as others, workers(2, text=CONNECTS + "\nopen('/proc/self/comm', 'w').write('helper')") as helpers:
                for one in ours + helpers:
                    (unit / "cgroup.procs").write_text(str(one.pid))
                found = {who: taken for who, _, taken in once()}
                lab.equal("top", found.pop("headroom-shop.service (4)"), 4 * EACH)
                lab.equal("the others", sorted(found), sorted(map(incident.who, others)))
                lab.equal("by unit", {who: taken for who, _, taken in once("--by", "unit")}["headroom-shop.service (4)"], 4 * EACH)
                text = incident.headroom("report").stdout
                incident.has("report", text, f"{incident.who(ours[0])} (headroom-shop.service) for")
                [process] = [p for p in incident.as_json("report")["processes"] if p["pid"] == ours[0].pid]
                lab.equal("JSON", (process["unit"], process["cgroup"].endswith("/headroom-shop.service")), ("headroom-shop.service", True))
                units = incident.metrics()["headroom_unit_info"]
                lab.equal("metrics", units.get(f'process="{incident.name_of(others[0].pid)}",unit="headroom-shop.service",container=""'), 1.0)
                incident.has("check", incident.check()[1], f"headroom-shop.service (4 processes) {4 * EACH}")
            lab.wait_for(lambda: not (unit / "cgroup.procs").read_text(), "an empty unit")
        finally:
            unit.rmdir()


def opened():
    """With enter, and closed with escape; g puts together by something else."""
    with incident.network(), workers() as all_of_them:
        name = incident.name_of(all_of_them[0].pid)
        with terminal.Terminal(terminal.top()) as shown:
            shown.text(f"{name} ({WORKERS})")
            shown.keys("Enter")
            for one in all_of_them:
                shown.text(incident.who(one))
            shown.text(f"only {name}")
            shown.keys("Enter")
            shown.text("1 row,")
            shown.keys("Escape")
            shown.text(f"{name} ({WORKERS})")
            shown.keys("g")
            shown.text("per unit")
            for _ in range(4):
                shown.keys("g")
            shown.text("per process")
            shown.text(f"{WORKERS} rows")
            shown.keys("q")
            shown.text("ended 0")


def bad_input():
    incident.mistakes((["report", "--by", "units"], "did you mean `unit`"), (["top", "--by", ""], "none of"),
                      (["check", "--by", "source", TO], "--by"), (["ports", "--by", "source"], "--by"),
                      (["check", "--all", "--by", "unit"], "--by"), (["report", "--by", "unit", "--html", "x"], "--by"))


lab.main([
    ("of a program", of_a_program),
    ("few stay alone", few_stay_alone),
    ("without the shim", without_the_shim),
    ("of a unit", of_a_unit),
    ("opened", opened),
    ("bad input", bad_input),
])
