# SPDX-License-Identifier: Apache-2.0
"""inject - the client faults.c with system calls of the shim made to fail by strace(1), and without.

The client makes itself none of the calls that fail (or is spared by when=), so what fails is the shim's. What the
program says and its exit status must be those of a run without the shim.
"""
import functools
import itertools
import json
import signal

import lab

PORT = 5000
ERRORS = "ENOPROTOOPT EPERM ENOMEM EINVAL EMFILE ENOSPC EINTR".split()
# Few ports, so that the shim reads the range and has something to log; a log file, so that it opens one.
SOURCES = "127.0.0.1-127.0.0.3"
numbers = itertools.count(1)


def shims():
    log = ["--log", f"file:{lab.scratch() / 'log'}"]
    return {
        "no sources": {"options": log},
        "even": {"sources": SOURCES, "spread": "even"},
        "spill": {"sources": SOURCES, "spread": "spill", "options": ["--summary", *log]},
        "auto": {"sources": "auto", "options": ["--summary"]},
    }


def reusing():
    """For the modes of the client whose server answers."""
    return {"reuse": {"options": ["--reuse", "raw", "--summary"]},
            "reuse, even": {"options": ["--reuse", "raw"], "sources": SOURCES}}


def logging(to):
    """A source that is not there is worth a line of the log; a rule for the loopback may name such a one."""
    rules = lab.scratch() / "rules"
    rules.write_text(f"[to 127.0.0.0/8]\nsources = 192.0.2.1,{SOURCES}\n")
    return {"even": {"options": ["-c", str(rules), "--log", to]}}


def no_folder_yet():
    """The folder of the usage segment is to be made first, a new one for each run."""
    made = lab.state()
    return {"no sources": {"env": {"HEADROOM_STATE_DIR": f"{made}/{next(numbers)}"}}}


def crowding():
    """Fewer are parked than there are: some are retired."""
    rules = lab.scratch() / "rules"
    rules.write_text("[headroom]\nreuse = raw\nmax_idle = 2\n")
    return {"reuse": {"options": ["-c", str(rules), "--summary"]}}


def server(mode):
    if mode not in ("exchanges", "watched", "crowds"):
        return lab.Hold(PORT)
    tag = lab.Process([lab.client("tag"), str(PORT)])
    lab.wait_for(lambda: "ready" in tag.stdout(), "the server", tag)
    return tag


def outcome(shim, fault=None, host="127.0.0.1", mode="all"):
    """Runs the client. @fault: call, its error (None: watched only), which of the calls (strace's when=).
    Return: what it said and its exit status, and the lines of strace on the call."""
    lab.new_network()
    lab.ports(40000, 50000 if mode == "threads" else 40019)
    if host != "127.0.0.1":
        lab.ip("addr", "add", f"{host}/24", "dev", "lo")
    trace = lab.scratch() / "trace"
    trace.unlink(missing_ok=True)
    with server(mode), lab.Process([lab.client("faults"), host, mode], shim) as process:
        lab.wait_for(lambda: "ready" in process.stdout(), "the client", process)
        if not fault:
            process.send(signal.SIGUSR1)
            done = process.wait()
            return (done.status, done.stdout), []
        call, error, when = fault
        options = ["-o", str(trace), "-e", f"trace={call}"]
        if error:
            options += ["-e", f"inject={call}:error={error}{when}"]
        if mode == "threads":
            # The first connect() gets its memory under the lock: the other threads come to wait for it.
            options += ["-e", f"trace={call},mmap", "-e", "inject=mmap:delay_exit=50000"]
        with lab.Tracer(process, *options) as strace:
            process.send(signal.SIGUSR1)
            done = process.wait()
            strace.wait()
    return (done.status, done.stdout), trace.read_text().splitlines()


def failed(lines):
    return sum(1 for line in lines if "(INJECTED)" in line)


def unharmed(way, shim, host="127.0.0.1", mode="all"):
    """What it comes to where nothing fails: seen once, by the first case that wants to know."""
    known = lab.shared() / f"{way}, {host}, {mode}"
    if not known.exists():
        known.write_text(json.dumps(outcome(shim, None, host, mode)[0]))
    return tuple(json.loads(known.read_text()))


def same(call, when="", only=None, host="127.0.0.1", mode="all", ways=shims, errors=ERRORS):
    lab.needs("strace")
    plain = unharmed("without", None, host, mode)
    injected = 0
    for which in ways():
        if only and which not in only:
            continue
        lab.equal(f"{which}: nothing fails", unharmed(f"{ways.__name__} {which}", ways()[which], host, mode), plain)
        for error in errors:
            seen, lines = outcome(ways()[which], (call, error, when), host, mode)
            lab.equal(f"{which}: {call} fails with {error}", seen, plain)
            injected += failed(lines)
    # A case in which nothing was made to fail proves nothing.
    if not injected:
        raise lab.Failed(f"the shim made no {call}() that could fail")
    return f"{injected} failures, the program's calls the same"


def each(call, mode, ways, numbers=None, ours=""):
    """Each of the calls, or those of the numbers, fails alone, with one error after the other. @ours: what the shim's own
    have in their arguments, and the client's have not."""
    lab.needs("strace")
    plain = unharmed("without", None, mode=mode)
    injected = 0
    for which in ways():
        seen, lines = outcome(ways()[which], (call, None, ""), mode=mode)
        lab.equal(f"{which}: nothing fails", seen, plain)
        made = [number for number, line in enumerate((line for line in lines if f"{call}(" in line), 1) if ours in line]
        for number, error in zip(numbers or made, itertools.cycle(ERRORS)):
            seen, lines = outcome(ways()[which], (call, error, f":when={number}"), mode=mode)
            lab.equal(f"{which}: {call} number {number} fails with {error}", seen, plain)
            injected += failed(lines)
    if not injected:
        raise lab.Failed(f"the shim made no {call}() that could fail")
    return f"{injected} failures, the program's calls the same"


def of(call, *arguments, **how):
    return functools.partial(same, call, *arguments, **how)
