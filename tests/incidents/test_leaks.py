#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_leaks - connections that nobody closes: `check --leaks` names the process, or the user whose process does not show."""
import os
import pwd

import incident
from incident import BAD, FAR, NEAR, TO, lab

FORGETS = f"for i in range(int(sys.argv[1])): connect('{FAR}', 5000)"
GROWS = f"""
print('done', flush=True)
while True:
    connect('{FAR}', 5000)
    time.sleep(0.005)
"""
RENEWS = f"""
for i in range(60): connect('{FAR}', 5000)
print('done', flush=True)
while True:
    kept.pop(0).close()
    connect('{FAR}', 5000)
    time.sleep(0.002)
"""
OTHER_USER = 65534


def leaks(*command, status=BAD):
    done = lab.run([*command, str(lab.HEADROOM), "check", "--leaks", "--sample", "0.1"])
    lab.equal(f"exit status\n{done}", done.status, status)
    return done


def close_wait():
    """The server closes, the program does not."""
    with incident.network(closes=True), incident.program(FORGETS, 120) as culprit:
        lab.reaches(5000, {"10.9.0.1": 120}, states=["CLOSE-WAIT"])
        incident.has("--leaks", leaks().stdout, f"{incident.who(culprit)} to {TO}", "120 in CLOSE_WAIT", "What to do: close")
        [leak] = incident.as_json("check", "--leaks", "--sample", "0", status=BAD)["leaks"]
        lab.equal("who", (leak["pid"], leak["close_wait"], leak["destination"]), (culprit.pid, 120, TO))
        space, text = incident.check(status=BAD)
        lab.equal("check", (space["verdict"], space["headroom"], space["in_use"]),
                  ("slow", 80, {"all": 120, "CLOSE_WAIT": 120}))
        incident.has("first advice", incident.advice(text), "CLOSE_WAIT", "headroom check --leaks")
        lab.equal("truth", incident.truth(TO), 80)


def growing():
    with incident.network(size=2000), incident.program(GROWS) as culprit:
        done = lab.run([str(lab.HEADROOM), "check", "--leaks", "--sample", "0.5"])
        lab.equal(f"exit status\n{done}", done.status, BAD)
        incident.has("--leaks", done.stdout, f"{incident.who(culprit)} to {TO}", "only growing")


def said_once():
    """A socket that is looked at twice is one that is not shown."""
    incident.needs_users()
    with incident.network(closes=True), incident.program(f"for i in range(150): connect('{FAR}', 5000)"):
        lab.reaches(5000, {NEAR: 150}, states=["CLOSE-WAIT"])
        done = lab.run(["setpriv", "--reuid", "65534", "--clear-groups", str(lab.HEADROOM), "check", "--leaks"])
        incident.has("not shown", done.stderr, "the processes of 150 sockets are not shown")


def of_another_user():
    """Who may not look into other users' processes sees that there is a leak all the same, and whose."""
    incident.needs_users()
    name = pwd.getpwuid(os.geteuid()).pw_name
    with incident.network(closes=True), incident.program(FORGETS, 120):
        lab.reaches(5000, {"10.9.0.1": 120}, states=["CLOSE-WAIT"])
        done = leaks("setpriv", f"--reuid={OTHER_USER}", f"--regid={OTHER_USER}", "--clear-groups")
        incident.has("--leaks", done.stdout, f"a process of {name}, which does not show, to {TO}", "120 in CLOSE_WAIT", "as root")


def without_proc():
    if os.geteuid():
        raise lab.Skipped("needs root, to mount")
    lab.needs("unshare", "mount")
    with incident.network(closes=True), incident.program(FORGETS, 120):
        lab.reaches(5000, {"10.9.0.1": 120}, states=["CLOSE-WAIT"])
        done = leaks("unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh")
        incident.has("--leaks", done.stdout, f"which does not show, to {TO}", "120 in CLOSE_WAIT")


def innocent():
    """As many connections, open at both ends and not growing."""
    with incident.network(), incident.program(FORGETS, 120):
        incident.has("--leaks", leaks(status=0).stdout, "no process seems to leak")


def renewing():
    """A pool that opens as many as it closes: no socket of the first look is there at the last."""
    with incident.network(size=2000), incident.program(RENEWS):
        done = lab.run([str(lab.HEADROOM), "check", "--leaks", "--sample", "0.6"])
        lab.equal(f"exit status\n{done}", done.status, 0)


lab.main([
    ("CLOSE_WAIT", close_wait),
    ("only growing", growing),
    ("a process of another user", of_another_user),
    ("each is said once", said_once),
    ("no /proc", without_proc),
    ("nobody leaks", innocent),
    ("a pool that is renewed", renewing),
])
