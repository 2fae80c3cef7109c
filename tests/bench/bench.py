# SPDX-License-Identifier: Apache-2.0
"""bench - what the measures share: pairs taken in turn, figures recorded as JSON lines, sizes of the two modes.

A measure is a script measure_NAME.py whose cases run as those of the system tests do (../system/lab): each in a
process and a network namespace of its own. `tests/bench/run NAME` runs it and shows the table; run by itself it
prints a line per case. A measure asserts nothing about time.
"""
import contextlib
import json
import os
import pathlib
import random
import statistics
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))
# A case here is minutes of work, and the machine may be busy: lab.py's limits are for tests.
os.environ.setdefault("HEADROOM_PATIENCE", "20")
import lab  # noqa: E402

FULL = os.environ.get("HEADROOM_BENCH_MODE") == "full"
RESULT = os.environ.get("HEADROOM_BENCH_RESULT")
MEASURE = pathlib.Path(sys.argv[0]).stem.removeprefix("measure_")
NEAR, FAR = [f"10.77.0.{i}" for i in range(1, 9)], "10.77.0.100"
QUIET = ("--log", "off")
ONE_SOURCE = {"sources": NEAR[0], "options": QUIET}
EIGHT_SOURCES = {"sources": f"{NEAR[0]}-{NEAR[7]}", "options": QUIET}
NO_SOURCES = {"options": QUIET}


def pick(quick, full):
    """The size for the mode that runs."""
    return full if FULL else quick


ROUNDS = 5


def full_only(function):
    """The case, left out in quick mode: growth with the size, above all."""
    def case():
        if not FULL:
            raise lab.Skipped("in full mode only")
        return function()
    return case


def program(name):
    """The path of one of our own C programs."""
    path = lab.BUILD / "tests/bench" / name
    if not path.exists():
        raise lab.Failed(f"{path} is missing: build first, or set HEADROOM_BUILD")
    return str(path)


def interleave(variants, rounds=None, warm_up=1):
    """Takes {name: function} in turn, in a new random order each round; each gives a number, or a dict of them. The
    first rounds are dropped. Return: {name: [what each round gave]}."""
    taken = {name: [] for name in variants}
    order = list(variants)
    for i in range(-warm_up, rounds or ROUNDS):
        random.shuffle(order)
        for name in order:
            value = variants[name]()
            if i >= 0:
                taken[name].append(value)
    return taken


def part(taken, key):
    """One number of those dicts. Return: {name: [numbers]}."""
    return {name: [value[key] for value in values] for name, values in taken.items()}


def _write(entry):
    if RESULT:
        with open(RESULT, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def record(name, title, unit, taken, base="without", better="less", note=""):
    """A row: {variant: [numbers]}, compared with the variant called base, round by round. Return: its medians as
    text."""
    _write({"row": f"{MEASURE}/{name}", "title": title, "unit": unit, "better": better, "base": base,
            "samples": taken, "note": note})
    return ", ".join(f"{variant} {statistics.median(values):.6g}" for variant, values in taken.items()) + f" {unit}"


def absent(name, title, why):
    """A row that cannot be measured here."""
    _write({"row": f"{MEASURE}/{name}", "title": title, "absent": str(why)})


def growth(name, title, unit, sizes, taken):
    """What one unit of work costs at two sizes: taken is {"small": [numbers], "large": [numbers]}, sizes two numbers or
    texts."""
    _write({"row": f"{MEASURE}/{name}", "title": title, "unit": unit, "sizes": [str(size) for size in sizes],
            "growth": [taken["small"], taken["large"]]})


def growths(name, title, unit, sizes, taken, figure):
    """growth() of each variant that interleave() took as (variant, size), figure(what a round gave) being the cost of a
    unit. Nothing where there is one size only."""
    for variant in dict.fromkeys(variant for variant, _ in taken) if len(sizes) == 2 else ():
        growth(f"{name}-{variant.replace(' ', '-')}", f"{title}, {variant}", unit, sizes, {
            which: [figure(value) for value in taken[variant, size]] for which, size in zip(("small", "large"), sizes)})


def series(picture, name, points):
    """A line of a picture: [(x, y)]."""
    _write({"picture": picture, "series": name, "points": points})


def reported(name, title, function):
    """A case whose absence is a row of the table too."""
    def case():
        try:
            return function()
        except lab.Skipped as why:
            absent(name, title, why)
            raise
    return case


def figures(text):
    """Reads "key value" pairs, as our C programs print them. Return: {key: number}."""
    words = text.split()
    return {key: float(value) for key, value in zip(words[::2], words[1::2])}


def measured(command, shim=None, inside=None, env=None):
    """Runs one of our C programs. Return: the figures it printed."""
    done = lab.run(command, shim, inside=inside, env=env)
    if done.status:
        raise lab.Failed(f"{command[0]}\n{done}")
    return figures(done.stdout)


@contextlib.contextmanager
def state():
    """An empty folder for usage segments, where the shim takes one: in memory. Gives the environment for it."""
    with tempfile.TemporaryDirectory(prefix="headroom-bench-", dir="/dev/shm") as folder:
        yield {"HEADROOM_STATE_DIR": folder}


def sink(port=5000, processes=1, most=0, inside=None, speaks=False):
    """Our cheap server (sink.c), as a context manager. speaks: it says a word before it ends a connection."""
    server = lab.Process([program("sink"), "-p", str(processes), "-k", str(most), *["-w"] * speaks, str(port)], inside=inside, stdin=True)
    lab.wait_for(lambda: "ready" in server.stdout(), f"the server on port {port}", server)
    return server


def far_network():
    """Eight addresses here, one at the other end of a veth pair (lab.far_network())."""
    return lab.far_network([f"{address}/24" for address in NEAR], f"{FAR}/24")


# The fds of one process, less those it needs besides.
PER_PROCESS = 19900


def preloads():
    """Other libraries of the distribution that are preloaded into programs: {name: environment}."""
    # The library's package has none, and without one it ends the program.
    config = lab.scratch() / "proxychains.conf"
    config.write_text("[ProxyList]\nsocks5 127.0.0.1 9\n")
    found = {}
    for name, pattern in (("proxychains4", "libproxychains.so.4"), ("torsocks", "torsocks/libtorsocks.so")):
        for path in sorted(pathlib.Path("/usr/lib").glob(f"*/{pattern}")):
            found[name] = {"LD_PRELOAD": str(path), "PROXYCHAINS_QUIET_MODE": "1", "PROXYCHAINS_CONF_FILE": str(config),
                           "TORSOCKS_LOG_LEVEL": "1"}
    for name in {"proxychains4", "torsocks"} - found.keys():
        absent(name, f"beside {name}", f"{name} is not installed")
    return found
