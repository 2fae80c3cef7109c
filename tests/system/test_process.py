#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_process - whatever a process does to itself, it does the same under the shim, and the counts stay true.

The program is process.c. Each case runs without the shim and with it; what the program says, its exit status, its
fds, threads and signal dispositions must be the same. The shim's own counts (the table of --summary) must be those
expected, and must add up to what the kernel has.
"""
import functools
import os
import pathlib
import re
import signal

import lab
from sock_diag import tuples

MAIN, CHILD, SILENT = 5000, 5001, 5002
SHIMS = {
    "no sources": {},
    "even 3": {"sources": "127.0.0.1-127.0.0.3", "spread": "even"},
}
ROW = re.compile(r"^127\.0\.0\.1:(\d+) +(\S+) +(\d+) +(\d+) +(\d+) +\d+ +\d+ +\d+ +\d+$", re.M)
AUTO = {"auto": {"sources": "auto"}}


def library(name, hash_style="gnu"):
    """The path of one of our own libraries: from the build folder, else compiled on the spot; hash_style: of its table of names."""
    built = lab.BUILD / "tests/system" / f"lib{name}.so"
    if built.exists() and hash_style == "gnu":
        return str(built)
    lab.needs("cc")
    target = lab.shared() / f"lib{name}.{hash_style}.so"
    if not target.exists():
        done = lab.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-shared", "-fPIC", f"-Wl,--hash-style={hash_style}", "-o", str(target),
                        str(lab.HERE / f"{name}.c")])
        lab.equal(f"cc {name}.c", (done.status, done.stderr), (0, ""))
    return str(target)


# Says it on standard output, where the program cannot open a file any more.
TO_STDOUT = 'exec >>"$PROCESS_OUT"; unset PROCESS_OUT'


def lives(task):
    """A thread that was joined is in /proc for a moment more: PF_EXITING, man 5 proc_pid_stat."""
    try:
        return not int((task / "stat").read_text().rpartition(")")[2].split()[6]) & 4
    except (FileNotFoundError, ProcessLookupError):
        return False


def of_process(pid):
    """What a program could notice of itself: its fd numbers, threads, and what it does about signals."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return {
        "fds": sorted(map(int, os.listdir(f"/proc/{pid}/fd"))),
        "threads": sum(map(lives, pathlib.Path(f"/proc/{pid}/task").iterdir())),
        "signals": re.findall(r"^Sig(?:Blk|Ign|Cgt):\s+(\S+)", status, re.M),
    }


def holds(process, out):
    """It said so and waits for its signal: before that, the file it says it in is still one of its fds."""
    return out.exists() and "held\n" in out.read_text() and \
        "State:\tS" in pathlib.Path(f"/proc/{process.pid}/status").read_text()


def outcome(command, shim, env, ports, mode):
    """Runs the program until it holds. Return: what is to be the same, the summary's rows, the kernel's counts."""
    lab.new_network()
    if ports:
        lab.ports(*ports)
    out = lab.scratch() / "out"
    out.unlink(missing_ok=True)
    env = {**env, "PROCESS_OUT": str(out), "PROCESS_PATIENCE": os.environ.get("HEADROOM_PATIENCE", "1")}
    if shim is not None and "preload" in shim:
        env, shim = {**env, **preloaded(["SHIM"]), **shim["preload"]}, None
    elif shim is not None:
        shim = {**shim, "options": [*([] if shim.get("quiet") else ["--summary"]), *shim.get("options", ())]}
    with lab.Hold(MAIN, mode), lab.Hold(CHILD), lab.Process(command, shim, env=env) as process:
        lab.wait_for(lambda: holds(process, out), "the program to hold", process)
        noticed = of_process(process.pid)
        kernel = {port: tuples(port) for port in (MAIN, CHILD, SILENT)}
        process.send(15)
        done = process.wait()
    rows = [(int(port), source, int(opened), int(held), int(time_wait))
            for port, source, opened, held, time_wait in ROW.findall(done.stderr)]
    return (done.status, done.stdout, out.read_text(), noticed), rows, kernel


def check_counts(rows, kernel, expected):
    """Sums over all processes: {port: (opened, open, in TIME_WAIT)}; None for "any, if it is the kernel's count"."""
    for port, numbers in expected.items():
        of_port = [row for row in rows if row[0] == port]
        seen = tuple(sum(row[i] for row in of_port) for i in (2, 3, 4))
        if numbers is not None:
            lab.equal(f"port {port}: opened, open, TIME_WAIT", seen, numbers)
        in_use = {}
        for _, source, _, held, time_wait in of_port:
            in_use[source] = in_use.get(source, 0) + held + time_wait
        lab.equal(f"port {port}: in use", {k: v for k, v in in_use.items() if v}, kernel[port])


def same(arguments, expected, shims=None, env=None, ports=None, mode="", wrap=()):
    """Without the shim, then each way with it."""
    command = [*wrap, lab.client("process"), *arguments]
    plain, _, plain_kernel = outcome(command, None, env or {}, ports, mode)
    for which, shim in (SHIMS if shims is None else shims).items():
        seen, rows, kernel = outcome(command, shim, env or {}, ports, mode)
        if None in expected.values():
            seen[3]["fds"] = plain[3]["fds"]  # a race leaves other numbers open each time
        for what, a, b in zip(("exit status", "standard output", "said", "noticed"), seen, plain):
            lab.equal(f"{which}: {what}", a, b)
        for port in expected:
            # A racing program does not connect the same number each time.
            if expected[port] is not None:
                lab.equal(f"{which}: connections to {port}", lab.total(kernel[port]), lab.total(plain_kernel[port]))
        try:
            check_counts(rows, kernel, expected)
        except lab.Failed as why:
            raise lab.Failed(f"{which}: {why}") from None
    return f"{len(plain[2].splitlines())} lines, the same; counts {expected}"


def fork_slowly():
    """A fork() of much memory takes long: other threads must not wait for it, nor the shim give up."""
    lab.needs("strace")
    out = lab.scratch() / "out"
    shim = {"sources": SHIMS["even 3"]["sources"], "options": ["--summary"]}
    inject = ["-e", "trace=clone", "-e", "inject=clone:delay_enter=1500000"]
    with lab.Hold(MAIN, "http"), lab.Hold(CHILD), \
            lab.Process([lab.client("process"), "fork-slowly"], shim, env={"PROCESS_OUT": str(out)}) as process:
        lab.wait_for(lambda: out.exists() and "ready\n" in out.read_text(), "the program", process)
        with lab.Tracer(process, "-o", "/dev/null", *inject):
            process.send(10)
            lab.wait_for(lambda: "held\n" in out.read_text(), "the program to hold", process)
        kernel = tuples(CHILD)
        process.send(15)
        done = process.wait()
    rows = [(int(row[0]), row[1], *map(int, row[2:])) for row in ROW.findall(done.stderr)]
    check_counts(rows, {CHILD: kernel}, {CHILD: (5, 5, 0)})


# Another preload, and what runs before or after ours

def preloaded(libraries, sources=None):
    """The environment of a plain LD_PRELOAD; SHIM stands for ours."""
    names = [str(lab.BUILD / "libheadroom.so") if name == "SHIM" else name for name in libraries]
    env = {"LD_PRELOAD": ":".join(filter(None, [lab.SANITIZER, *names])), "HEADROOM_SUMMARY": "1"}
    if sources:
        env["HEADROOM_SOURCES"] = sources
    return env


def beside(find, env=None):
    """The same with another preload alone, before ours and behind ours."""
    other = find()
    command = [lab.client("process"), "plain"]
    counts = {MAIN: (10, 6, 4), CHILD: (2, 2, 0)}
    plain, _, _ = outcome(command, None, {**(env or {}), "LD_PRELOAD": other}, None, "")
    for libraries in ([other, "SHIM"], ["SHIM", other]):
        for sources in (None, "127.0.0.1-127.0.0.3"):
            seen, rows, kernel = outcome(command, None, {**(env or {}), **preloaded(libraries, sources)}, None, "")
            lab.equal(f"{libraries}: what the program sees", seen, plain)
            check_counts(rows, kernel, counts)
    return "before and behind, as alone"


def installed(*patterns):
    """One of the distribution's preloads."""
    def find():
        lab.not_under_sanitizer("it wants to be first, as the other preload does")
        for pattern in patterns:
            for path in sorted(pathlib.Path("/usr").glob(pattern)):
                return str(path)
        raise lab.Skipped(f"{patterns[0].rpartition('/')[2]} is not installed")
    return find


def libfaketime():
    # It leaves files by pid in /dev/shm when it is killed, and gives up where it finds some.
    lab.own_memory_files()
    return beside(installed("lib/*/faketime/libfaketime.so.1"), {"FAKETIME": "-2d"})


def before_ours():
    """A constructor that runs before ours and a destructor after: nothing is set up, or all is over."""
    early = library("early")
    command = [lab.client("process"), "plain"]
    plain, _, _ = outcome(command, None, {"EARLY": "1", "LD_PRELOAD": early}, None, "")
    for sources in (None, "127.0.0.1-127.0.0.3"):
        # The loader starts preloaded libraries from the last to the first.
        env = {"EARLY": "1", **preloaded(["SHIM", early], sources)}
        seen, rows, _ = outcome(command, None, env, None, "")
        lab.equal("what the program sees", seen, plain)
        # Had ours been first, it would have counted the constructor's connection too.
        lab.equal("opened to the child's port", sum(r[2] for r in rows if r[0] == CHILD), 2)
    return f"{len(plain[1].splitlines())} results, the same"


# Places that lack what the shim reads and writes

STDOUT_ONLY = ("sh", "-c", f"{TO_STDOUT}; exec \"$@\"", "sh")


def in_place(script, arguments, expected, **how):
    """Within a mount namespace prepared by a shell script."""
    lab.needs("unshare", "mount")
    probe = lab.run(["unshare", "-m", "true"])
    if probe.status:
        raise lab.Skipped(f"no mount namespace: {probe.stderr.strip()}")
    wrap = ["unshare", "-m", "sh", "-c", f"set -e; {TO_STDOUT}; {script}\nexec \"$@\"", "sh"]
    return same(arguments, expected, wrap=wrap, **how)


def logging_to(destination):
    return {f"log {destination}, {which}": {**shim, "options": ["--log", destination]} for which, shim in SHIMS.items()}


def read_only():
    """A second mount of / has no writers yet, so it can be made read-only."""
    root = lab.scratch() / "root"
    root.mkdir()
    script = f"mount --rbind / {root}; mount -o remount,bind,ro {root}; set -- chroot {root} \"$@\""
    return in_place(script, ["noisy"], {}, shims=logging_to("file:/headroom-log"), ports=(40000, 40009))


def full_disk():
    folder = lab.scratch() / "disk"
    folder.mkdir()
    script = f"mount -t tmpfs -o size=8k none {folder}; cat /dev/zero >{folder}/fill 2>/dev/null || :"
    return in_place(script, ["noisy"], {}, shims=logging_to(f"file:{folder}/log"), ports=(40000, 40009))


def bad_log():
    folder = lab.scratch()
    (folder / "file").write_text("")
    os.mkfifo(folder / "fifo")
    for path in (folder / "no/such/folder", folder, folder / "file/below", folder / "fifo", "/proc/version"):
        shim = {"preload": {"HEADROOM_LOG": f"file:{path}", "HEADROOM_SOURCES": SHIMS["even 3"]["sources"]}}
        same(["noisy"], {}, shims={str(path): shim}, ports=(40000, 40009))
    return "five places, the same"


def starts_closed():
    """fds 0 to 2 are the program's first three sockets then, and get nothing that it did not write."""
    kept = lab.shared() / "log"
    for to in ("stderr", f"file:{kept}"):
        same(["start", "closed", "noisy"], {}, shims=logging_to(to), ports=(40000, 40009), mode="")
    text = kept.read_text()
    if "event=exhausted" not in text:
        raise lab.Failed(f"the log file lacks the lines that were not to go elsewhere: {text!r}")
    return "the same, log lines in the file only"


def moved_away():
    """A file that the shim opens for a moment gets no number of 0 to 2, where another thread could meet it."""
    lab.needs("strace")
    lab.ports(40000, 40009)
    trace, out = lab.scratch() / "trace", lab.scratch() / "out"
    command = ["strace", "-f", "-e", "trace=openat,read,pread64,write", "-o", str(trace), lab.client("process"),
               "start", "closed", "noisy"]
    shim = {"sources": "127.0.0.1-127.0.0.3", "options": ["--log", f"file:{lab.scratch() / 'log'}"]}
    with lab.Hold(MAIN), lab.Process(command, shim, env={"PROCESS_OUT": str(out)}) as process:
        lab.wait_for(lambda: out.exists() and "held\n" in out.read_text(), "the program to hold", process)
        # strace ends with the program, not by a signal.
        [traced] = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(traced), signal.SIGTERM)
        lab.equal("exit status", process.wait().status, 0)
    text = trace.read_text()
    lab.equal("the shim read the port range", bool(re.search(r'pread64\(\d+, "40000', text)), True)
    lab.equal("reads and writes of the shim on 0 to 2",
              re.findall(r'(?:p?read(?:64)?|write)\([012], "(?:40000|headroom).*', text), [])
    return "none was used"


def data_file():
    data = lab.scratch() / "data"
    for case in (["write-to-2", str(data)], ["start", "closed", "write-to-2", str(data)]):
        for which, shim in logging_to("stderr").items():
            same(case, {}, shims={which: shim}, ports=(40000, 40009))
            lab.equal(f"{which}: the program's data file", data.read_text(), "data\n")
    return "holds the program's data only"


def few_files():
    everywhere = {**logging_to("file:" + str(lab.scratch() / "log")), **AUTO, **SHIMS}
    return same(["few-files"], {}, shims=everywhere, ports=(40000, 40015))


def chroot(log):
    empty = lab.scratch() / "empty"
    empty.mkdir()
    return same(["chroot", str(empty)], SOCKETS, wrap=STDOUT_ONLY, shims={**logging_to(log), **AUTO})


def of(arguments, expected, **how):
    return functools.partial(same, arguments.split(), expected, **how)


WIDE = (20000, 60000)
FORKED = {MAIN: (5, 5, 0), CHILD: (2, 2, 0)}
AFTER = {CHILD: (5, 5, 0), MAIN: None}
SOCKETS = {MAIN: (11, 6, 5)}
NOISY = {"shims": logging_to("stderr"), "ports": (40000, 40009)}
KILL = {**SHIMS, **logging_to("file:/dev/null")}
lab.main([
    ("fork", of("fork", FORKED)),
    ("fork by raw system call", of("fork-raw", FORKED)),
    ("_Fork()", of("fork-no-handlers", FORKED)),
    ("fork before the first socket, then threads", of("fork-first libc", {})),
    ("_Fork() before the first socket, then threads", of("fork-first handlers-not-run", {})),
    ("vfork, the child closes all", of("vfork", {MAIN: (5, 4, 1)})),
    ("clone(CLONE_VM | CLONE_VFORK), the child closes all", of("clone vfork", {MAIN: (5, 4, 1)})),
    ("clone(CLONE_VM), the child closes all", of("clone vm", {MAIN: (5, 4, 1)})),
    ("posix_spawn, with and without the preload", of("spawn", {MAIN: (5, 4, 1)})),
    ("exec with the preload", of("exec with", {CHILD: (2, 2, 0)})),
    ("exec without the preload", of("exec without", {})),
    ("connect in an atexit handler", of("atexit", {MAIN: (1, 1, 0)})),
    ("constructor before ours, destructor after", before_ours),
    ("32 threads connect and close", of("race each-once 2", AFTER, ports=WIDE, mode="http")),
    ("32 threads close each other's numbers", of("race wild 2", {CHILD: (5, 5, 0)}, ports=WIDE, mode="http")),
    ("close in a signal handler", of("close-in-handler", AFTER, ports=WIDE, mode="http")),
    ("siglongjmp out of a connect that waits", of("jump", {CHILD: (5, 5, 0), SILENT: (1, 1, 0)})),
    ("siglongjmp at any moment", of("jump-anywhere", {}, ports=WIDE, mode="http")),
    ("pthread_cancel in a connect that waits", of("cancel", {CHILD: (5, 5, 0), SILENT: (1, 1, 0)})),
    ("fork in a signal handler in a connect", of("fork-in-handler", {CHILD: (7, 7, 0)})),
    ("fork that takes long, beside a thread that connects", fork_slowly),
    ("dlopen with RTLD_DEEPBIND", lambda: same(["plugin", library("plugin")], {MAIN: (8, 5, 0)})),
    ("second preload: with hooks of its own", functools.partial(beside, lambda: library("beside"))),
    ("second preload: with the old table of names alone", functools.partial(beside, lambda: library("beside", "sysv"))),
    ("second preload: libfaketime", libfaketime),
    ("second preload: jemalloc", functools.partial(beside, installed("lib/*/libjemalloc.so.2"))),
    ("second preload: stdbuf", functools.partial(
        beside, installed("libexec/coreutils/libstdbuf.so", "lib/*/coreutils/libstdbuf.so"), {"_STDBUF_O": "L"})),
    *((f"daemon closes all: {how}", of(f"close-all {how}", {MAIN: (8, 3, 5)}))
      for how in ("loop", "closefrom", "close_range", "syscall")),
    ("a number that is not replaced after all", of("not-replacing", {MAIN: (5, 4, 1)})),
    ("flags of dup3() that do not exist", of("replacing-perhaps", {MAIN: None})),
    ("freopen", of("reopening", {MAIN: (3, 1, 2)})),
    ("pthread_cancel in close", of("cancelling", {MAIN: (4, 3, 1)})),
    ("Fast Open", of("opening-fast", {MAIN: (6, 2, 4)})),
    ("numbers given out anew after a close that no hook saw", of("taking-over", {MAIN: (8, 1, 0)})),
    ("closed first, and no TIME_WAIT (TCP_LINGER2)", of("lingering", {MAIN: (4, 0, 3)})),
    ("fds 0 to 2 closed at start", starts_closed),
    ("fds 0 to 2 closed at start, and none of ours there", moved_away),
    ("the program's data file is fd 2", data_file),
    ("RLIMIT_NOFILE of 16", few_files),
    # From the filter on the shim makes no call of its own: nothing is counted, and no table is printed.
    ("seccomp: killed for what no plain client does", of(
        "seccomp kill", {}, wrap=STDOUT_ONLY, shims={**KILL, **AUTO})),
    ("seccomp: the same, but files may be read", of(
        "seccomp kill-but-for-files", {}, wrap=STDOUT_ONLY, shims={**KILL, **AUTO})),
    ("seccomp: killed for all but connect and close", of(
        "seccomp kill-but-for-least", {}, wrap=STDOUT_ONLY, shims={**KILL, **AUTO})),
    ("seccomp: refused all but connect and close", of("seccomp refuse", {}, wrap=STDOUT_ONLY, shims={**SHIMS, **AUTO})),
    ("read-only /", read_only),
    ("no /proc", functools.partial(
        in_place, "mount -t tmpfs none /proc", ["plain"], {MAIN: (10, 6, 4), CHILD: (2, 2, 0)},
        shims={**SHIMS, **AUTO})),
    ("no /dev/shm, no /dev/log", functools.partial(
        in_place, "mount -t tmpfs none /dev; mknod -m 666 /dev/null c 1 3", ["noisy"], {},
        shims={**SHIMS, **logging_to("syslog")}, ports=(40000, 40009))),
    ("chroot into nothing after start", functools.partial(chroot, "stderr")),
    ("chroot, log to a file", functools.partial(chroot, "file:/log")),
    ("standard error is a full pipe", of("start full noisy", {}, **NOISY)),
    ("standard error is a closed pipe", of("start closed-pipe noisy", {}, **NOISY)),
    ("log on a full disk", full_disk),
    ("log that cannot be written", bad_log),
])
