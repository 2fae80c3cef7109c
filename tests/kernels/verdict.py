# SPDX-License-Identifier: Apache-2.0
"""verdict - what is to be true on a kernel, by its version, and the table of what was found."""
import pathlib
import re

import without_option

BEGIN, END = "<!-- tests/kernels/run --write writes from here -->", "<!-- to here -->"
README = pathlib.Path(__file__).resolve().parent.parent / "kernel_facts/README.md"
SKIPPED = 77
WAYS = ("without", "with", "even 2")


def version(release):
    """(6, 12, 117) of 6.12.117+deb12-cloud-amd64"""
    return tuple(int(number) for number in re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", release).groups(default="0"))


def behaves_as(release):
    """(major, minor): a kernel from which the option was taken is to behave as the last that had none."""
    return (6, 2) if release.endswith(without_option.LABEL) else version(release)[:2]


def since():
    """From which version on the assumption of each platform program is to hold, by the table that describes them."""
    found = {}
    for line in README.read_text().splitlines():
        cells = line.split(" | ")
        name = re.match(r"\| \[(\w+)\]", line)
        if name:
            number = re.match(r"(\d+)\.(\d+)", cells[-2])
            found[name[1]] = tuple(map(int, number.groups())) if number else (0, 0)
    return found


def of(results, test):
    return [result for result in results if result["test"] == test]


def knee(results):
    return {result["name"]: result for result in of(results, "knee")}


def has_option(results):
    """Some kernels have it by backport: asked of the kernel, not of its version."""
    return any(r["name"] == "whole_range" and r["status"] == 0 for r in of(results, "platform"))


def spares_parity(results):
    return any(r["name"] == "port_parity" and r["status"] == 0 for r in of(results, "platform"))


def problems(results):
    """Return: a line for each result that is not as it should be."""
    release = results[0]["name"]
    found = []
    needed = since()
    if results[-1].get("name") != "done":
        found.append("the run did not come to its end")
    for result in of(results, "platform"):
        if result["status"] not in (0, SKIPPED):
            found.append(f"platform program {result['name']}: {result['text']}")
        elif result["status"] == SKIPPED and behaves_as(release) >= needed[result["name"]] and \
                (has_option(results) or "no IP_LOCAL_PORT_RANGE" not in result["text"]):
            found.append(f"platform program {result['name']} skipped, but holds since {needed[result['name']]}")
    if not of(results, "platform") and not of(results, "knee"):
        return [f"{release}: {problem}" for problem in found + system_problems(results)]  # a run of some system tests alone
    wanted = behaves_as(release)
    if has_option(results) < (wanted >= (6, 3)) or spares_parity(results) != (wanted >= (6, 8)):
        found.append("IP_LOCAL_PORT_RANGE is not what this version has")
    found += system_problems(results) + knee_problems(results)
    return [f"{release}: {problem}" for problem in found]


def system_problems(results):
    return [f"{result['test']} {result['name']}: {result['text']}" for result in results
            if result["test"].startswith("system/") and result["status"] not in (0, SKIPPED)]


def knee_problems(results):
    """To the end, exactly; and plain connect() uses up one parity first, which IP_LOCAL_PORT_RANGE ends from 6.8."""
    found = []
    ways = knee(results)
    for name in WAYS:
        got = ways.get(name)
        if not got:
            found.append(f"knee test {name}: no result")
        elif (got["opened"], got["error"]) != (got["capacity"] * (1 + (name == "even 2")), "EADDRNOTAVAIL"):
            found.append(f"knee test {name}: opened {got['opened']}, then {got['error']}")
    if "without" in ways and min(ways["without"]["even"], ways["without"]["odd"]):
        found.append("knee test without: both parities in the first half")
    if "with" in ways and spares_parity(results) and min(ways["with"]["even"], ways["with"]["odd"]) < 100:
        found.append("knee test with: one parity first")
    return found


def _platform(results):
    programs = of(results, "platform")
    hold = sum(result["status"] == 0 for result in programs)
    skipped = sum(result["status"] == SKIPPED for result in programs)
    rest = len(programs) - hold - skipped
    return f"{hold} hold" + (f", {skipped} skipped" if skipped else "") + (f", {rest} do not" if rest else "")


def _system(name, results):
    cases = [result for result in of(results, f"system/{name}") if result["name"] != "all"]
    if not cases:
        return "not run"
    skipped = sum(result["status"] == SKIPPED for result in cases)
    failed = sum(result["status"] not in (0, SKIPPED) for result in cases)
    text = f"{len(cases) - skipped - failed} cases"
    return text + (f", {skipped} skipped" if skipped else "") + (f", {failed} failed" if failed else "")


def _knee(name, results):
    got = knee(results).get(name)
    return f"{got['before_us']:.0f} → {got['past_us']:.0f} µs" if got else "-"


def _filled(results):
    return ", ".join(f"{got['opened']}" for got in map(knee(results).get, WAYS) if got)


def _option(results):
    if not has_option(results):
        return "no"
    return "yes" if spares_parity(results) else "yes, one parity first"


def table(all_results):
    """Return: a table in Markdown, one column for each kernel."""
    rows = [
        ("IP_LOCAL_PORT_RANGE", _option),
        ("platform programs", _platform),
        ("connections until the end: without, with, over 2 sources", _filled),
        ("connect() before → past the knee, without", lambda results: _knee("without", results)),
        ("the same with the shim", lambda results: _knee("with", results)),
        ("the same over 2 sources", lambda results: _knee("even 2", results)),
    ]
    names = dict.fromkeys(result["test"].partition("/")[2] for results in all_results for result in results
                          if result["test"].startswith("system/"))
    rows += [(f"tests/system/test_{name}.py", lambda results, name=name: _system(name, results)) for name in names]
    lines = ["| | " + " | ".join(results[0]["name"] for results in all_results) + " |",
             "| --- |" + " --- |" * len(all_results)]
    lines += ["| " + " | ".join([label, *map(cell, all_results)]) + " |" for label, cell in rows]
    return "\n".join(lines)
