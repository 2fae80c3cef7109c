# SPDX-License-Identifier: Apache-2.0
"""machine - a virtual machine for aarch64, emulated, with a kernel of Debian's, in which tests run; see tests/kernels/guest.py."""
import json
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "kernels"))

import image  # noqa: E402

QEMU = ("qemu-system-aarch64", "-M", "virt", "-accel", "tcg,thread=single", "-icount", "shift=3,sleep=off", "-cpu",
        "max,pauth-impdef=on,sve=off", "-smp", "1", "-m", "2048", "-nodefaults", "-display", "none", "-serial", "stdio", "-nic",
        "none", "-no-reboot")


def parts(unit=False, platform=False, system=(), abi=(), twin=(), cpython=()):
    """What is to be run, in pieces for one machine each; twin: SEED:WORLDS. Return: names as in the results, words for the kernel"""
    yield from ((f"abi/{name}", f"HEADROOM_PARTS=none HEADROOM_SYSTEM_TESTS=abi/{name}") for name in abi)
    yield from (("platform", "HEADROOM_PARTS=platform"),) * platform
    yield from ((f"system/{name}", f"HEADROOM_PARTS=none HEADROOM_SYSTEM_TESTS={name}") for name in system)
    yield from (("twin", f"HEADROOM_PARTS=none HEADROOM_TWIN={which}") for which in twin)
    yield from ((f"cpython/{name}", f"HEADROOM_PARTS=none HEADROOM_CPYTHON={name}") for name in cpython)
    yield from (("unit", "HEADROOM_PARTS=unit"),) * unit


def play(kernel, product, root, words, limit_s, log):
    """Boots, runs what the words say, and ends.

    kernel, root: folders of packages (sysroot.make()); product: a build folder; words: see parts(); limit_s: for all of it;
    log: a file that gets what the machine says
    Return: the kernel's release, and a list of results for each test
    """
    initramfs = log.with_suffix(".initramfs")
    more = ("unit-tests",) if "unit" in words else ()
    image.make(initramfs, product, kernel, root, more, suites="HEADROOM_CPYTHON" in words, twin="HEADROOM_TWIN" in words,
               packed=False)
    words = f"console=ttyAMA0 quiet loglevel=3 panic=-1 {words}"
    command = ["timeout", str(limit_s), *QEMU, "-kernel", str(next(kernel.glob("boot/vmlinuz-*"))), "-initrd", str(initramfs),
               "-append", words]
    found = {}
    try:
        with (subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               errors="replace") as running, open(log, "w", encoding="utf-8") as said):
            for line in running.stdout:
                said.write(line)
                said.flush()
                result = re.search(r"@@(\{.*\})", line)
                if result:
                    result = json.loads(result[1])
                    found.setdefault(result["test"], []).append(result)
    finally:
        os.unlink(initramfs)
    return found.get("kernel", [{"name": "a machine that did not start"}])[0]["name"], found
