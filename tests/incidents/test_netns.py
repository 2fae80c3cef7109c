#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_netns - looking into a container from outside: by its ID, by its hostname, by a process; and into all at once."""
import contextlib
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
        done = lab.run(["unshare", "--net", str(lab.HEADROOM), "ports", "--all-netns"])
        incident.has("ports", done.stdout, "40000-40199", "network namespace: here")


def bad_input():
    for words in (["ports", "--all-netns", "--json"], ["check", "--all-netns", TO], ["check", "--all", "--all-netns", "--json"],
                  ["ports", "--all-netns", "--pid", "1"]):
        done = incident.headroom(*words, status=USAGE)
        incident.has(" ".join(words), done.stderr, "--all-netns")


lab.main([
    ("each verb", each_verb),
    ("none, or two", none_or_two),
    ("names", names),
    ("all at once", all_at_once),
    ("bad input", bad_input),
])
