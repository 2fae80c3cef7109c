# SPDX-License-Identifier: Apache-2.0
"""table - what ran for which target, how it ended; the table of it in docs/users/compatibility.md."""
import os
import pathlib
import re
import subprocess
import time

PAGE = pathlib.Path(__file__).resolve().parent.parent.parent / "docs/users/compatibility.md"
BEGIN, END = "<!-- tests/abi/run --write writes from here -->", "<!-- to here: tests/abi/run -->"
# Cases of tests/system that are of glibc, or of libraries that are built for this machine's.
THERE_ONLY = {
    "second preload": "the other library is built for this machine's glibc",
    "constructor before ours": "musl starts preloaded libraries in another order",
    "started without fcntl()": "musl's loader makes it for each library",
    "two threads, started without fcntl()": "the same",
    "Fast Open": "musl's sendmmsg() leaves another errno after success",
}


def cases(command, **environment):
    """Runs a test that says a line for each case. Return: names that passed, were skipped, failed."""
    environment = {**os.environ, "HEADROOM_SKIPS": os.devnull, **environment}
    environment.pop("HEADROOM_TEST_BRIEF", None)
    done = subprocess.run([str(word) for word in command], env=environment, capture_output=True, text=True)
    found = re.findall(r"^(ok|skip|FAIL) +(.*?): ", done.stdout, re.M)
    names = {kind: [name for which, name in found if which == kind] for kind in ("ok", "skip", "FAIL")}
    if done.returncode not in (0, 1, 77):
        names["FAIL"].append(f"ended with {done.returncode}")
    return names["ok"], names["skip"], names["FAIL"]


def text_of(rows):
    return "\n".join(["| | what | |", "| --- | --- | --- |", *(f"| {' | '.join(row)} |" for row in rows)])


class Table:
    """Rows: target, what, how it ended.

    build: the build folder of this machine; work: what is made is below it
    limit_s: what has no end of its own, or takes hours, is ended then
    only: of what has parts (system tests, virtual machines), those of these names; empty: all
    machines: False: what would run in a virtual machine goes into left_out
    twin_s: so long tests/twin plays in a virtual machine; None: one world
    """

    def __init__(self, build, limit_s, only=(), machines=True, twin_s=None):
        self.rows, self.bad, self.build, self.work, self.limit_s, self._only = [], 0, build, build / "abi", limit_s, only
        self.machines, self.left_out, self.twin_s = machines, [], twin_s
        self._last_s, self._spent_s = time.monotonic(), {}

    def wants(self, part):
        return not self._only or part in self._only

    def suites_of(self, part):
        """Of the unit tests only these: --only unit/arena."""
        return [name.partition("/")[2] for name in self._only if name.startswith(f"{part}/") and part == "unit"]

    def add(self, target, what, said, good=True):
        self.rows.append((target, what, said if good else f"**{said}**"))
        self.bad += not good
        took_s, self._last_s = time.monotonic() - self._last_s, time.monotonic()
        self._spent_s[target] = self._spent_s.get(target, 0) + took_s
        print(f"{target}: {what}: {said} ({took_s:.0f} s)", flush=True)

    def minutes(self):
        """How long each target took, in a line."""
        return "minutes: " + ", ".join(f"{target} {took_s / 60:.0f}" for target, took_s in self._spent_s.items())

    def enter(self, target, what, passed, skipped, failed, where=""):
        """Adds what cases() returned; where: to be said of it."""
        known = [name for name in failed if target != "x86_64-glibc" and name.startswith(tuple(THERE_ONLY))]
        failed = [name for name in failed if name not in known]
        said = f"{len(passed)} cases" + f", {len(skipped)} skipped" * bool(skipped) + f", {len(known)} not for it" * bool(known)
        self.add(target, what, said + where + ("; FAILED: " + ", ".join(failed) if failed else ""), not failed)

    def write(self, name, targets, of):
        """Puts the rows of one name into the page, in the place of what it has of it, or of these parts of it.

        targets: all names, in order; of: the name that rows of another one belong to
        """
        before, begin, rest = PAGE.read_text().partition(BEGIN)
        old, _, after = rest.partition(END)
        kept = [tuple(re.split(r" *\| *", line)[1:4]) for line in old.splitlines() if line.startswith("| ")][2:]
        rows = [row for row in self.rows if of.get(row[0], row[0]) == name]
        new = {row[:2] for row in rows}
        rows += [row for row in kept if (row[:2] not in new if self._only or self.left_out else of.get(row[0], row[0]) != name)]
        rows.sort(key=lambda row: targets.index(of.get(row[0], row[0])))
        PAGE.write_text(f"{before}{begin}\n{text_of(rows)}\n{END}{after}")
