# SPDX-License-Identifier: Apache-2.0
"""programs - the programs of tests/system once more, made by another compiler: for another C library, another machine."""
import pathlib
import re
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SYSTEM = ("calls", "endure", "exchange", "faults", "fill", "hold", "process", "restraint", "rewrite", "short", "shown", "stack",
          "stress", "tag")
TWIN = ("twin-actor", "twin-peer", "twin-stage", "twin-guest", "twin-host")
LIBRARIES_OF_LIBC = ("-Wl,--as-needed", "-lpthread", "-ldl")
LIBRARIES = ("early", "beside", "plugin")
OWN = ("found", "jumps", "messages", "sums")


class Failed(Exception):
    """A program does not build; the text is the compiler's."""


def run(command):
    done = subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"{' '.join(map(str, command))}\n{done.stderr}")


def kernel_headers(folder, machine, root=pathlib.Path("/")):
    """The kernel's headers without those of glibc, which lie beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, at in (("linux", "linux"), ("asm-generic", "asm-generic"), ("asm", f"{machine}-linux-gnu/asm")):
        if not (folder / name).exists():
            (folder / name).symlink_to(root / "usr/include" / at)
    return folder


def musl_compiler(build):
    return ["musl-gcc", "-idirafter", kernel_headers(build / "kernel-headers", "x86_64"), "-include", HERE / "missing.h"]


def sysroot_compiler(build, compiler, root, machine, loader):
    """For programs that run here with the C library of a sysroot."""
    library = root / f"lib/{machine}-linux-gnu"
    headers = kernel_headers(build / "kernel-headers", machine)
    return [compiler, f"--sysroot={root}", "-idirafter", headers, "-include", HERE / "missing.h", f"-Wl,--dynamic-linker={root / loader}",
            f"-Wl,-rpath,{library}", "-Wl,--disable-new-dtags", *(word for path in (library, root / f"usr/lib/{machine}-linux-gnu")
                                       for word in (f"-B{path}", f"-L{path}"))]


def musl_cross_compiler(build, root):
    """For aarch64 and musl: the compiler for glibc, told where Debian's musl-dev lies in a sysroot."""
    specs = build / "musl-gcc.specs"
    specs.parent.mkdir(parents=True, exist_ok=True)
    text = (root / "usr/lib/aarch64-linux-musl/musl-gcc.specs").read_text()
    specs.write_text(text.replace("/usr/", f"{root}/usr/"))
    headers = kernel_headers(build / "kernel-headers", "aarch64", root)
    return ["aarch64-linux-gnu-gcc", "-mno-outline-atomics", f"-specs={specs}", f"-L{root}/lib/aarch64-linux-musl", "-idirafter", headers, "-include", HERE / "missing.h"]


def sources(folder, name):
    """The files that a program of tests/FOLDER is made of, as its CMakeLists.txt says."""
    text = (ROOT / "tests" / folder / "CMakeLists.txt").read_text()
    said = re.search(rf"add_executable\({re.escape(name)} ([^)]*)\)", text)
    lists = dict(re.findall(r"^set\((\w+) ([^)]*)\)", text, re.M))
    files = re.sub(r"\$\{(\w+)\}", lambda word: lists[word[1]], said[1]) if said else f"{name}.c"
    return [f"tests/{folder}/{file}" for file in files.split()]


def make(compiler, build, names=None):
    """Makes a build folder for the system tests.

    compiler: words; build: the folder to make, in which nothing but the command and the shim is missing then
    names: of SYSTEM, LIBRARIES and OWN; None: all of them
    """
    flags = ["-O1", "-g", "-w", "-std=gnu17", "-D_GNU_SOURCE", "-I."]
    (build / "tests/system").mkdir(parents=True, exist_ok=True)
    for name in SYSTEM:
        if names is None or name in names:
            run([*compiler, *flags, "-o", build / "tests/system" / name, *sources("system", name), *LIBRARIES_OF_LIBC])
    for name in OWN:
        if names is None or name in names:
            run([*compiler, *flags, "-o", build / "tests/system" / name, f"tests/abi/{name}.c", *LIBRARIES_OF_LIBC])
    for name in LIBRARIES:
        if names is None or name in names:
            run([*compiler, *flags, "-shared", "-fPIC", "-o", build / "tests/system" / f"lib{name}.so",
                 f"tests/system/{name}.c"])


def make_twin(compiler, build):
    """The programs of tests/twin. musl's <netinet/in.h> has to come before the kernel's headers."""
    (build / "tests/twin").mkdir(parents=True, exist_ok=True)
    for name in TWIN:
        run([*compiler, "-include", "netinet/in.h", "-O1", "-g", "-w", "-std=gnu17", "-D_GNU_SOURCE", "-I.",
             "-o", build / "tests/twin" / name, *sources("twin", name), *LIBRARIES_OF_LIBC])


def put_product(product, build):
    """The command and the shim, beside the programs."""
    for name in ("headroom", "libheadroom.so"):
        shutil.copy2(product / name, build / name)
