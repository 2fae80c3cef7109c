#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_security - what a hostile user could try: see SECURITY.md."""
import functools
import json
import os
import pathlib
import re
import shlex
import shutil

import lab

PORT, CAPACITY = 5000, 20
SHIM = lab.BUILD / "libheadroom.so"
TWO = "127.0.0.1-127.0.0.2"
# A line of its own, a second field, an escape sequence; in ASCII, as C1 control, and as what is not UTF-8.
HOSTILE = b'x\nheadroom event=forged "\x1b[2J\xc2\x9b2J\x9b\xff\xe2\x80\xae}'
EXEC_AS = "import os, sys; os.execv(sys.argv[2], [bytes.fromhex(sys.argv[1]), *sys.argv[3:]])"


def headroom(*arguments, **how):
    env = {"LD_PRELOAD": lab.SANITIZER} if lab.SANITIZER else {}
    return lab.run([str(lab.HEADROOM), *map(str, arguments)], env={**env, **how.pop("env", {})}, **how)


def preloaded(command, **env):
    """Runs command under a plain LD_PRELOAD of the shim."""
    return lab.run(command, env={"LD_PRELOAD": f"{lab.SANITIZER} {SHIM}".strip(), **env})


def fill_command(*options):
    return [lab.client("fill"), *options, "127.0.0.1", str(PORT)]


def filled(run, count):
    """Fills the tuple spaces from a network of its own. run: gives the Result. Return: that Result."""
    lab.new_network()
    lab.ports(40000, 40000 + CAPACITY - 1)
    with lab.Hold(PORT):
        done = run()
    lab.equal("exit status, stdout", (done.status, done.stdout),
              (0, f"127.0.0.1 {PORT} opened {count}, connect EADDRNOTAVAIL\nheld\n"))
    return done


def fill_preloaded(count=CAPACITY, **env):
    return filled(lambda: preloaded(fill_command(), **env), count)


def one_line(text, *words):
    lab.equal("lines on stderr", len(text.splitlines()), 1)
    shown(text)
    for word in words:
        if word not in text:
            raise lab.Failed(f"{word!r} is not in: {text.strip()}")


def refused(done, *words, status=2):
    lab.equal("exit status, stdout", (done.status, done.stdout), (status, ""))
    one_line(done.stderr, *words)


def without_headroom(*words, **env):
    """What the shim does with a bad setting: one line, and the program runs as if it were not there."""
    one_line(fill_preloaded(**env).stderr, "event=config", *words)


def shown(text):
    """Nothing but text: UTF-8, and no character that a terminal obeys."""
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    bad = re.findall("[\0-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\ufffd]", text)
    lab.equal("control characters", bad, [])
    return text


# The environment of a program with more rights than its caller

def small_root():
    """A root folder for chroot(8) whose loader preloads the shim into all programs."""
    root = lab.scratch() / "root"
    for file in (SHIM, lab.client("fill")):
        listed = lab.run(["ldd", str(file)]).stdout
        for library in re.findall(r"(/\S+) \(0x", listed):
            target = root / library.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, target)
    shutil.copy(SHIM, root / "shim.so")
    for name in ("fill", "secure"):
        shutil.copy(lab.client("fill"), root / name)
    (root / "etc").mkdir()
    (root / "etc/ld.so.preload").write_text("/shim.so\n")
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    (root / "rules").write_text("[headroom]\nlog_format = json\n")
    try:
        os.chown(root / "secure", 65534, 65534)
        os.chmod(root / "secure", 0o4755)
    except OSError as why:
        raise lab.Skipped(f"no set-user-ID program can be made here: {why.strerror}") from None
    return root


def secure_environment():
    """Run with AT_SECURE, the shim reads nothing from the environment; without it, it does (the control)."""
    lab.needs("chroot")
    lab.not_under_sanitizer("its runtime would have to be in the small root")
    root = small_root()
    variables = {"HEADROOM_CONFIG": "/rules", "HEADROOM_LOG": "file:/tmp/log", "HEADROOM_SUMMARY": "1",
                 "HEADROOM_SOURCES": TWO}
    for disable in ({}, {"HEADROOM_DISABLE": "1"}):
        env = {**variables, **disable}
        command = fill_command()[1:]
        done = filled(lambda: lab.run(["chroot", str(root), "/secure", *command], env=env), CAPACITY)
        lab.equal("AT_SECURE: files", os.listdir(root / "tmp"), [])
        # The one line says that the shim is there, with its defaults.
        one_line(done.stderr, "headroom time=", "event=exhausted")
        done = filled(lambda: lab.run(["chroot", str(root), "/fill", *command], env=env),
                      CAPACITY if disable else 2 * CAPACITY)
        lab.equal("control: files", os.listdir(root / "tmp"), [] if disable else ["log"])
        lab.equal("control: summary", "ports used by" in done.stderr, not disable)
        for file in (root / "tmp").iterdir():
            lab.equal("control: JSON as the rule file says", file.read_text()[0], "{")
            file.unlink()
    return "five variables, obeyed without AT_SECURE and not with it"


def secure_state():
    """With AT_SECURE the usage segment is where its owner's is by default, whatever the environment says."""
    lab.needs("chroot", "unshare")
    lab.not_under_sanitizer("its runtime would have to be in the small root")
    root = small_root()
    if lab.run(["unshare", "-m", "true"]).status:
        raise lab.Skipped("no mount namespace")
    memory = root / "dev/shm"
    memory.mkdir(parents=True)
    script = (f'mount -t tmpfs -o mode=1777 none {memory}; for place in named runtime; do mkdir -m 700 {memory}/$place; '
              f'chown $1 {memory}/$place; done; shift; chroot {root} "$@" </dev/null; '
              f"find {memory} -type f -printf 'file %P %U %m\\n'")
    env = {"HEADROOM_STATE_DIR": "/dev/shm/named", "XDG_RUNTIME_DIR": "/dev/shm/runtime", "HEADROOM_LOG": "off"}
    def files(program, owner, **changed):
        done = lab.run(["unshare", "-m", "sh", "-c", script, "sh", str(owner), f"/{program}", *fill_command("-c", "1")[1:]],
                       env={**env, **changed})
        lab.equal("status, errors", (done.status, done.stderr), (0, ""))
        return [(line.split()[1].split("/")[:-1], *line.split()[2:]) for line in done.stdout.splitlines()
                if line.startswith("file ")]
    lab.new_network()
    with lab.Hold(PORT):
        lab.equal("AT_SECURE", files("secure", 65534), [(["headroom-65534"], "65534", "400")])
        lab.equal("AT_SECURE, off", files("secure", 65534, HEADROOM_STATE_DIR="off"), [(["headroom-65534"], "65534", "400")])
        lab.equal("control", files("fill", 0), [(["named"], "0", "400")])
        lab.equal("control, none named", files("fill", 0, HEADROOM_STATE_DIR=""), [(["runtime", "headroom"], "0", "400")])
        lab.equal("control, off", files("fill", 0, HEADROOM_STATE_DIR="off"), [])


# Text from outside in lines and tables

def hostile_name(log_format):
    """A program may choose its own name; it stays within its field."""
    log = lab.scratch() / "log"
    command = [lab.PYTHON, "-c", EXEC_AS, HOSTILE.hex(), *fill_command()]
    shim = {"sources": TWO, "options": ["--log", f"file:{log}", "--log-format", log_format, "--summary"]}
    processes = []

    def run():
        processes.append(lab.Process(command, shim))
        return processes[0].wait()

    filled(run, 2 * CAPACITY)
    table = shown(processes[0]._err.read_bytes())
    lines = shown(log.read_bytes()).splitlines()
    if log_format == "json":
        records = [json.loads(line) for line in lines]
    else:
        records = [dict(word.split("=", 1) for word in shlex.split(line)[1:]) for line in lines]
    lab.equal("events", {record["event"] for record in records}, {"threshold", "failover", "exhausted"})
    names = {record["prog"] for record in records}
    lab.equal("one name", len(names), 1)
    lab.equal("the table's lines", len(table.splitlines()), 5)
    return f"{len(lines)} lines, prog={names.pop()!r}"


def hostile_rule_file():
    """The name of a rule file, and what is in it, in messages of the command and of the shim."""
    rules = pathlib.Path(os.fsdecode(bytes(lab.scratch()) + b"/" + HOSTILE.replace(b"\xff", b"")))
    rules.write_bytes(b"[headroom]\n" + HOSTILE.partition(b"\n")[2] + b"\n")
    for arguments in (["config", "check", rules], ["run", "-c", rules, "--", "/bin/true"]):
        refused(headroom(*arguments), ":2", "forged", "\\u001b")
    without_headroom("forged", "\\u001b", HEADROOM_CONFIG=str(rules))
    rules.write_bytes(b"[to * proc=\x1b[31mred\xc2\x9b]\nspread = off\n")
    lab.equal("config check", shown(headroom("config", "check", rules).stdout),
              "* of \\u001b[31mred\\u009b: no spreading\n*: no spreading\n")
    refused(headroom("run", "--log", "file:/nowhere/\x1b[2J", "--", "/bin/true"), "\\u001b[2J")
    refused(headroom("\x1b[2J"), "\\u001b[2J")
    return "one line each, nothing in it that a terminal obeys"


BINDER = """
import ctypes, socket, sys
ctypes.CDLL(None).prctl(15, bytes.fromhex(sys.argv[1]))  # PR_SET_NAME
held = socket.create_server(("127.0.0.1", 40005))
print("bound", flush=True)
sys.stdin.read()
"""


def hostile_holder():
    """Another user's program has a port and a hostile name; root asks `headroom check` who has it."""
    lab.ports(40000, 40000 + CAPACITY - 1)
    command = [lab.PYTHON, "-c", BINDER, b"a\x1b[2J\xc2\x9bb\x9b\xe2\x80\xae".hex()]
    with lab.Hold(PORT), lab.Process(command, stdin=True) as process:
        lab.wait_for(lambda: "bound" in process.stdout(), "a port to be bound", process)
        with lab.Process([str(lab.HEADROOM), "check", f"127.0.0.1:{PORT}"]) as check:
            check.wait()
            text = shown(check._out.read_bytes())
        with lab.Process([str(lab.HEADROOM), "check", "--json", f"127.0.0.1:{PORT}"]) as check:
            check.wait()
            json.loads(shown(check._out.read_bytes()))
    found = re.search(r"a\S*b\S*(?=\[\d+\])", text)
    lab.equal("its name is shown", bool(found), True)
    return found[0]


# Rule files

def megabyte(*lines):
    """The text repeated up to 1 MiB; %d in it counts."""
    parts, size, number = [], 0, 0
    while True:
        text = "".join(lines).replace("%d", str(number % 65535 + 1))
        if size + len(text) > 1 << 20:
            return "".join(parts)
        parts.append(text)
        size += len(text)
        number += 1


def huge_rule_file(text, *words):
    """Whatever it holds, it is read or refused before long, and never harms the program."""
    rules = lab.scratch() / "rules"
    rules.write_text(text)
    checked = headroom("config", "check", rules)
    fill_preloaded(HEADROOM_CONFIG=str(rules), HEADROOM_LOG="off")
    if words:
        refused(checked, *words)
        return checked.stderr.strip().rpartition("/")[2]
    lab.equal("exit status, stderr", (checked.status, checked.stderr), (0, ""))
    return f"{len(text)} bytes, {len(checked.stdout.splitlines()) - 1} rules"


def no_rule_file(make, *words):
    """A rule file that is none: nothing waits for it."""
    rules = lab.scratch() / "rules"
    make(rules)
    for arguments in (["config", "check", rules], ["run", "-c", rules, "--", "/bin/true"]):
        refused(headroom(*arguments), f"{rules}: ", *words)
    without_headroom(*words, HEADROOM_CONFIG=str(rules))
    return words[0]


def as_link_to(target, link):
    os.symlink(target, link)


# Log files

def planted(make, word):
    """What another user put where the log is to go: no line gets there, and the program is not harmed."""
    log, victim = lab.scratch() / "log", lab.scratch() / "victim"
    victim.write_text("of another use\n")
    reader = make(log, victim)
    rules = lab.scratch() / "rules"
    rules.write_text(f"[headroom]\nlog = file:{log}\n")
    refused(headroom("run", "--log", f"file:{log}", "--", "/bin/true"), f"{log}: ", word)
    for how in ({"HEADROOM_LOG": f"file:{log}"}, {"HEADROOM_CONFIG": str(rules)}):
        lab.equal("stderr", fill_preloaded(**how).stderr, "")
        if reader is not None:
            lab.equal("the reader of the FIFO gets", os.read(reader, 100), b"")
    lab.equal("the victim", victim.read_text(), "of another use\n")
    lab.equal("new files", sorted(set(os.listdir(lab.scratch())) - {"log", "victim", "rules"}),
              sorted(name for name in os.listdir(lab.scratch()) if name.startswith("std")))
    return word


def fifo(log, _):
    os.mkfifo(log, 0o666)


def fifo_with_reader(log, _):
    os.mkfifo(log, 0o666)
    return os.open(log, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def no_rules():
    """A rule file that cannot be read: the environment still says whether that is told, and where."""
    missing, log = str(lab.scratch() / "no-such-rules"), lab.scratch() / "no-rules.log"
    without_headroom(missing, HEADROOM_CONFIG=missing)
    lab.equal("with the log off", fill_preloaded(HEADROOM_CONFIG=missing, HEADROOM_LOG="off").stderr, "")
    lab.equal("with a file", fill_preloaded(HEADROOM_CONFIG=missing, HEADROOM_LOG=f"file:{log}").stderr, "")
    one_line(log.read_text(), "event=config", missing)
    return "a line, none, a line in the file"


def relative_paths():
    """A path that is not from the root would mean another file in each folder a program or its child goes to."""
    rules = lab.scratch() / "rules"
    rules.write_text("[headroom]\nlog = file:log\n")
    refused(headroom("config", "check", rules), f"{rules}:2: ", "`file:log` is not a path from the root")
    refused(headroom("run", "--", "/bin/true", env={"HEADROOM_LOG": "file:log"}), "HEADROOM_LOG: ", "file:log")
    without_headroom("HEADROOM_LOG: `file:log`", HEADROOM_LOG="file:log")
    without_headroom("HEADROOM_CONFIG: `rules`", HEADROOM_CONFIG="rules")
    lab.equal("files made", (lab.scratch() / "log").exists(), False)
    # The command knows which folder is meant.
    rules.write_text("[headroom]\nsources = 127.0.0.1-127.0.0.2\n")
    script = f"cd / && exec {shlex.join(fill_command())}"
    filled(lambda: lab.run(["sh", "-c", script], {"options": ["-c", "rules", "--log", "file:log"]}), 2 * CAPACITY)
    lab.equal("lines in the log of the command's folder", "event=exhausted" in (lab.scratch() / "log").read_text(),
              True)
    return "refused in rule files and variables, made absolute by the command"


# Paths of programs and libraries

def preload_path():
    """LD_PRELOAD has no quoting: from a folder the loader would read otherwise, the command refuses to start."""
    for name, good in (("a b", False), ("a:b", False), ("a$LIB", False), ("a${ORIGIN}", False), ("a\tb", True),
                       ("a'b*", True), ("a\\b", True)):
        folder = lab.scratch() / name
        folder.mkdir()
        for file in (lab.HEADROOM, SHIM):
            shutil.copy(file, folder)
        env = {"LD_PRELOAD": lab.SANITIZER} if lab.SANITIZER else {}
        done = lab.run([str(folder / "headroom"), "run", "--", "/bin/cat", "/proc/self/maps"], env=env)
        if good:
            lab.equal(f"{name!r}: status, stderr", (done.status, done.stderr), (0, ""))
            lab.equal(f"{name!r}: the shim is loaded", "/libheadroom.so" in done.stdout, True)
        else:
            refused(done, "cannot preload")
    return "space, colon and $ refused; tab, quote, star and backslash work"


def interpreter_fifo():
    """A script may name anything as its interpreter; looking at it must not wait."""
    os.mkfifo(lab.scratch() / "fifo", 0o755)
    script = lab.scratch() / "script"
    script.write_text(f"#!{lab.scratch()}/fifo\n")
    script.chmod(0o755)
    refused(headroom("run", "--", script), status=126)
    return "exit status 126"


# Source lists

def many_addresses():
    lists = ("10.0.0.0/8", "10.0.0.0-10.255.255.255", "fd00::/64", "::1-fd00::", "0.0.0.0/0",
             ",".join(["10.0.0.0/20"] * 10000), ",".join(["10.0.0.1"] * 10000))
    for text in lists:
        refused(headroom("run", "--sources", text, "--", "/bin/true"), "--sources: ", "4096 addresses")
        without_headroom("4096 addresses", HEADROOM_SOURCES=text)
    return f"{len(lists)} lists"


def of(function, *arguments):
    return functools.partial(function, *arguments)


lab.main([
    ("environment in a set-user-ID program", secure_environment),
    ("usage segment of a set-user-ID program", secure_state),
    ("hostile program name, logfmt", of(hostile_name, "logfmt")),
    ("hostile program name, json", of(hostile_name, "json")),
    ("hostile rule file", hostile_rule_file),
    ("hostile name of a process that has a port", hostile_holder),
    ("rule file of 1 MiB and a byte", of(huge_rule_file, "#" * ((1 << 20) + 1), "larger than 1 MiB")),
    ("rule file of one line", of(huge_rule_file, "x" * (1 << 20), ":1: ", "198 bytes")),
    ("rule file of rules", of(huge_rule_file, megabyte("[to 10.0.0.1:%d]\n"))),
    ("rule file of settings", of(huge_rule_file, "[headroom]\n" + megabyte("log = off\n")[20:])),
    ("rule file of one list", of(huge_rule_file, "[to *]\n" + megabyte("sources=10.0.0.0/20\n")[20:],
                                 ":3: ", "4096 addresses")),
    ("rule file of lists", of(huge_rule_file, megabyte("[to *:%d]\nsources=10.0.0.0/20\n"), ":34: ",
                              "65536 addresses")),
    ("rule file that is a FIFO", of(no_rule_file, os.mkfifo, "is not a regular file")),
    ("rule file that is a folder", of(no_rule_file, os.mkdir, "Is a directory")),
    ("rule file that is a device", of(no_rule_file, of(as_link_to, "/dev/zero"), "is not a regular file")),
    ("rule file that is a loop", of(no_rule_file, of(as_link_to, "rules"), "Too many levels of symbolic links")),
    ("log that is a symbolic link", of(planted, lambda log, victim: log.symlink_to(victim), "symbolic link")),
    ("log that is a link to nothing", of(planted, lambda log, _: log.symlink_to("made"), "symbolic link")),
    ("log that is a second name", of(planted, lambda log, victim: log.hardlink_to(victim), "second name")),
    ("log that is a FIFO", of(planted, fifo, "not a regular file")),
    ("log that is a FIFO with a reader", of(planted, fifo_with_reader, "not a regular file")),
    ("log that is a folder", of(planted, lambda log, _: log.mkdir(), "not a regular file")),
    ("no rules", no_rules),
    ("relative paths", relative_paths),
    ("path of the shim", preload_path),
    ("interpreter that is a FIFO", interpreter_fifo),
    ("lists of millions of addresses", many_addresses),
])
