# SPDX-License-Identifier: Apache-2.0
"""musl_python - CPython made for musl of Debian's source, as no package has it; its own tests, without the shim and with it."""
import json
import os
import pathlib
import subprocess

import fetch
import programs
import sysroot

HERE = pathlib.Path(__file__).resolve().parent
SUITES = HERE.parent / "suites/run"
UNITS = ("test_socket", "test_asyncio", "test_selectors", "test_httplib", "test_urllib2_localnet", "test_ftplib", "test_smtplib",
         "test_imaplib", "test_poplib", "test_xmlrpc", "test_subprocess", "test_signal", "test_threading")
# Both configure and setup.py lead to the headers and libraries of glibc, by the name of their folders and by their paths.
COMPILER = """#!/bin/sh
for word; do
	shift
	case $word in
	-print-multiarch | --print-multiarch) exit 0 ;;
	-I/usr/* | -L/usr/* | -L/lib*) ;;
	*) set -- "$@" "$word" ;;
	esac
done
exec musl-gcc -w -idirafter {} "$@"
"""


def _python(folder):
    """Makes it, once. Return: its path"""
    python = folder / "build/python"
    if (folder / "made").exists():
        return python
    folder.mkdir(parents=True, exist_ok=True)
    problem = fetch.source("python3.11", [""], folder)
    if problem:
        raise sysroot.Missing(problem)
    compiler = folder / "compiler"
    compiler.write_text(COMPILER.format(programs.kernel_headers(folder / "kernel-headers", "x86_64")))
    compiler.chmod(0o755)
    (python.parent / "Modules").mkdir(parents=True, exist_ok=True)
    # Else it is left out, with zlib, which is there for glibc alone.
    (python.parent / "Modules/Setup.local").write_text("binascii binascii.c\n")
    for command in ([folder / "python3.11/configure", "--without-ensurepip", f"CC={compiler}"], ["make", "-s", f"-j{os.cpu_count()}"]):
        done = subprocess.run([str(word) for word in command], cwd=python.parent, capture_output=True, text=True,
                              env={**os.environ, "PKG_CONFIG_LIBDIR": str(folder / "no packages")})
        if done.returncode:
            raise programs.Failed(f"{command[0]}: {done.stderr[-2000:]}")
    (folder / "made").touch()
    return python


def compare(table):
    python = _python(table.work / "x86_64-musl-python")
    for unit in UNITS:
        if not table.wants(f"cpython/{unit}"):
            continue
        result = table.work / "x86_64-musl-python/result"
        result.unlink(missing_ok=True)
        done = subprocess.run([SUITES, "--no-install", "--suite", "cpython", "--unit", f"{unit}$", "--result", result, "--mode", "spill"],
                              env={**os.environ, "HEADROOM_BUILD": str(table.build), "HEADROOM_SUITES_PYTHON": str(python)},
                              capture_output=True, text=True)
        table.add("x86_64-musl-python", f"cpython/{unit}", told(result), done.returncode == 0)


def told(result):
    """What tests/suites/run wrote into a file, in a line."""
    if not result.exists():
        return "did not run"
    said = json.loads(result.read_text())
    modes = [f"{mode}: " + ", ".join(f"{count} {what}" for what, count in counts.items())
             for mode, counts in said["suites"][0]["modes"].items()]
    return "; ".join([*modes, *(f"{one['case']}: {one['verdict']}" for one in said["differences"])])
