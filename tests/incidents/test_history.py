#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_history - `headroom record`, and what is told of it later: when it began, who grew, what the headroom was."""
import json
import os
import re
import signal
import tempfile
import time

import incident
from incident import BAD, FAR, FINE, NEAR, TO, USAGE, lab

GROWS = f"""
print('done', flush=True)
for line in open(sys.argv[1]):
    for i in range(int(line)):
        connect('{FAR}', 5000)
    print('grown', flush=True)
"""
BINDS = f"for i in range(int(sys.argv[1])): connect('{FAR}', 5000, '{NEAR}', explicit=True)"


class Grower:
    """A program that opens so many connections more when it is told to."""

    _count = 0

    def __init__(self):
        Grower._count += 1
        fifo = lab.scratch() / f"grow{Grower._count}"
        os.mkfifo(fifo)
        self.process = lab.Process([lab.PYTHON, "-c", incident.PROGRAM + GROWS, str(fifo)])
        self.pid, self.times = self.process.pid, 0
        self._orders = open(fifo, "w", buffering=1)

    def grow(self, count):
        self.times += 1
        self._orders.write(f"{count}\n")
        lab.wait_for(lambda: self.process.stdout().count("grown") == self.times, "the connections", self.process)

    def __enter__(self):
        lab.wait_for(lambda: "done" in self.process.stdout(), "the program", self.process)
        return self

    def __exit__(self, *_):
        self._orders.close()
        self.process.stop()


def history():
    return str(lab.scratch() / "history")


def record(*words, **how):
    return incident.headroom("record", "--once", "--history", history(), *words, **how)


def past(*words, status=FINE):
    return json.loads(incident.headroom("report", "--since", "1h", "--history", history(), "--json", *words, status=status).stdout)


def looks():
    """How many there are; 0 without a file, or while it is being made."""
    done = lab.run([str(lab.HEADROOM), "report", "--since", "1h", "--history", history(), "--json"])
    return len(json.loads(done.stdout)["times"]) if done.status != USAGE else 0


def grows():
    """Looks while it grows, when none is left, and when the server does not close."""
    with incident.network():
        with Grower() as quiet, Grower() as culprit:
            quiet.grow(10)
            for count in (2, 50, 60, 78):
                culprit.grow(count)
                record()
            record()
            name = incident.name_of(culprit.pid)
            lab.equal("truth", incident.truth(), 0)
        record()
        seen = past(status=BAD)
        [series] = seen["series"]
        lab.equal("which", (series["destination"], series["source"]), (TO, NEAR))
        lab.equal("headroom", series["headroom_at_least"][:5], [188, 138, 78, 0, 0])
        lab.equal("in use", series["in_use"], [12, 62, 122, 200, 200, 200])
        lab.equal("of nobody", [o["ports"] for o in series["owners"] if o["group"] == "(closed, no process)"], [[0] * 5 + [200]])
        lab.equal("moments", [series[name] for name in ("began", "exhausted_from", "exhausted_to")],
                  [seen["times"][i] for i in (0, 3, 5)])
        [owner] = [o for o in series["owners"] if o["ports"][0]]
        lab.equal("who", (owner["group"], owner["processes"], owner["ports"][:5]), (name, 2, [12, 62, 122, 200, 200]))
        text = incident.headroom("report", "--since", "1h", "--history", history(), status=BAD).stdout
        incident.has("report --since", text, f"{TO} from {NEAR}", "188 of 200 at first, 0 at least", "12 in use, then 200",
                     f"who grew  {name} (2 processes) 12 to 200", "exhausted from ")
        if any(len(line) > 80 for line in text.splitlines()):
            raise lab.Failed(f"wider than 80 columns\n{text}")


def at():
    """How it was at the time of a look, not before or after."""
    with incident.network(), Grower() as culprit:
        culprit.grow(20)
        record()
        [first] = past()["times"]
        began = int(time.time())
        culprit.grow(100)
        lab.wait_for(lambda: int(time.time()) > began, "another second")
        record()
        for words, open_now, left in ((["--at", first], 20, 180), (["--at", "0s"], 120, 80)):
            text = incident.headroom("top", "--history", history(), *words).stdout
            incident.has(" ".join(words), text, f"{incident.who(culprit)}", TO, NEAR)
            lab.equal(f"{words}\n{text}", re.findall(r"(\d+) +(\d+) +0$", text, re.M), [(str(left), str(open_now))])
        done = incident.headroom("top", "--history", history(), "--at", "1d", status=USAGE)
        incident.has("too early", done.stderr, f"begins later, at {first}")


def blocked():
    """One that binds explicitly takes ports from all: it is named as what it is."""
    incident.needs_probe()
    with incident.network(servers=(5000, 5001)):
        record()
        with incident.program(BINDS, 170) as culprit:
            record()
            name = incident.name_of(culprit.pid)
            text = incident.headroom("report", "--since", "1h", "--history", history()).stdout
            incident.has("report --since", text, "ports lost to every destination\n  headroom  200 of 200 at first, 30 at least",
                         f"{name} 0 to 170")
            incident.has("top --at", incident.headroom("top", "--at", "0s", "--history", history()).stdout,
                         f"170 blocked", f"blocked by {incident.who(culprit)} 170")
            lab.equal("truth", incident.truth(f"{FAR}:5001"), 30)


def page():
    """One file that needs nothing else: host and totals at the top, a picture for each destination, nothing to be obeyed."""
    with incident.network(), Grower() as culprit:
        for count in (2, 50, 60):
            culprit.grow(count)
            record()
        file = lab.scratch() / "page.html"
        incident.headroom("report", "--html", str(file), "--history", history())
        text = file.read_text()
        incident.has("the page", text, f"<h1>Ports in use on {os.uname().nodename}</h1>", f"Linux {os.uname().release}",
                     f"network namespace {os.stat('/proc/self/ns/net').st_ino}", "<dt>ports of the range</dt><dd>200</dd>",
                     f"<h3>{TO} from {NEAR}</h3>", 'role="img"', ">began</text>", "<b>88</b> at least", "prefers-color-scheme: dark")
        incident.lacks("the page", text, "<script", "http://", "https://", "nan", "inf")
        for path in re.findall(r' d="([^"]*)"', text):
            if not re.fullmatch(r"(M[\d.]+ [\d.]+(L[\d.]+ [\d.]+)+Z)*", path):
                raise lab.Failed(f"a path of the picture: {path!r}")


def crashed():
    """Killed at any moment, and cut off: what was whole is there, and it goes on."""
    with incident.network(), Grower() as culprit:
        culprit.grow(30)
        for _ in range(5):
            before = looks()
            process = lab.Process([str(lab.HEADROOM), "record", "--interval", "0.1", "--history", history(), "--size", "1"])
            lab.wait_for(lambda: looks() > before + 1, "two looks", process)
            os.kill(process.pid, signal.SIGKILL)
            process.stop()
        seen = past()
        lab.equal("headroom", set(seen["series"][0]["headroom_at_least"]), {170})
        lab.equal("size", os.path.getsize(history()), 1 << 20)
        with open(history(), "r+b") as file:
            file.seek(64 + 100)
            file.write(b"torn")
        lab.equal("without the torn one", len(past()["times"]), len(seen["times"]) - 1)


def one_writer():
    with incident.network():
        process = lab.Process([str(lab.HEADROOM), "record", "--interval", "60", "--history", history()])
        lab.wait_for(lambda: looks(), "a look", process)
        incident.has("the second", record(status=USAGE).stderr, "another headroom record writes to it")
        process.stop()
        record()
        lab.equal("looks", len(past()["times"]), 2)


def user():
    """Not root: in the home, and found there without being told."""
    with incident.network(), tempfile.TemporaryDirectory(prefix="headroom-home-") as home:
        incident.needs_users()
        env = {"HOME": home, "XDG_STATE_HOME": ""}
        os.chmod(home, 0o777)
        prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        for words in (["record", "--once"], ["report", "--since", "1h"], ["top", "--at", "0s"]):
            done = lab.run([*prefix, str(lab.HEADROOM), *words], env=env)
            lab.equal(f"exit status\n{done}", done.status, 0)
        lab.equal("there", os.path.exists(f"{home}/.local/state/headroom/history"), True)


def bad_input():
    none, text = str(lab.scratch() / "none"), str(lab.scratch() / "text")
    with open(text, "w", encoding="ascii") as file:
        file.write("precious")
    incident.mistakes((["record", "--size", "0"], "--size"), (["record", "--interval", "0"], "--interval"),
                      (["record", "--history", ""], "--history"), (["record", "--history", "/proc/none/x", "--once"], "/proc/none/x"),
                      (["record", "x"], "one word too many"), (["report", "--since", "5"], "is no time such as"),
                      (["report", "--since", "1h", "--history", none], "`headroom record` keeps one"),
                      (["report", "--since", "1h", "--until", "2h"], "--until"),
                      (["report", "--since", "1h", "--history", text], "is no history"),
                      (["record", "--history", text, "--once"], "is no history"),
                      (["top", "--at", "1h", "--sort", "rate"], "--at"), (["top", "--history", none], "--at"))


lab.main([
    ("it grows until none is left", grows),
    ("--at", at),
    ("blocked ports", blocked),
    ("the page", page),
    ("killed and torn", crashed),
    ("one writer", one_writer),
    ("another user", user),
    ("bad input", bad_input),
])
