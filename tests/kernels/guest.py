#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""guest - run platform programs, system tests and the knee test on this kernel; each result is one line of JSON.

As /init of a virtual machine it mounts what is needed before, and ends the machine after. With an argument, the
build folder, it runs on the machine it is on.
"""
import contextlib
import ctypes
import json
import os
import pathlib
import re
import resource
import subprocess
import sys

import without_option

MARK = "@@"
IS_INIT = os.getpid() == 1
BUILD = pathlib.Path("/headroom/build" if IS_INIT else sys.argv[1])
SYSTEM = pathlib.Path("/headroom/tests/system") if IS_INIT else \
    pathlib.Path(__file__).resolve().parent.parent / "system"
# The kernel hands what it does not know of its command line to init, as environment.
SYSTEM_TESTS = [name for name in os.environ.get("HEADROOM_SYSTEM_TESTS", "").split(",") if name]
# Of the unit tests only these suites; empty: all.
SUITES = set(filter(None, os.environ.get("HEADROOM_SUITES", "").split(",")))
CPYTHON = [name for name in os.environ.get("HEADROOM_CPYTHON", "").split(",") if name]
PARTS = set(os.environ.get("HEADROOM_PARTS", "platform,knee").split(","))
WITHOUT_OPTION = "HEADROOM_WITHOUT_OPTION" in os.environ
# An emulated processor is slow: what a test waits for may take this many times as long.
PATIENCE = 8 if IS_INIT else 1

_libc = ctypes.CDLL(None, use_errno=True)


def emit(**result):
    print(MARK + json.dumps(result), flush=True)


def _mount(kind, where):
    if _libc.mount(b"none", where.encode(), kind.encode(), 0, None):
        print(f"cannot mount {where}: {os.strerror(ctypes.get_errno())}", flush=True)


def prepare_machine():
    for kind, where in (("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("devpts", "/dev/pts"),
                        ("tmpfs", "/dev/shm"), ("tmpfs", "/tmp"), ("tmpfs", "/run"), ("cgroup2", "/sys/fs/cgroup")):
        os.makedirs(where, exist_ok=True)
        _mount(kind, where)
    os.environ["PATH"] = "/usr/bin:/usr/sbin:/bin:/sbin"
    resource.setrlimit(resource.RLIMIT_NOFILE, (65536, 65536))
    # inet_diag before tcp_diag, which needs it.
    for module in ("veth", "inet_diag", "tcp_diag"):
        path = pathlib.Path("/headroom/modules", module + ".ko")
        if path.exists():
            fd = os.open(path, os.O_RDONLY)
            if _libc.syscall({"x86_64": 313, "aarch64": 273}[os.uname().machine], fd, b"", 0):  # finit_module
                print(f"cannot load {module}: {os.strerror(ctypes.get_errno())}", flush=True)
            os.close(fd)
    # As every machine has it; tests that want another network make their own.
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def unit_tests():
    """A result for each suite, so that of a machine that is ended early it is known how far it came."""
    listed = subprocess.run([BUILD / "unit-tests", "--list"], capture_output=True, text=True).stdout
    tested = passed = status = 0
    # The longest last: each takes an emulated processor minutes.
    for suite in sorted(re.findall(r"^(\w+): \d+ test", listed, re.M), key=("trust", "attempt_faults").__contains__):
        if SUITES and suite not in SUITES:
            continue
        done = subprocess.run([BUILD / "unit-tests", "-j1", "--filter", f"{suite}/*"], capture_output=True, text=True, errors="replace")
        said = re.sub("\x1b\\[[^m]*m", "", done.stderr + done.stdout)
        counts = re.search(r"Tested: (\d+) \| Passing: (\d+)", said) or ("", 0, 0)
        if done.returncode:
            print(said, flush=True)
        tested, passed, status = tested + int(counts[1]), passed + int(counts[2]), status or done.returncode
        emit(test="unit", name=suite, status=done.returncode, text=f"{counts[2]} of {counts[1]}")
    emit(test="unit", name="all", status=status, text=f"{passed} of {tested}")


def platform_programs():
    for line in (SYSTEM.parent / "kernel_facts/README.md").read_text().splitlines():
        name = re.match(r"\| \[(\w+)\]", line)
        if name:
            done = subprocess.run([BUILD / "tests/kernel_facts" / name[1]], capture_output=True, text=True)
            emit(test="platform", name=name[1], status=done.returncode, text=done.stdout.strip())


def system_tests():
    env = {**os.environ, "HEADROOM_BUILD": str(BUILD), "HEADROOM_PATIENCE": str(PATIENCE)}
    for name in SYSTEM_TESTS:
        # name:case+case is only those; abi/name is of tests/abi
        name, _, cases = name.partition(":")
        chosen = [case for case in cases.split("+") if case]
        folder, name = name.split("/") if "/" in name else ("system", name)
        with subprocess.Popen([sys.executable, SYSTEM.parent / folder / f"test_{name}.py", *chosen], env=env, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace") as running:
            for line in running.stdout:
                case = re.match(r"(ok|skip|FAIL) +(.*?): (.*)", line)
                if case:
                    emit(test=f"{folder}/{name}", name=case[2], status={"ok": 0, "skip": 77, "FAIL": 1}[case[1]],
                         text=case[3])
                else:
                    print(line.rstrip(), flush=True)
        emit(test=f"{folder}/{name}", name="all", status=running.returncode, text="")


def cpython():
    """Modules of CPython's own tests, without the shim and with it, compared case by case (tests/suites)."""
    for name in CPYTHON:
        done = subprocess.run([sys.executable, SYSTEM.parent / "suites/run", "--no-install", "--suite", "cpython", "--unit", f"{name}$",
                               "--mode", "spill", "--jobs", "1", "--work", "/tmp/suites", "--result", "/tmp/result"],
                              env={**os.environ, "HEADROOM_BUILD": str(BUILD)}, capture_output=True, text=True, errors="replace")
        print(done.stdout, done.stderr, flush=True)
        text = "did not run"
        with contextlib.suppress(FileNotFoundError):
            result = json.loads(pathlib.Path("/tmp/result").read_text())
            text = "; ".join(f"{mode}: " + ", ".join(f"{count} {what}" for what, count in counts.items())
                             for mode, counts in result["suites"][0]["modes"].items())
        emit(test=f"cpython/{name}", name="all", status=done.returncode, text=text)


def twin():
    """The differential tester: SEED:WORLDS, or SEED:WORLDS:JOBS. A result after each world, of all there was so far."""
    for asked in filter(None, os.environ.get("HEADROOM_TWIN", "").split(",")):
        seed, worlds, jobs = (asked + ":1").split(":")[:3]
        with subprocess.Popen([sys.executable, SYSTEM.parent / "twin/run", "--seed", seed, "--worlds", worlds, "--jobs", jobs,
                               "--tell"],
                              env={**os.environ, "HEADROOM_BUILD": str(BUILD)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace") as running:
            text = "did not run"
            for line in running.stdout:
                print(line.rstrip(), flush=True)
                if re.match(r"\d+ programs in", line):
                    text = line.strip()
                    emit(test="twin", name="all", status=int(not text.endswith(": 0 differences of 0 kinds")), text=text)
        emit(test="twin", name="all", status=running.returncode, text=text)


def knee():
    """What knee.py prints is results already."""
    env = {**os.environ, "HEADROOM_BUILD": str(BUILD), "PYTHONPATH": str(SYSTEM)}
    subprocess.run([sys.executable, SYSTEM.parent / "kernels/knee.py"], env=env, check=False)


def main():
    if IS_INIT:
        prepare_machine()
    with without_option.refused() if WITHOUT_OPTION else contextlib.nullcontext():
        emit(test="kernel", name=os.uname().release + (without_option.LABEL if WITHOUT_OPTION else ""))
        if PARTS & {"unit"}:
            unit_tests()
        if PARTS & {"platform"}:
            platform_programs()
        if PARTS & {"knee"}:
            knee()
        system_tests()
        twin()
        cpython()
        emit(test="kernel", name="done")


try:
    main()
finally:
    if IS_INIT:
        sys.stdout.flush()
        _libc.reboot(0x01234567)  # RB_AUTOBOOT: qemu is told to end then
