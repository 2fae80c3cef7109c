#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_top - `headroom top` in a real terminal (tmux): what it shows is what the kernel counts, whatever the size of
the terminal, and the terminal is as before when it ends.
"""
import os
import pathlib
import re
import signal

import lab
from sock_diag import tuples
from terminal import Terminal, state, top

PORT = 5000
SOURCES = "127.0.0.1-127.0.0.3"
CHURN = """
import socket, struct, sys, time
while True:
    with socket.create_connection(("127.0.0.9", int(sys.argv[1]))) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    print("going", flush=True)
    time.sleep(0.02)
"""
OPENS = """
import signal, socket, sys, time
kept, rests = [], []
signal.signal(signal.SIGUSR1, lambda *_: rests.append(True))
while not rests:
    if len(kept) < 90:
        kept.append(socket.create_connection(("127.0.0.9", int(sys.argv[1]))))
    print("going", flush=True)
    time.sleep(0.3)
print("rests", flush=True)
signal.pause()
"""
KEYS = "q quit  ? help  h r f sort  enter open  esc all  g group  / filter  space pause"


def fill(count, *targets, shim=True, **how):
    words = [lab.client("fill"), "-c", str(count)]
    for target in targets or (("127.0.0.9", PORT),):
        words += [target[0], str(target[1])]
    process = lab.Process(words, {"sources": SOURCES, **how} if shim else None, stdin=True)
    lab.wait_for(lambda: "held" in process.stdout(), "the connections", process)
    return process


def rows(lines):
    """The rows of a picture: [(process, destination, source, headroom)]."""
    found = []
    for line in lines:
        words = re.match(r"(\S+(?: shim\))?) +(\S+) +(\S+) +(\d+|-) +(\S+) +(\d+)", line)
        if words and words[1] not in ("process", "bar:", "host:"):
            found.append((words[1], words[2], words[3], words[4]))
    return found


def expected(process, counts, capacity=100):
    least_first = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [(f"fill[{process.pid}]", f"127.0.0.9:{PORT}", source, str(capacity - taken))
            for source, taken in least_first]


def picture():
    """Headroom is what the kernel counts; 24 lines of 80, a bar with the knee, the keys."""
    with lab.Hold(PORT), fill(70) as client:
        with Terminal(top()) as terminal:
            # The last line is written last: without it the picture is not whole yet.
            lines = terminal.until(lambda lines: "q quit" in (lines or [""])[-1] and len(rows(lines)) == 3 and lines,
                                   "the picture")
            seen = rows(lines)
            lab.equal("rows", sorted(seen), sorted(expected(client, tuples(PORT))))
            lab.equal("least first", [row[3] for row in seen], sorted((row[3] for row in seen), key=int))
            lab.equal("lines", (len(lines), max(map(len, lines)) <= 80), (24, True))
            bars = [re.search(r"\[#+\.*\|\.+\]", line) for line in lines[2:5]]
            lab.equal("bars", all(bars), True)
            if f"open {tuples(PORT)[seen[0][2]]}, TIME_WAIT 0, others 0" not in lines[-2]:
                raise lab.Failed(f"the selected row: {lines[-2]!r}")
            if "\x1b[32m#" not in terminal.colours():
                raise lab.Failed("no colours")


def growing():
    """What changes is seen, without a key."""
    with lab.Hold(PORT), fill(30), Terminal(top()) as terminal:
        terminal.until(lambda lines: len(rows(lines)) == 3, "three rows")
        with fill(60):
            wanted = sorted(str(100 - n) for n in tuples(PORT).values())
            terminal.until(lambda lines: len(rows(lines)) == 6 and sorted({r[3] for r in rows(lines)}) ==
                           sorted(set(wanted)), f"six rows, headroom {wanted}")
        terminal.until(lambda lines: len(rows(lines)) <= 6, "fewer rows")


def keys():
    """One process, back, filter, sort by failures, pause, help, quit; then the terminal is as before."""
    with lab.Hold(PORT), lab.Hold(PORT + 1), \
            fill(12, ("127.0.0.9", PORT), ("127.0.0.9", PORT + 1), sources="127.0.0.1") as one, \
            fill(5, ("127.0.0.9", PORT), ("127.0.0.9", 1), sources="127.0.0.2") as other:
        with Terminal(top()) as terminal:
            terminal.until(lambda lines: len(rows(lines)) == 4, "four rows")
            # Lines are written one after the other: what is to be seen is waited for, not only its first line.
            terminal.keys("Enter")
            terminal.until(lambda lines: f"only pid {one.pid}" in lines[0] and sorted(r[1] for r in rows(lines)) ==
                           [f"127.0.0.9:{PORT}", f"127.0.0.9:{PORT + 1}"], "one process, its two destinations")
            terminal.keys("Escape")
            terminal.until(lambda lines: len(rows(lines)) == 4, "four rows again")
            terminal.keys("/", *f"{PORT + 1}", "Enter")
            terminal.until(lambda lines: len(rows(lines)) == 1 and f"filter: {PORT + 1}" in lines[0], "one row")
            terminal.keys("Escape")
            terminal.keys("f")
            terminal.until(lambda lines: "by failures" in lines[0] and
                           [r[:2] for r in rows(lines)[:1]] == [(f"fill[{other.pid}]", "127.0.0.9:1")],
                           "by failures, the failing one first")
            terminal.keys("r")
            terminal.until(lambda lines: "by rate" in lines[0], "by rate")
            terminal.keys("h", "?")
            terminal.text("select a row")
            terminal.keys("?", "Space")
            terminal.text("PAUSED")
            with fill(3):
                terminal.keys("Down")
                terminal.until(lambda lines: len(rows(lines)) == 4, "the same four rows while paused")
                terminal.keys("Space")
                terminal.until(lambda lines: len(rows(lines)) > 4, "more rows")
            terminal.keys("q")
            terminal.text("ended 0")
            restored(terminal)


def restored(terminal):
    words = " ".join(terminal.text("lnext")).split()
    for flag in ("icanon", "echo", "icrnl", "opost"):
        lab.equal(f"{flag} of the terminal", (flag in words, f"-{flag}" in words), (True, False))
    lab.equal("alternate screen, cursor", (terminal.ask("alternate_on"), terminal.ask("cursor_flag")), ("0", "1"))


def sizes():
    """From 20 columns to 200, 3 lines to 50: never wider, never dead, all of it shown again."""
    with lab.Hold(PORT), fill(70) as client, Terminal(top()) as terminal:
        terminal.text("by headroom")
        for width, height in ((200, 50), (60, 10), (40, 8), (20, 3), (80, 24)):
            terminal.resize(width, height)
            terminal.until(lambda lines, w=width, h=height: len(lines) == h and lines[-1] == KEYS[:w].rstrip(),
                           f"{width} x {height}")
        terminal.until(lambda lines: sorted(rows(lines)) == sorted(expected(client, tuples(PORT))), "the rows")
        terminal.keys("q")
        terminal.text("ended 0")


def many_rows():
    """More rows than lines: the selected one is always on the screen."""
    targets = [("127.0.0.9", PORT + i) for i in range(40)]
    with fill(1, *targets, sources="127.0.0.1"), \
            Terminal(top()) as terminal:
        terminal.text("40 rows")
        last = None
        for key in ("End", "Home", "NPage", "Up"):
            before = terminal.lines()[-3]
            terminal.keys(key)
            last = terminal.until(lambda lines, b=before: lines[-3] != b and lines, key)
            selected = re.search(r"-> (\S+)", last[-3])[1]
            lab.equal(f"{selected} is shown after {key}", selected in [r[1] for r in rows(last)], True)


def signals():
    """A signal ends it, by that signal, and the terminal is as before."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        with Terminal(f"sh -c 'echo $$ >{lab.scratch()}/pid; exec {top()}'") as terminal:
            terminal.text("q quit")
            os.kill(int((lab.scratch() / "pid").read_text()), number)
            terminal.text(f"ended {128 + number}")
            restored(terminal)


def host():
    """--host: programs without the shim too, together what the kernel counts."""
    with lab.Hold(PORT), fill(20, shim=False), fill(30, sources="127.0.0.1") as shimmed, \
            Terminal(top("--host")) as terminal:
        left = str(100 - tuples(PORT)["127.0.0.1"])
        wanted = [("(no shim)", f"127.0.0.9:{PORT}", "127.0.0.1", left),
                  (f"fill[{shimmed.pid}]", f"127.0.0.9:{PORT}", "127.0.0.1", left)]
        terminal.until(lambda lines: sorted(rows(lines)) == wanted, f"two rows: {wanted}")
        terminal.text("others 20;")


def plain():
    """No terminal: printed once, and nothing but text; --once on a terminal the same."""
    env = {"HEADROOM_STATE_DIR": str(state())}
    with lab.Hold(PORT), fill(70) as client:
        done = lab.run([str(lab.HEADROOM), "top", "--delay", "0.1"], env=env)
        lab.equal(f"status, errors\n{done}", (done.status, done.stderr), (0, ""))
        lines = [line.split() for line in done.stdout.splitlines()]
        lab.equal("rows", sorted((r[0], r[1], r[2], r[3]) for r in lines[1:]), sorted(expected(client, tuples(PORT))))
        lab.equal("text only", done.stdout.replace("\n", "").isprintable(), True)
        with Terminal(top("--once")) as terminal:
            terminal.text("ended 0")
            lab.equal("rows", len([line for line in terminal.lines() if line.startswith("fill[")]) >= 3, True)


def chosen():
    """--sort and --filter, printed once."""
    env = {"HEADROOM_STATE_DIR": str(state())}
    def first_words(*options):
        done = lab.run([str(lab.HEADROOM), "top", "--once", "--delay", "0.1", *options], env=env)
        lab.equal(f"status, errors of {options}", (done.status, done.stderr), (0, ""))
        return [tuple(line.split()[:2]) for line in done.stdout.splitlines()[1:]]
    with lab.Hold(PORT), fill(30, sources="127.0.0.1") as full, \
            fill(2, ("127.0.0.9", 1), ("127.0.0.9", PORT), sources="127.0.0.2") as failing:
        wide, refused, few = (f"fill[{full.pid}]", f"127.0.0.9:{PORT}"), (f"fill[{failing.pid}]", "127.0.0.9:1"), \
            (f"fill[{failing.pid}]", f"127.0.0.9:{PORT}")
        lab.equal("by headroom", first_words("--sort", "headroom"), [wide, few, refused])
        lab.equal("by failures", first_words("--sort", "failures")[0], refused)
        lab.equal("filter: a process", first_words("--filter", f"fill[{failing.pid}]"), [few, refused])
        lab.equal("filter: a source", first_words("--filter", "127.0.0.1"), [wide])
        lab.equal("filter: a destination", first_words("--filter", "9:1"), [refused])
        lab.equal("filter: none", first_words("--filter", "nobody"), [])
        # Opens and closes one connection after the other for as long as it is looked at.
        with lab.Process([lab.PYTHON, "-c", CHURN, str(PORT)], {"sources": "127.0.0.3"}) as churning:
            lab.wait_for(lambda: "going" in churning.stdout(), "connections", churning)
            churner = (f"{pathlib.Path(lab.PYTHON).name}[{churning.pid}]", wide[1])
            # On a busy machine it may open none between the two looks.
            lab.wait_for(lambda: first_words("--sort", "rate")[0] == churner, "the order by rate", churning)


def without_colours():
    """NO_COLOR, a terminal without colours, one that is not known."""
    with lab.Hold(PORT), fill(70):
        for env in ({"NO_COLOR": "1"}, {"TERM": "vt100"}):
            with Terminal(top(), env=env) as terminal:
                terminal.text("by headroom")
                if "\x1b[32m" in terminal.colours():
                    raise lab.Failed(f"colours with {env}")
        with Terminal(top(), env={"TERM": "nonsense"}) as terminal:
            terminal.text("ended 2")
            terminal.text("the terminal `nonsense` is not known")


def bad_input():
    for options in (["--frob"], ["x"], ["--sort", "x"], ["--delay", "0"], ["--delay"], ["--filter", "x" * 64],
                    ["--state-dir", ""]):
        done = lab.run([str(lab.HEADROOM), "top", "--once", *options])
        lab.equal(f"status, lines of {options}", (done.status, done.stderr.count("\n"), done.stdout), (2, 1, ""))


def at_rest():
    """A tuple space fills up while connections are opened, and no more once nobody opens one."""
    def lasts(verb, *options):
        lines = lab.run([str(lab.HEADROOM), verb, *options]).stdout.splitlines()
        at = 0 if verb == "top" else 1
        return dict(zip(lines[at].replace("in use", "in-use").split(), lines[at + 1].split()))["lasts"]

    with lab.Hold(PORT), lab.Process([lab.PYTHON, "-c", OPENS, str(PORT)], {}) as client:
        lab.wait_for(lambda: "going" in client.stdout() and lasts("report") not in ("-", "now"), "an end in sight", client)
        client.send(signal.SIGUSR1)
        lab.wait_for(lambda: "rests" in client.stdout(), "rest", client)
        lab.equal("top", lasts("top", "--once", "--delay", "0.3"), "-")


lab.main([
    ("picture", picture),
    ("growing", growing),
    ("at rest", at_rest),
    ("keys", keys),
    ("sizes", sizes),
    ("many rows", many_rows),
    ("signals", signals),
    ("host", host),
    ("plain text", plain),
    ("sorts and filters", chosen),
    ("without colours", without_colours),
    ("bad input", bad_input),
])
