# SPDX-License-Identifier: Apache-2.0
"""targets - reads the file "targets", and says which of them hold in a result."""
import pathlib
import statistics

import table

FILE = pathlib.Path(__file__).resolve().parent / "targets"


def read():
    """Return: (row, variant, "ratio" or "value", "most" or "least", limit, reason) of each."""
    found = []
    for number, line in enumerate(FILE.read_text().splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            parts = [part.strip() for part in line.split("|")]
            if len(parts) != 6 or parts[2] not in ("ratio", "value") or parts[3] not in ("most", "least"):
                raise SystemExit(f"{FILE}:{number}: expected ROW | VARIANT | ratio or value | most or least | LIMIT | REASON")
            found.append((*parts[:4], float(parts[4]), parts[5]))
    return found


def judge(result):
    """Return: (row's title, variant, what is wanted, what was found or None, holds, reason) of each."""
    entries = {entry["row"]: entry for entry in table.entries(result) if "row" in entry}
    for row, variant, kind, bound, limit, reason in read():
        entry = entries.get(row)
        seen = None
        if entry and variant in entry.get("samples", {}):
            values = table.ratios(entry, variant) if kind == "ratio" else entry["samples"][variant]
            seen = statistics.median(values) if values else None
        unit = " x" if kind == "ratio" else f" {entry['unit']}" if entry and entry.get("unit") else ""
        holds = None if seen is None else seen <= limit if bound == "most" else seen >= limit
        yield (entry["title"] if entry else row, variant, f"at {bound} {limit:g}{unit}",
               None if seen is None else f"{seen:.4g}{unit}", holds, reason)


def text(result):
    lines = ["", "Targets"]
    for title, variant, wanted, seen, holds, reason in judge(result):
        verdict = {None: "absent", True: "holds", False: "MISSED"}[holds]
        lines.append(f"  {verdict:7} {title}, {variant}: {wanted}, found {seen or 'nothing'} ({reason})")
    return "\n".join(lines)
