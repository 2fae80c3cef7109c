# SPDX-License-Identifier: Apache-2.0
"""page - puts the tables of a result into docs/performance.md, between its marks; the rest of the page is written by hand."""
import pathlib
import re

import table
import targets

PAGE = pathlib.Path(__file__).resolve().parent.parent.parent / "docs/performance.md"


def markdown(heads, rows):
    return "\n".join("| " + " | ".join(row) + " |" for row in [heads, ["---"] * len(heads), *rows])


def measure(result, name):
    rows, last = [], None
    for title, variant, middle, least, most, ratio, pairs in table.rows_of(result["entries"], name):
        ratio = f"**{ratio.replace(' x', ' ×')}** ({pairs})" if ratio else ""
        value = middle if variant == "absent" else f"{middle} ({least} to {most})"
        rows.append(("" if title == last else title, variant, value, ratio))
        last = title
    if not rows:
        return "Not measured."
    return markdown(("", "variant or size", "median (least to most)", "ratio (of the pairs)"), rows)


def holding(result):
    verdicts = {None: "absent", True: "holds", False: "**missed**"}
    return markdown(("", "wanted", "found", "", "why"), [
        (f"{title}, {variant}", wanted, seen or "", verdicts[holds], reason)
        for title, variant, wanted, seen, holds, reason in targets.judge(result)])


def write(result):
    """Fills what stands between <!-- NAME --> and <!-- end -->."""
    def fill(match):
        name = match[1]
        text = {"machine": lambda: table.where(result) + ".", "targets": lambda: holding(result)}.get(
            name, lambda: measure(result, name))()
        return f"<!-- {name} -->\n{text}\n<!-- end -->"

    PAGE.write_text(re.sub(r"<!-- (\S+) -->\n.*?<!-- end -->", fill, PAGE.read_text(), flags=re.S))
