# SPDX-License-Identifier: Apache-2.0
"""compare - results of one unit with and without the shim, and what to think of a case that differs.

A case that differs is run alone, three times each way, and its whole unit once more each way. It is
  changed   if the shim decides: it never had this result without, or has it again with
  flaky     if it changes its result without the shim too, or if the difference was seen once and never again
  source    if it is changed, but not when the shim spreads over the one source that the kernel would choose as
            well, three times out of three: the case asserts the source address, which is what was asked for. Such
            a case must stand in source_cases with the line that asserts it; if not, it is changed
All are reported with all their results.
"""
import dataclasses

from suite import ABSENT, FAIL, HUNG, PASS, SKIP

ALONE = 3


@dataclasses.dataclass
class Difference:
    suite: str
    unit: str
    case: str
    mode: str
    without: list  # results, the first from the full run
    with_shim: list
    one_source: list = dataclasses.field(default_factory=list)
    verdict: str = ""

    def told(self, indent):
        lines = [f"{self.verdict}: {self.suite} {self.unit} {self.case}", f"    without: {' '.join(self.without)}",
                 f"    {self.mode}: {' '.join(self.with_shim)}"]
        lines += [f"    with one source: {' '.join(self.one_source)}"] if self.one_source else []
        return "\n".join(indent + line for line in lines)


@dataclasses.dataclass
class Tally:
    """Cases of a suite in one mode, by result."""
    counts: dict = dataclasses.field(default_factory=lambda: dict.fromkeys((PASS, FAIL, SKIP, HUNG), 0))

    def add(self, results):
        for result in results.values():
            self.counts[result] += 1

    def row(self):
        return [sum(self.counts.values()), self.counts[PASS], self.counts[FAIL] + self.counts[HUNG], self.counts[SKIP]]


def differing(without, with_shim):
    """Return: the cases whose results differ, in order."""
    return [case for case in sorted({*without, *with_shim})
            if without.get(case, ABSENT) != with_shim.get(case, ABSENT)]


def source_cases(file):
    """Return: the cases known to assert the source address, as (suite, unit, case)."""
    lines = [line.split(None, 3) for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return {(suite, unit, case) for suite, unit, case, _ in lines}


def judge(difference):
    """Sets the verdict, from all results."""
    without, with_shim = set(difference.without), set(difference.with_shim)
    repeated = difference.with_shim[1:].count(difference.with_shim[0])
    if len(without) > 1:
        difference.verdict = "flaky"  # it changes its result on its own
    elif repeated or not difference.with_shim[1:]:
        difference.verdict = "changed"
    else:
        difference.verdict = "changed" if with_shim & without == set() else "flaky"
