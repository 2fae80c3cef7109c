#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_run - `headroom run`: same pid, same exit status, one clear line when it cannot work."""
import os
import pathlib
import re
import shutil
import signal
import struct

import lab
from sock_diag import tuples

PORT, CAPACITY = 5000, 100
SHIM = lab.BUILD / "libheadroom.so"


def headroom(*arguments, **how):
    if not lab.HEADROOM.exists():
        raise lab.Failed(f"{lab.HEADROOM} is missing: build first, or set HEADROOM_BUILD")
    if lab.SANITIZER:
        how["env"] = {"LD_PRELOAD": lab.SANITIZER, **how.get("env", {})}
    return lab.run([str(lab.HEADROOM), *arguments], **how)


def one_line(done, status, *words):
    """A refusal: this exit status, nothing on stdout, one line on stderr that holds these words."""
    lab.equal("exit status", done.status, status)
    lab.equal("stdout", done.stdout, "")
    lab.equal("lines on stderr", len(done.stderr.splitlines()), 1)
    for word in words:
        if word not in done.stderr:
            raise lab.Failed(f"{word!r} is not in: {done.stderr.strip()}")


def exit_statuses():
    for status in (0, 1, 2, 42, 126, 127, 255):
        done = headroom("run", "--", "/bin/sh", "-c", f"exit {status}")
        lab.equal("exit status, stdout, stderr", (done.status, done.stdout, done.stderr), (status, "", ""))
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGUSR1):
        done = headroom("run", "--", "/bin/sh", "-c", f"kill -{int(number)} $$")
        lab.equal("killed by", done.status, -int(number))
    return "7 statuses, 3 signals"


def same_pid():
    with lab.Process(["/bin/sh", "-c", "echo $$"], {}) as process:
        done = process.wait()
        lab.equal("the program's pid", done.stdout.strip(), str(process.pid))
    return "exec, no process between"


def arguments_and_input():
    with lab.Process(["/bin/sh", "-c", 'printf "%s|" "$@"; cat', "sh", "--sources", "a b", "", "--", "-c"], {},
                     stdin=True) as process:
        process._stdin.write(b"input\n")
        lab.equal("stdout", process.wait().stdout, "--sources|a b||--|-c|input\n")
    done = headroom("run", "/bin/echo", "-n", "--help")
    lab.equal("without --: the program's options are its own", (done.status, done.stdout), (0, "--help"))
    return "passed on untouched"


def bad_options():
    for option, value, word in (("--sources", "10.0.0.300", "10.0.0.300"), ("--sources", "127.0.0.9-127.0.0.2", "127"),
                                ("--sources", "10.0.0.0/33", "/33"), ("--sources", "127.0.0.2,,127.0.0.3", "empty"),
                                ("--spread", "odd", "odd"), ("--log", "printer", "printer"), ("--bogus", "1", "bogus"),
                                ("-c", "/nonexistent/rules", "/nonexistent/rules")):
        try:
            one_line(headroom("run", option, value, "--", "/bin/true"), 2, word)
        except lab.Failed as why:
            raise lab.Failed(f"{option} {value}: {why}") from None
    lab.equal("no program", headroom("run").status, 2)
    lab.equal("no program after --", headroom("run", "--").status, 2)
    return "8 bad options, one clear line each, exit status 2"


def not_taken():
    """Each verb says the same of a word that it does not take, and names the word that is meant."""
    needs = {"check": "--from", "export": "--top", "ports": "--pid", "report": "--name", "run": "-c", "top": "--delay"}
    for verb, valued in needs.items():
        for word, named, why in (("--bogus", "--bogus", "is not an option"), ("-xy", "-x", "is not an option"),
                                 ("--help=1", "--help=1", "takes no value"), (valued, valued, "needs a value")):
            done = headroom(verb, word)
            lab.equal(f"what is said of {verb} {word}", (done.status, done.stdout, done.stderr),
                      (2, "", f"headroom: {verb}: `{named}` {why}; `headroom {verb} --help` has the details\n"))
    done = headroom("report", "--state-dir", "/no/such/place")
    lab.equal("what is said of a place that is not there", (done.status, done.stdout, done.stderr),
              (2, "", "headroom: /no/such/place: No such file or directory\n"))
    return f"{len(needs)} verbs, 4 words each"


def help_texts():
    verbs = ("check", "config", "explain", "export", "ports", "record", "report", "run", "status", "top")
    for verb in verbs:
        done = headroom(verb, "--help")
        lab.equal(f"{verb} --help", (done.status, done.stderr, done.stdout.startswith("usage: headroom ")), (0, "", True))
        lab.equal(f"lines of {verb} --help over 80 columns", [line for line in done.stdout.splitlines() if len(line) > 80], [])
    return f"{len(verbs)} verbs"


def bad_rule_file():
    """`run` refuses it; the shim itself says so and runs the program untouched."""
    rules = lab.scratch() / "rules"
    rules.write_text("[headroom]\nlog = stderr\n\n[to *:6379]\nsources = 10.0.0.999\n")
    one_line(headroom("run", "-c", str(rules), "--", "/bin/true"), 2, f"{rules}:5", "10.0.0.999")
    lab.ports(40000, 40000 + CAPACITY - 1)
    with lab.Hold(PORT):
        done = plain_preload([lab.client("fill"), "127.0.0.1", str(PORT)], HEADROOM_CONFIG=str(rules),
                             HEADROOM_SOURCES="127.0.0.1-127.0.0.2")
    lab.equal("stdout", done.stdout, f"127.0.0.1 {PORT} opened {CAPACITY}, connect EADDRNOTAVAIL\nheld\n")
    lab.equal("lines on stderr", (len(done.stderr.splitlines()), f"{rules}:5" in done.stderr), (1, True))
    return "run: exit status 2; shim: one line, untouched"


def config_check():
    rules = lab.scratch() / "rules"
    rules.write_text("[headroom]\nreuse = http\n[to 10.0.0.0/8]\nidle_timeout = 20ms\n", encoding="ascii")
    said = headroom("config", "check", rules)
    lab.equal("idle_timeout: given, and not", (said.status, re.findall(r"idle_timeout ([^,]+)", said.stdout)),
              (0, ["20 ms", "by the rate"]))
    return "what was not given is not said to be a number"


def without_effect():
    """Rules that never decide and variables that nobody reads are said; what runs, runs."""
    rules = lab.scratch() / "rules"
    for text, shadowed in (("[to *:6379]\n[to 10.0.0.1:6379]\n", [1]), ("[to 10.0.0.1:6379]\n[to *:6379]\n", []),
                           ("[to 10.0.0.0/8]\n[to 10.1.0.0/16:80]\n[to [::]/0]\n[to *]\n[to [fd00::1]:80]\n", [1, 3]),
                           ("[to *:80 proc=a]\n[to *:80 proc=b]\n[to *:80]\n[to 10.0.0.1:80 proc=c]\n", [3]),
                           ("[to 10.0.0.0/16]\n[to 10.0.0.0/8]\n[to 10.0.0.0/8]\n", [2])):
        rules.write_text(text.replace("]\n", "]\nshim = off\n"), encoding="ascii")
        said = headroom("config", "check", rules)
        lab.equal(f"never decides\n{said}", [line.split("rule ")[1].split(" ")[0] for line in said.stdout.splitlines()
                                             if "never decides" in line], [str(n) for n in shadowed])
        lab.equal("status", said.status, 1 if shadowed else 0)
    rules.write_text("[headroom]\n", encoding="ascii")
    for name, in_check, in_run in (("HEADROOM_SORUCES", "did you mean HEADROOM_SOURCES?", True), ("HEADROOM_SPREAD_", "did you mean", True),
                                   ("HEADROOM_ZZZZ", "nobody reads this variable", False)):
        said = headroom("config", "check", rules, env={name: "x"})
        lab.equal(f"config check\n{said}", (said.status, in_check in said.stderr, said.stderr.count("\n")), (1, True, 1))
        said = headroom("run", "--", "true", env={name: "x"})
        lab.equal(f"run\n{said}", (said.status, name in said.stderr), (0, in_run))
    said = headroom("config", "chekc", rules)
    lab.equal(f"a word\n{said}", (said.status, "did you mean `check`" in said.stderr), (2, True))
    lab.equal("help", headroom("config", "check", "--help").status, 0)


def plain_preload(command, **env):
    preload = f"{lab.SANITIZER} {SHIM}".strip()
    return lab.run(command, env={"LD_PRELOAD": preload, **env})


def environment_alone():
    """Without `headroom run`: LD_PRELOAD and HEADROOM_* do the same."""
    lab.ports(40000, 40000 + CAPACITY - 1)
    with lab.Hold(PORT):
        done = plain_preload([lab.client("fill"), "127.0.0.1", str(PORT)],
                             HEADROOM_SOURCES="127.0.0.1-127.0.0.3", HEADROOM_LOG="off")
    lab.equal("stdout", done.stdout, f"127.0.0.1 {PORT} opened {3 * CAPACITY}, connect EADDRNOTAVAIL\nheld\n")
    return f"{3 * CAPACITY} connections"


def rule_file():
    """The first rule that matches decides; the rest of the destinations keep their one range."""
    rules = lab.scratch() / "rules"
    rules.write_text(f"[headroom]\nlog = off\n[to 127.0.0.1:{PORT}]\nsources = 127.0.0.1-127.0.0.2\nspread = even\n"
                     f"[to *:{PORT + 1}]\nsources = 127.0.0.5\nstrict = yes\n")
    lab.ports(40000, 40000 + CAPACITY - 1)
    fill = [lab.client("fill"), *sum((["127.0.0.1", str(PORT + i)] for i in range(3)), [])]
    with lab.Hold(PORT), lab.Hold(PORT + 1), lab.Hold(PORT + 2), \
            lab.Process(fill, {"options": ["-c", str(rules)]}, stdin=True) as process:
        lab.wait_for(lambda: "held" in process.stdout(), "fill to reach the end", process)
        lab.equal("by source", [tuples(PORT + i) for i in range(3)],
                  [{"127.0.0.1": CAPACITY, "127.0.0.2": CAPACITY}, {"127.0.0.5": CAPACITY}, {"127.0.0.1": CAPACITY}])
    return "three destinations, three rules"


def not_runnable():
    one_line(headroom("run", "--", "/nonexistent/program"), 127, "/nonexistent/program")
    one_line(headroom("run", "--", "no-such-program-anywhere"), 127, "no-such-program-anywhere")
    text = lab.scratch() / "text"
    text.write_text("no program\n")
    one_line(headroom("run", "--", str(text)), 126, str(text))
    return "127 when not found, 126 when not executable, as of env(1)"


def static_program():
    lab.needs("cc")
    source, program = lab.scratch() / "static.c", lab.scratch() / "static"
    source.write_text("int main(void) { return 7; }\n")
    if lab.run(["cc", "-static", "-o", str(program), str(source)]).status:
        raise lab.Skipped("no static libc to link with")
    done = headroom("run", "--", str(program))
    one_line(done, 2, "static")
    return f"exit status {done.status}: {done.stderr.strip().rpartition('/')[2]}"


def by_the_loader():
    """A loader is no program without one: LD_PRELOAD holds for what it is given, whichever name it is called by."""
    shown = lab.run(["readelf", "-l", lab.client("fill")]).stdout
    loader = re.search(r"interpreter: (\S+)\]", shown)[1]
    named = lab.scratch() / "ld.so"
    named.symlink_to(loader)
    for path in loader, str(named):
        done = headroom("run", "--summary", "--", path, "/bin/sh", "-c", "echo $LD_PRELOAD; exit 7")
        lab.equal(path, (done.status, done.stderr), (7, ""))
        preloads = [pathlib.Path(library).name for library in done.stdout.strip().split(":")]
        lab.equal("preloads", preloads.count("libheadroom.so"), 1)


def i386_program():
    """A real one, of each kind; it runs by itself, and what is put before it is one line."""
    lab.needs("cc")
    if os.uname().machine != "x86_64":
        raise lab.Skipped("no i386 programs here")
    source, program = lab.scratch() / "i386.c", lab.scratch() / "i386"
    source.write_text('void _start(void) { __asm__ volatile("movl $1, %eax; movl $7, %ebx; int $0x80"); }\n')
    for flags in (["-static", "-no-pie", "-fno-pie"], ["-pie", "-fPIE", "-Wl,--dynamic-linker=/lib/ld-linux.so.2"]):
        made = lab.run(["cc", "-m32", "-nostdlib", "-O1", *flags, "-o", str(program), str(source)])
        if made.status:
            raise lab.Skipped("this compiler makes no i386 programs")
        done = headroom("run", "--sources", "127.0.0.1-127.0.0.4", "--", str(program))
        one_line(done, 2, str(program), "is a 32-bit i386 program", "64-bit x86-64 and aarch64")
    return done.stderr.strip().rpartition("/")[2]


EM = {"x86_64": 62, "aarch64": 183}


def elf_for(machine, loader):
    """The least that `headroom run` takes for a program of that machine: a head, and who is to load it."""
    interpreter = loader.encode() + b"\0"
    head = b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 3, EM[machine], 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return head + struct.pack("<IIQQQQQQ", 3, 4, 120, 0, 0, len(interpreter), len(interpreter), 1) + interpreter


def other_machine():
    """Where the other machine's library is not installed that is said, and where it is, that one is taken."""
    lab.needs("strace")
    own = os.uname().machine
    other = next(machine for machine in EM if machine != own)
    here, there = (lab.scratch() / f"{machine}-linux-gnu" for machine in (own, other))
    program, trace = lab.scratch() / "program", lab.scratch() / "trace"
    program.write_bytes(elf_for(other, f"/lib/ld-linux-{other.replace('_', '-')}.so.1"))
    program.chmod(0o755)
    for folder in (here, there):
        folder.mkdir()
    for name in ("headroom", "libheadroom.so"):
        shutil.copy2(lab.BUILD / name, here / name)
    command = [str(here / "headroom"), "run", "--", str(program)]
    one_line(lab.run(command), 2, f"no libheadroom.so for {other.replace('86_', '86-')}")
    (there / "libheadroom.so").write_bytes(elf_for(own, "/lib/ld.so"))
    one_line(lab.run(command), 2, f"no libheadroom.so for {other.replace('86_', '86-')}")
    (there / "libheadroom.so").write_bytes(elf_for(other, "/lib/ld.so"))
    lab.run(["strace", "-v", "-s", "4096", "-e", "trace=execve", "-o", str(trace), *command])
    preloads = re.findall(rf'execve\("{re.escape(str(program))}".*"LD_PRELOAD=([^"]*)"', trace.read_text())
    lab.equal("LD_PRELOAD of the program", preloads[:1], [str(there / "libheadroom.so")])
    return f"{other}: not there: said; there: taken"


def set_user_id():
    """The loader ignores LD_PRELOAD when a program is run with rights its caller lacks."""
    program = lab.scratch() / "true"
    program.write_bytes(open("/bin/true", "rb").read())
    try:
        os.chown(program, 65534, 65534)
        os.chmod(program, 0o4755)
    except OSError:  # root within a user namespace only: another's file is one of the system's
        program = "/bin/mount"
        if not os.path.exists(program) or not os.stat(program).st_mode & 0o4000:
            raise lab.Skipped("no set-user-ID program of another user here") from None
    done = headroom("run", "--", str(program))
    one_line(done, 2, "set-user-ID")
    return f"exit status {done.status}: {done.stderr.strip().rpartition('/')[2]}"


def script():
    path = lab.scratch() / "script"
    path.write_text("#!/bin/sh\nexit 5\n")
    os.chmod(path, 0o755)
    done = headroom("run", "--", str(path))
    lab.equal("exit status, stderr", (done.status, done.stderr), (5, ""))
    return "a script with #! runs"


def no_interpreter():
    """The script is named, not only what is missing; and the status is that of env(1)."""
    path = lab.scratch() / "script"
    path.write_text("#!/no/such/interpreter\n")
    path.chmod(0o755)
    one_line(headroom("run", "--", str(path)), 127, str(path), "/no/such/interpreter is missing")


def helpers():
    """Where LD_PRELOAD does not get to is said; the command runs all the same."""
    path = lab.scratch() / "ssh"
    path.write_text("#!/bin/sh\nexit 7\n")
    path.chmod(0o755)
    one_line(headroom("run", "--", str(path)), 7, "ssh", "another host", "behind it")


def foreign_source():
    one_line(headroom("run", "--sources", "127.0.0.1,192.0.2.7", "--", "true"), 0, "192.0.2.7 is not an address of this host")


def other_preloads():
    """A preload that was there stays there."""
    done = lab.run(["/bin/sh", "-c", "echo $LD_PRELOAD"], {"env": {"LD_PRELOAD": str(SHIM.parent / "libother.so")}})
    lab.equal("both in LD_PRELOAD", ("libother.so" in done.stdout, "libheadroom.so" in done.stdout), (True, True))
    return done.stdout.strip().replace(str(SHIM.parent), "...")


def disabled():
    lab.ports(40000, 40000 + CAPACITY - 1)
    with lab.Hold(PORT):
        done = lab.run([lab.client("fill"), "127.0.0.1", str(PORT)],
                       {"sources": "127.0.0.1-127.0.0.2", "env": {"HEADROOM_DISABLE": "1"}})
    lab.equal("stdout", done.stdout, f"127.0.0.1 {PORT} opened {CAPACITY}, connect EADDRNOTAVAIL\nheld\n")
    lab.equal("stderr", done.stderr, "")
    return "HEADROOM_DISABLE=1: as if it were not there"


lab.main([
    ("exit status", exit_statuses),
    ("same pid", same_pid),
    ("arguments and standard input", arguments_and_input),
    ("bad options", bad_options),
    ("options that a verb does not take", not_taken),
    ("help fits 80 columns", help_texts),
    ("bad rule file", bad_rule_file),
    ("config check", config_check),
    ("without effect", without_effect),
    ("plain LD_PRELOAD", environment_alone),
    ("rule file", rule_file),
    ("programs that cannot be run", not_runnable),
    ("a static program", static_program),
    ("a program given to its loader", by_the_loader),
    ("an i386 program", i386_program),
    ("a program of another machine", other_machine),
    ("a set-user-ID program", set_user_id),
    ("a script", script),
    ("a script without its interpreter", no_interpreter),
    ("commands that others start", helpers),
    ("a source that is not local", foreign_source),
    ("another preload", other_preloads),
    ("disabled", disabled),
])
