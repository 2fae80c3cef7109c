# SPDX-License-Identifier: Apache-2.0
"""table - the result as a table: median, least and most of each variant, and its ratio to the one it is compared with.

A ratio is taken round by round, as both of a pair met the same machine; its median counts."""
import statistics


def number(value):
    """Three digits that count, as a reader wants them."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def spread(values):
    """Return: median, least, most, as texts; what was measured once has none of the last two."""
    return [number(statistics.median(values)), *(number(f(values)) if len(values) > 1 else "" for f in (min, max))]


def between(values):
    return f"{number(min(values))} to {number(max(values))}" if len(values) > 1 else ""


def ratios(row, variant):
    """Return: the ratio of each pair, or none."""
    base = row["samples"].get(row["base"]) if row["base"] else None
    if not base or variant == row["base"]:
        return []
    return [a / b for a, b in zip(row["samples"][variant], base) if b]


def ratio_text(values):
    if not values:
        return ""
    middle = statistics.median(values)
    return f"{middle:.3f} x" if 0.5 < middle < 2 else f"{number(middle)} x"


def entries(result):
    return [entry for run in result["runs"].values() for entry in run["entries"]]


def rows_of(found_entries):
    """Each as (title with unit, variant, median, least, most, ratio, least and most of the ratio)."""
    for entry in found_entries:
        if "picture" in entry:
            continue
        if "absent" in entry:
            yield entry["title"], "absent", entry["absent"], "", "", "", ""
        elif "growth" in entry:
            small, large = entry["growth"]
            factors = [b / a for a, b in zip(small, large) if a]
            for size, values in zip(entry["sizes"], entry["growth"]):
                last = size == entry["sizes"][1]
                yield (f"{entry['title']}, {entry['unit']}", size, *spread(values), ratio_text(factors) if last else "",
                       between(factors) if last else "")
        else:
            unit = f", {entry['unit']}" if entry["unit"] else ""
            for variant, values in entry["samples"].items():
                found = ratios(entry, variant)
                yield entry["title"] + unit, variant, *spread(values), ratio_text(found), between(found)


HEADS = ("measure", "variant or size", "median", "least", "most", "ratio", "of pairs")


def where(runs):
    """The machine, and how each of the runs was."""
    m = next(iter(runs.values()))["machine"]
    lines = [f"{m['processors']} x {m['cpu']}, {m['memory_gib']} GiB, Linux {m['kernel']}"]
    for name, run in runs.items():
        m = run["machine"]
        lines.append(f"{name}: {run['mode']} mode, {m['date']}, at {m['commit']}, {run['seconds']} s, load average "
                     f"{m['load']:.1f} to {m['load_at_end']:.1f}" + (", did not run to its end" if run["failed"] else ""))
    minutes, seconds = divmod(sum(run["seconds"] for run in runs.values()), 60)
    return [*lines, f"all of these together: {minutes} min {seconds} s"] if len(runs) > 1 else lines


def notes(found_entries):
    return [f"{entry['title']}: {entry['note']}" for entry in found_entries if entry.get("note")]


def text(result):
    """The table for a terminal."""
    rows, last = [HEADS], None
    for title, *rest in rows_of(entries(result)):
        rows.append(("" if title == last else title, *rest))
        last = title
    # What says why something is absent is a sentence, not a column.
    widths = [max(len(row[i]) for row in rows if row[1] != "absent" or i < 2) for i in range(len(HEADS))]
    lines = ["  ".join([row[0].ljust(widths[0]), row[1].ljust(widths[1]),
                        *(cell.rjust(width) if row[1] != "absent" else cell
                          for cell, width in zip(row[2:], widths[2:]))]).rstrip() for row in rows]
    return "\n".join([*lines, "", *notes(entries(result)), *where(result["runs"])])
