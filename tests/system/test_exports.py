#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_exports - what libheadroom.so shows to the loader: the hooked names and nothing else, libc and nothing else."""
import os
import pathlib
import re
import subprocess

import lab

SHIM = lab.BUILD / "libheadroom.so"
SOURCES = lab.HERE.parent.parent / "preload"
# Names that libc exports for itself only (GLIBC_PRIVATE), or that are another call in spite of the name.
NOT_A_TWIN = {"__libc_system": "GLIBC_PRIVATE", "__libc_fcntl64": "GLIBC_PRIVATE", "__libc_fork": "fork is not hooked"}


def lines(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def dynamic_symbols(library, kinds):
    """Name and version of the symbols of these kinds that a library defines."""
    for line in lines("nm", "-D", "--defined-only", str(library)):
        parts = line.split()
        if len(parts) == 3 and parts[1] in kinds:
            name, _, version = parts[2].partition("@")
            yield name, version.lstrip("@")


def hooked():
    """The names in hooks.h, and those hooked by code of their own."""
    text = (SOURCES / "base/hooks.h").read_text()
    names = set(re.findall(r"^\s*HOOK\(.+?, (\w+),", text, re.MULTILINE))
    for file in SOURCES.rglob("*.c"):
        code = file.read_text()
        names |= set(re.findall(r"^TWIN\(\w+, (\w+),", code, re.MULTILINE))
        names |= set(re.findall(r'^EXPORTED [^;{]*__asm__\("(\w+)"\)', code, re.MULTILINE))
    assembler = (SOURCES / "base/trampoline_x86_64.S").read_text()
    names |= set(re.findall(r"\.globl\s+(\w+)", assembler))
    return names - set(re.findall(r"\.(?:hidden|symver)\s+(\w+)", assembler))


def exports():
    found = {name for name, _ in dynamic_symbols(SHIM, "TWVDBRi")}
    expected = hooked() | {"__vfork", "__asan_default_options", "headroom_shim"}  # asan_first.c, start.c
    # AddressSanitizer marks each exported object by a name of its own.
    found = {name for name in found if not name.startswith("__odr_asan.")}
    lab.equal("exported and not hooked", sorted(found - expected), [])
    lab.equal("hooked and not exported", sorted(expected - found), [])
    return f"{len(found)} names"


def libc():
    return next(line.split()[2] for line in lines("ldd", "/bin/sh") if "libc.so" in line)


def versions():
    """A call that libc has in several versions, of which a program gets the one it was linked with, is hooked in each."""
    of_libc, ours = {}, {}
    for found, library in (of_libc, libc()), (ours, SHIM):
        for name, version in dynamic_symbols(library, "TWi"):
            found.setdefault(name, set()).add(version)
    several = {name: versions for name, versions in of_libc.items() if len(versions) > 1 and name in hooked()}
    lab.equal("versions", {name: ours[name] for name in several}, several)
    lab.equal("versions of what libc has in one", {n: v for n, v in ours.items() if v != {""} and n not in several}, {})
    return ", ".join(sorted(several))


def twins():
    """Every second name that libc has for a hooked call is hooked too."""
    names = hooked()
    missing = []
    for name, version in dynamic_symbols(libc(), "TWi"):
        plain = re.sub(r"^(__libc_|__)", "", name)
        if name != plain and plain in names and name not in names | {"__vfork"} and version != "GLIBC_PRIVATE":
            missing.append(name)
    lab.equal("not hooked", sorted(set(missing) - set(NOT_A_TWIN)), [])
    return f"of {len(names)} names"


def needed():
    if lab.SANITIZER:
        raise lab.Skipped("a sanitizer brings its own library")
    found = re.findall(r"NEEDED.*\[(.+)\]", "\n".join(lines("readelf", "-d", str(SHIM))))
    lab.equal("NEEDED", sorted(set(found) - {"ld-linux-x86-64.so.2"}), ["libc.so.6"])
    return "libc.so.6"


def undefined():
    """Name: is it weak?"""
    found = {}
    for line in lines("nm", "-D", "--undefined-only", str(SHIM)):
        kind, name = line.split()[-2:]
        found[name] = kind in "wv"
    return found


def any_libc():
    """What glibc 2.17 and musl 1.2.3 both have, by names without a version; what one of them lacks is weak."""
    if lab.SANITIZER:
        raise lab.Skipped("a sanitizer brings its own library")
    allowed = {}
    for line in (lab.HERE.parent / "abi/symbols").read_text().splitlines():
        if line and not line.startswith("#"):
            name, *where = line.split()
            allowed[name] = where
    ours = undefined()
    lab.equal("with a version", sorted(name for name in ours if "@" in name), [])
    lab.equal("not in tests/abi/symbols", sorted(set(ours) - set(allowed)), [])
    lab.equal("not everywhere, and not weak", sorted(name for name, weak in ours.items() if allowed[name] and not weak), [])
    musl = pathlib.Path(f"/lib/ld-musl-{os.uname().machine}.so.1")
    if musl.exists():
        has = {name for name, _ in dynamic_symbols(musl, "TWVDBRi")}
        lab.equal("not in musl", sorted(name for name, where in allowed.items() if not where and name not in has), [])
    return f"{len(ours)} names, {sum(ours.values())} weak"


def own_clock():
    """What another preload makes of time does not reach the shim."""
    used = {line.split()[-1].partition("@")[0] for line in lines("nm", "-D", "--undefined-only", str(SHIM))}
    bent = {"clock_gettime", "clock_nanosleep", "gettimeofday", "nanosleep", "sleep", "time", "timespec_get", "usleep"}
    lab.equal("libc's time, used", sorted(used & bent), [])


def features(file):
    """What its notes say of branches, each."""
    return re.findall(r"(?:x86|AArch64) feature: (.*)", "\n".join(lines("readelf", "-nW", str(file))))


def archives_have_pads():
    archives = re.findall(r"^(?:INIH|HTTP_PARSER)_ARCHIVE:\w+=(.+)", (lab.BUILD / "CMakeCache.txt").read_text(), re.M)
    return all("BTI" in note for archive in archives for note in features(archive) or [""])


def branches():
    """A landing pad at each function that the loader gives to others, and the note that there are: of shadow stacks on x86-64; on
    aarch64 of landing pads, unless an archive that is linked in has none, as Debian's."""
    machine = "aarch64" if any("AArch64" in line for line in lines("readelf", "-h", str(SHIM))) else "x86_64"
    notes = features(SHIM)
    feature = {"x86_64": "SHSTK", "aarch64": "BTI"}[machine]
    lab.equal(f"{feature} in the note", any(feature in note for note in notes), machine == "x86_64" or archives_have_pads())
    objdump = "objdump" if machine == os.uname().machine else f"{machine}-linux-gnu-objdump"
    lab.needs(objdump)
    code = "\n".join(lines(objdump, "-d", "--no-show-raw-insn", str(SHIM)))
    at = dict(re.findall(r"^0*([0-9a-f]+) <.*>:\n *[0-9a-f]+:\t(\w+)", code, re.M))
    first = {name: at.get(address.lstrip("0")) for address, kind, name in
             (line.split() for line in lines("nm", "-D", "--defined-only", str(SHIM))) if kind in "TWi"}
    pads = {"x86_64": ("endbr64",), "aarch64": ("bti", "paciasp")}[machine]
    lab.equal("without a landing pad", sorted(name for name, what in first.items() if what not in pads), [])
    return "; ".join([*notes, f"{len(first)} landing pads"])


def hardened():
    headers = "\n".join(lines("readelf", "-lW", str(SHIM)))
    dynamic = "\n".join(lines("readelf", "-dW", str(SHIM)))
    stack = re.search(r"GNU_STACK.*", headers)
    lab.equal("GNU_STACK is there and not executable", bool(stack) and "RWE" not in stack[0], True)
    lab.equal("GNU_RELRO", "GNU_RELRO" in headers, True)
    lab.equal("bound at load", "BIND_NOW" in dynamic or "NOW" in dynamic, True)
    lab.equal("text relocations", "TEXTREL" in dynamic, False)
    return "no executable stack, RELRO, bound at load, no text relocations"


lab.main([("only the hooked names", exports), ("twins of libc", twins), ("versions of libc", versions), ("needs libc only", needed),
          ("any libc will do", any_libc),
          ("a clock of its own", own_clock), ("hardened", hardened), ("shadow stack and landing pads", branches)])
