# SPDX-License-Identifier: Apache-2.0
"""runner - what tests/bench/run starts once all is installed and built: the measures, one table, the result as JSON,
pictures, which targets hold.

usage: see tests/bench/run
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time

import table
import targets

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def machine():
    """Return: what the figures depend on."""
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal: *(\d+)", pathlib.Path("/proc/meminfo").read_text())[1])
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True,
                            check=False).stdout.strip()
    return {"cpu": cpu[1] if cpu else platform.machine(), "processors": os.cpu_count(), "memory_gib": round(memory / 2**20),
            "kernel": platform.release(), "date": datetime.date.today().isoformat(), "commit": commit,
            "load": os.getloadavg()[0]}


def measures():
    return sorted(path.stem.removeprefix("measure_") for path in HERE.glob("measure_*.py"))


def run_measure(name, mode):
    """name: NAME, or NAME:CASE for the cases whose names hold that. Its progress goes to standard error. Return: one
    run, as it stands in the result."""
    measure, _, case = name.partition(":")
    print(f"{name}:", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="headroom-bench-") as folder:
        lines = pathlib.Path(folder, "lines")
        lines.touch()
        env = {**os.environ, "HEADROOM_BENCH_MODE": mode, "HEADROOM_BENCH_RESULT": str(lines)}
        where, begin = machine(), time.monotonic()
        command = ["/usr/bin/python3", str(HERE / f"measure_{measure}.py"), *([case] if case else [])]
        status = subprocess.run(command, env=env, stdout=sys.stderr, check=False).returncode
        return {"machine": {**where, "load_at_end": os.getloadavg()[0]}, "mode": mode, "failed": status not in (0, 77),
                "seconds": round(time.monotonic() - begin),
                "entries": [json.loads(line) for line in lines.read_text().splitlines()]}


def arguments():
    parser = argparse.ArgumentParser(prog="tests/bench/run", description="Measures headroom beside the alternatives.")
    parser.add_argument("measure", nargs="*", help=f"of {', '.join(measures())}; all if none is "
                        "named; NAME:CASE for one case of it")
    parser.add_argument("--full", action="store_true", help="full sizes, under thirty-five minutes; else three")
    parser.add_argument("--json", metavar="FILE", help="where the result goes (build/bench.json); measures that it holds "
                        "already and that are not run stay in it")
    parser.add_argument("--pictures", metavar="FOLDER", help="draw the pictures, with gnuplot, into this folder")
    parser.add_argument("--targets", action="store_true", help="print which targets hold")
    parser.add_argument("--read", metavar="FILE", help="measure nothing: take the result from this file")
    parser.add_argument("--page", action="store_true", help="put tables and pictures into docs/users/performance.md")
    options = parser.parse_args()
    for name in options.measure:
        if name.partition(":")[0] not in measures():
            parser.error(f"{name}: no such measure; there are {', '.join(measures())}")
    return options


def read(file):
    try:
        result = json.loads(pathlib.Path(file).read_text())
        if result["schema"] == 1:
            return result
        why = "another schema than 1"
    except (KeyError, TypeError):
        why = "not a result of tests/bench/run"
    except (OSError, ValueError) as error:
        why = error
    print(f"tests/bench/run: {file}: {why}", file=sys.stderr)
    sys.exit(2)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that a measure under way is ended too
    options = arguments()
    if options.read:
        result = read(options.read)
    else:
        file = pathlib.Path(options.json or pathlib.Path(os.environ.get("HEADROOM_BUILD") or ROOT / "build", "bench.json"))
        result = read(file) if options.json and file.exists() else {"schema": 1, "runs": {}}
        for name in options.measure or measures():
            result["runs"][name] = run_measure(name, "full" if options.full else "quick")
            file.write_text(json.dumps(result) + "\n")
    print(table.text(result))
    if options.targets:
        print(targets.text(result))
    if options.pictures or options.page:
        import picture
        picture.draw(result, pathlib.Path(options.pictures or ROOT / "docs/users/performance"))
    if options.page:
        import page
        page.write(result)
    sys.exit(any(run["failed"] for run in result["runs"].values()))


if __name__ == "__main__":
    main()
