# SPDX-License-Identifier: Apache-2.0
"""programs - the programs of tests/system once more, made by another compiler: for another C library, another machine."""
import pathlib
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SYSTEM = {
    "calls": ("calls", "calls_bind", "calls_connect", "calls_fd", "calls_held", "calls_number"),
    "process": ("process", "process_files", "process_fork", "process_number", "process_sandbox", "process_signal"),
    "tag": ("tag", "tag_replies"),
    **{name: (name,) for name in ("endure", "exchange", "faults", "fill", "hold", "restraint", "rewrite", "short", "shown",
                                  "stack", "stress")},
}
LIBRARIES = ("early", "beside", "plugin")
OWN = ("found", "jumps", "messages", "sums")


class Failed(Exception):
    """A program does not build; the text is the compiler's."""


def run(command):
    done = subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"{' '.join(map(str, command))}\n{done.stderr}")


def kernel_headers(folder, machine):
    """The kernel's headers without those of glibc, which lie beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, at in (("linux", "/usr/include/linux"), ("asm-generic", "/usr/include/asm-generic"),
                     ("asm", f"/usr/include/{machine}-linux-gnu/asm")):
        if not (folder / name).exists():
            (folder / name).symlink_to(at)
    return folder


def musl_compiler(build):
    return ["musl-gcc", "-idirafter", kernel_headers(build / "kernel-headers", "x86_64"), "-include", HERE / "for_musl.h"]


def make(compiler, build, names=None):
    """Makes a build folder for the system tests.

    compiler: words; build: the folder to make, in which nothing but the command and the shim is missing then
    names: of SYSTEM, LIBRARIES and OWN; None: all of them
    """
    flags = ["-O1", "-g", "-w", "-std=gnu17", "-D_GNU_SOURCE", "-I."]
    (build / "tests/system").mkdir(parents=True, exist_ok=True)
    for name, parts in SYSTEM.items():
        if names is None or name in names:
            run([*compiler, *flags, "-o", build / "tests/system" / name,
                 *(f"tests/system/{part}.c" for part in parts), "-lpthread"])
    for name in OWN:
        if names is None or name in names:
            run([*compiler, *flags, "-o", build / "tests/system" / name, f"tests/abi/{name}.c", "-lpthread"])
    for name in LIBRARIES:
        if names is None or name in names:
            run([*compiler, *flags, "-shared", "-fPIC", "-o", build / "tests/system" / f"lib{name}.so",
                 f"tests/system/{name}.c"])


def put_product(product, build):
    """The command and the shim, beside the programs."""
    for name in ("headroom", "libheadroom.so"):
        shutil.copy2(product / name, build / name)
