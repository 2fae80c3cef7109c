#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_netns - looking into a container from outside: by its ID, by its hostname, by a process; and into all at once."""
import contextlib
import json
import os
import re
import sys

import incident
from incident import BAD, FAR, NEAR, TO, USAGE, lab

sys.path.insert(0, str(incident.HERE.parent / "system"))
import attached  # noqa: E402

CONNECTS = f"for i in range(int(sys.argv[1])): connect('{FAR}', 5000)"
ID = "5eed" + "0123456789ab" * 5
OTHER_ID = "5eed" + "ba9876543210" * 5


@contextlib.contextmanager
def container(name, *members):
    """A cgroup as Docker's, with these processes."""
    with attached.cgroup() as parent:
        folder = parent / f"docker-{name}.scope"
        folder.mkdir()
        try:
            for one in members:
                (folder / "cgroup.procs").write_text(str(one.pid))
            yield
        finally:
            for one in members:
                one.process.stop()
            lab.wait_for(lambda: not (folder / "cgroup.procs").read_text(), "an empty container")
            folder.rmdir()


def away(*words, status=0):
    """From a network namespace of its own: nothing of it is here."""
    lab.needs("unshare")
    done = lab.run(["unshare", "--net", str(lab.HEADROOM), *words])
    lab.equal(f"exit status of headroom {' '.join(words)}\n{done}", done.status, status)
    return done


def each_verb():
    with incident.network(), incident.program(CONNECTS, 200) as culprit, container(ID, culprit):
        where = ["--container", ID[:6]]
        page = away("status", *where, status=BAD).stdout
        incident.has("status", page, f"0 of 200 ports left to {TO}", f"next      headroom check --container {ID[:6]} {TO}")
        text = away("check", "--sample", "0", *where, TO, status=BAD).stdout
        incident.has("check", text, incident.who(culprit),
                     f"container {ID[:12]}", f"nsenter --target {culprit.pid} --net -- sysctl")
        incident.has("check --all", away("check", "--all", *where, status=BAD).stdout, TO)
        incident.has("ports", away("ports", *where).stdout, "40000-40199: 200 ports")
        incident.has("top", away("top", "--once", "--delay", "0.1", *where).stdout, f"(no shim)  {TO}")
        incident.has("export", away("export", *where).stdout, f'headroom_ports{{source="{NEAR}",destination="{TO}"}} 0')
        incident.has("report", away("report", *where).stdout, "no process under the shim")
        away("record", "--once", "--history", str(lab.scratch() / "history"), *where)
        incident.has("record", away("top", "--at", "0s", "--history", str(lab.scratch() / "history")).stdout,
                     f"container {ID[:12]}[{culprit.pid}]", TO)
        lab.equal("truth", incident.truth(), 0)


def none_or_two():
    with incident.network(), incident.program(CONNECTS, 1) as one, incident.program(CONNECTS, 1) as two, \
            container(ID, one), container(OTHER_ID, two):
        for what, said in (("5eed", "is more than one"), ("5eed0123456789ac", "no container"), ("no-such-name", "no container"),
                           ("", "no container"), ("5ee", "no container")):
            done = away("status", "--container", what, status=USAGE)
            incident.has(what, done.stderr, said)
            lab.equal(f"lines of {what}", (done.stderr.count("\n"), done.stdout), (1, ""))
        away("status", "--container", ID[:5])


# What engines make of cgroups: (of the container, of who watches it on the host or None, what people call it, how it is shown).
SHAPES = [
    (f"system.slice/docker-{ID}.scope", None, ID[:12], ID[:12]),
    (f"docker/{ID}", None, ID, ID[:12]),
    (f"machine.slice/libpod-{ID}.scope/container", f"machine.slice/libpod-conmon-{ID}.scope", ID[:8], ID[:12]),
    (f"user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope", None, ID[:8], ID[:12]),
    (f"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1f0b_22.slice/cri-containerd-{ID}.scope", None, ID[:8], ID[:12]),
    (f"kubepods/besteffort/pod1f0b-22/{ID}", None, ID[:8], ID[:12]),
    (f"kubepods.slice/kubepods-pod1f0b.slice/crio-{ID}.scope/container", f"system.slice/crio-conmon-{ID}.scope", ID[:8], ID[:12]),
    (f"docker/{OTHER_ID}/docker/{ID}", f"docker/{OTHER_ID}", ID[:8], ID[:12]),
    ("lxc.payload.web/system.slice/nginx.service", "lxc.monitor.web", "web", "web"),
    ("machine.slice/systemd-nspawn@web\\x2d1.service/payload/init.scope", "machine.slice/systemd-nspawn@web\\x2d1.service/supervisor",
     "web-1", "web-1"),
    ("machine.slice/machine-web.scope/payload", "machine.slice/machine-web.scope/supervisor", "web", "web"),
]


@contextlib.contextmanager
def in_cgroup(parent, path, process):
    """A process in a cgroup below parent; then it is in parent again, and the cgroup goes."""
    (parent / path).mkdir(parents=True, exist_ok=True)
    (parent / path / "cgroup.procs").write_text(str(process.pid))
    try:
        yield
    finally:
        (parent / "cgroup.procs").write_text(str(process.pid))
        for folder in [parent / path, *(parent / path).parents]:
            if folder == parent or (folder / "cgroup.procs").read_text() or any(one.is_dir() for one in folder.iterdir()):
                break
            folder.rmdir()


def engines():
    """Whatever made the container, its own namespace is looked into, not that of who watches it and was there first."""
    with attached.cgroup() as parent, incident.network(), \
            lab.Process(["unshare", "--net", "sh", "-c", "echo there; exec sleep 1000"]) as other:
        lab.wait_for(lambda: "there" in other.stdout(), "who watches", other)
        with incident.program(CONNECTS, 200) as culprit:
            for path, watcher, called, shown in SHAPES:
                with contextlib.ExitStack() as held:
                    if watcher:
                        held.enter_context(in_cgroup(parent, watcher, other))
                    held.enter_context(in_cgroup(parent, path, culprit))
                    incident.has(path, away("status", "--container", called, status=BAD).stdout, f"0 of 200 ports left to {TO}")
                    text = away("check", "--sample", "0", "--container", called, TO, status=BAD).stdout
                    incident.has(path, text, f"{incident.who(culprit)} (container {shown})")
            culprit.process.stop()
        other.stop()
    return f"{len(SHAPES)} shapes"


NAMES = """
mount -t tmpfs none /var/lib || exit 99
mkdir -p /var/lib/docker/containers/$1 /var/lib/containers/storage/overlay-containers
echo '{"ID":"'$1'","Name":"/web","State":{"Running":true}}' >/var/lib/docker/containers/$1/config.v2.json
echo '[{"id":"'$2'","names":["cache","second"],"layer":"x"}]' >/var/lib/containers/storage/overlay-containers/containers.json
shift 2
exec "$@"
"""


def names():
    """As Docker's and Podman's files have them."""
    with incident.network(), incident.program(CONNECTS, 1) as one, incident.program(CONNECTS, 1) as two, \
            container(ID, one), container(OTHER_ID, two):
        for name, pid in (("web", one.pid), ("second", two.pid), ("we", 0)):
            done = lab.run(["unshare", "--net", "--mount", "sh", "-c", NAMES, "sh", ID, OTHER_ID, str(lab.HEADROOM), "check",
                            "--sample", "0", "--container", name, TO])
            lab.equal(f"{name}\n{done}", done.status, 0 if pid else USAGE)


def all_at_once():
    with incident.network(), incident.program(CONNECTS, 200) as culprit, container(ID, culprit):
        for words in (["check", "--all"], ["status"]):
            text = away(*words, "--all-netns", status=BAD).stdout
            incident.has(" ".join(words), text, TO, "here")
        # Those of other tests that run now are walked too, and may be worse.
        away("status", "--all-netns", status=BAD)
        done = lab.run(["unshare", "--net", str(lab.HEADROOM), "top", "--once", "--delay", "0.1", "--all-netns"])
        incident.has("top", done.stdout, "namespace ", f"  (no shim)  {TO} ", ": 200 ports, ")
        lines = lab.run(["unshare", "--net", str(lab.HEADROOM), "export", "--all-netns"]).stdout.splitlines()
        number = os.stat("/proc/self/ns/net").st_ino
        incident.has("export", "\n".join(lines), f'headroom_ports{{source="{NEAR}",destination="{TO}",netns="{number}"}} 0',
                     f'headroom_host_range_ports{{netns="{number}"}} 200', f'headroom_netns_info{{netns="{number}",name="', 'headroom_netns_info{name="here"} 1')
        done = lab.run(["unshare", "--net", str(lab.HEADROOM), "ports", "--all-netns"])
        incident.has("ports", done.stdout, "40000-40199", "network namespace: here")


def report_of_all():
    """A row is of the kernel's list of its own namespace, and its process is said to be there."""
    with incident.network(), incident.program(CONNECTS, 150, shim={}) as culprit, incident.program(CONNECTS, 50), \
            container(ID, culprit):
        text = away("report", "--all-netns", status=BAD).stdout
        if not re.match(re.escape(f"{incident.who(culprit)} (container {ID[:12]}) in ") + r"pid \d+ for ", text):
            raise lab.Failed(text)
        [shown] = [p for p in json.loads(away("report", "--json", "--all-netns", status=BAD).stdout)["processes"]
                   if p["pid"] == culprit.pid]
        lab.equal("json", (shown["network_name"][:4], shown["spaces"][0]["headroom"]), ("pid ", 0))
        page = lab.scratch() / "page.html"
        away("report", "--html", str(page), "--all-netns", status=BAD)
        incident.has("html", page.read_text(), "<p>Network namespace: pid ")
        # The kernel's list of this namespace does not have it: by its own segment 50 are left.
        lab.equal("without", json.loads(away("report", "--json").stdout)["processes"][0]["spaces"][0]["headroom"], 50)


def follows_new_ones():
    """A namespace that comes up while metrics are served is in them, one that goes is not."""
    with incident.network(), incident.program(CONNECTS, 200):
        served = lab.Process(["unshare", "--net", str(lab.HEADROOM), "export", "--all-netns", "--textfile",
                              str(lab.scratch() / "all.prom"), "--interval", "0.1"])
        page = lab.scratch() / "all.prom"
        try:
            lab.wait_for(lambda: page.exists() and f'destination="{TO}"' in page.read_text(), "the namespace", served)
            late = lab.Process(["unshare", "--net", "sh", "-c", "echo 40000 40006 >/proc/sys/net/ipv4/ip_local_port_range; echo done; exec sleep 600"])
            lab.wait_for(lambda: re.search(r"headroom_host_range_ports\{.*\} 7\n", page.read_text()), "the new one", served)
            late.stop()
            lab.wait_for(lambda: not re.search(r"headroom_host_range_ports\{.*\} 7\n", page.read_text()), "its end", served)
        finally:
            served.stop()


def bad_input():
    for words in (["ports", "--all-netns", "--json"], ["check", "--all-netns", TO], ["check", "--all", "--all-netns", "--json"],
                  ["ports", "--all-netns", "--pid", "1"], ["top", "--all-netns", "--pid", "1"], ["export", "--all-netns", "--pid", "1"],
                  ["report", "--all-netns", "--pid", "1"], ["top", "--all-netns", "--at", "1h"], ["report", "--all-netns", "--since", "1h"]):
        done = incident.headroom(*words, status=USAGE)
        incident.has(" ".join(words), done.stderr, "--all-netns")


lab.main([
    ("each verb", each_verb),
    ("engines", engines),
    ("none, or two", none_or_two),
    ("names", names),
    ("all at once", all_at_once),
    ("report of all", report_of_all),
    ("follows new ones", follows_new_ones),
    ("bad input", bad_input),
])
