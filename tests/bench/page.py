# SPDX-License-Identifier: Apache-2.0
"""page - puts the tables of a result into docs/users/performance.md, between its marks; the rest of the page is written by hand."""
import pathlib
import re

import table
import targets

PAGE = pathlib.Path(__file__).resolve().parent.parent.parent / "docs/users/performance.md"


def markdown(heads, rows):
    return "\n".join("| " + " | ".join(row) + " |" for row in [heads, ["---"] * len(heads), *rows])


def measure(result, name):
    run = result["runs"].get(name)
    if not run:
        return "Not measured."
    rows, last = [], None
    for title, variant, middle, least, most, ratio, pairs in table.rows_of(run["entries"]):
        ratio = f"**{ratio.replace(' x', ' ×')}**" + (f" ({pairs})" if pairs else "") if ratio else ""
        value = f"{middle} ({least} to {most})" if least else middle
        rows.append(("" if title == last else title, variant, value, ratio))
        last = title
    said = [f"{note}." for note in table.notes(run["entries"])]
    return "\n\n".join([markdown(("", "variant or size", "median (least to most)", "ratio (of the pairs)"), rows), *said])


def holding(result):
    verdicts = {None: "absent", True: "holds", False: "**missed**"}
    return markdown(("", "wanted", "found", "", "why"), [
        (f"{title}, {variant}", wanted, seen or "", verdicts[holds], reason)
        for title, variant, wanted, seen, holds, reason in targets.judge(result)])


def part(result, name):
    if name == "machine":
        return "\n".join(f"- {line}" for line in table.where(result["runs"]))
    return holding(result) if name == "targets" else measure(result, name.removeprefix("measure_"))


def write(result):
    """Fills what stands between <!-- NAME --> and <!-- end -->."""
    PAGE.write_text(re.sub(r"<!-- (\S+) -->\n.*?<!-- end -->", lambda match: (
        f"<!-- {match[1]} -->\n{part(result, match[1])}\n<!-- end -->"), PAGE.read_text(), flags=re.S))
