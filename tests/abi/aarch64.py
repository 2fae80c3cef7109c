# SPDX-License-Identifier: Apache-2.0
"""aarch64 - the product built for it, its programs under qemu-user, and in a virtual machine with a kernel of its own."""
import os
import pathlib
import re
import subprocess

import machine
import page64
import programs
import sysroot
from table import cases

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SYSTEM = ("deferral", "fill", "transparency", "reuse_limits", "reuse_fd", "process", "shown_port", "stress", "stack")
WITH_LARGE_PAGES = ("fill", "deferral", "process", "reuse_limits", "stack")
WITH_MUSL = ("fill", "deferral", "process", "stack")
# Those of CPython's own tests that are about sockets and do not take an emulated processor a day.
CPYTHON = ("test_socket", "test_selectors", "test_httplib", "test_urllib2_localnet", "test_poplib")
PACKAGES = ("libc6-dev", "libinih-dev", "libhttp-parser-dev", "libmicrohttpd-dev", "libncurses-dev", "uthash-dev",
            "libcriterion-dev", "libbpf-dev", "musl-dev", "musl", "python3", "iproute2", "util-linux", "mount", "bash", "dash",
            "coreutils", "findutils", "libc-bin", "libgcc-s1")
# What tests/twin plays in a virtual machine: the same each time, SEED:WORLDS; and where a clock ends it, which is not the machine's, as
# that goes by instructions.
TWIN, TWIN_UNTIL_ENDED = "17:1", "17:1000000"
# The stress test with ThreadSanitizer, whose library has to come before the shim.
FOR_THREADS = ("headroom", "headroom-shim", "hold", "stress", "endure")
SANITIZER = "/usr/lib/aarch64-linux-gnu/libtsan.so.2"
FOR_CPYTHON = ("libpython3.11-testsuite", "openssl")
# Unit tests that fail under qemu-user for its own sake: it keeps no RLIMIT_AS, answers setsockopt() and mmap() of nothing before it
# looks at the fd, has no PR_GET_SECCOMP, and does not tell of a child that stopped. They run in the virtual machine.
NOT_EMULATED = ("memory", "kernel::failures_are_negative", "restraint::a_program_of_one_thread", "restraint::some_numbers_below",
                "restraint::but_it_is_when_somebody_shares", "restraint::but_not_when_one_of_them",
                "shim::the_time_that_a_process_was_stopped")
# Suites of what counts in pages.
OF_PAGES = "@(arena|attempt_many|folding|heritage|second|threads|usage_read|usage_write|vdso)/*"
# binfmt_misc is of a user namespace from Linux 6.7 on: the machine's own table stays as it is.
WITH_EMULATOR = r"""mount -t binfmt_misc none /proc/sys/fs/binfmt_misc || exit 77
printf %s ':aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:'\
'\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/qemu-aarch64:F' \
    >/proc/sys/fs/binfmt_misc/register || exit 77
exec "$@" """


def _build(root, build, *options, targets=()):
    """The product, all of it or some targets, made of a sysroot's headers and libraries."""
    libraries = root / "usr/lib/aarch64-linux-gnu"
    environment = {**os.environ, "PKG_CONFIG_LIBDIR": f"{libraries}/pkgconfig:{root}/usr/share/pkgconfig",
                   "PKG_CONFIG_SYSROOT_DIR": str(root)}
    settings = {"SYSTEM_NAME": "Linux", "SYSTEM_PROCESSOR": "aarch64", "C_COMPILER": "aarch64-linux-gnu-gcc",
                "FIND_ROOT_PATH": root, "SYSROOT": root, "FIND_ROOT_PATH_MODE_PROGRAM": "NEVER",
                "FIND_ROOT_PATH_MODE_LIBRARY": "ONLY", "FIND_ROOT_PATH_MODE_INCLUDE": "ONLY",
                "LIBRARY_ARCHITECTURE": "aarch64-linux-gnu", "C_FLAGS": f"-B{libraries}",
                "EXE_LINKER_FLAGS": f"-L{libraries} -Wl,-rpath-link,{libraries} -Wl,-rpath-link,{root}/lib/aarch64-linux-gnu"}
    configure = ["cmake", "-S", str(ROOT), "-B", str(build), *(f"-DCMAKE_{name}={value}" for name, value in settings.items()), *options]
    wanted = ["--target", *targets] if targets else []
    for command in configure, ["cmake", "--build", str(build), "--parallel", str(os.cpu_count()), *wanted]:
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise programs.Failed(f"{command[0]}: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def product(work):
    """The product for aarch64. Return: its build folder, the folder of packages"""
    root = sysroot.make(work / "aarch64-root", "arm64", PACKAGES)
    build = work / "aarch64"
    _build(root, build)
    programs.make(["aarch64-linux-gnu-gcc"], build, programs.OWN)
    return build, root


def _unit_tests(table, target, build, root, page_kib, which):
    """Criterion starts itself again for each test, so the kernel must know how to run it."""
    what = f"unit tests{' of memory' * (which != '*/*')}, under qemu-user, pages of {page_kib} KiB"
    done = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", WITH_EMULATOR, "sh", build / "unit-tests",
                           f"-j{os.cpu_count()}", "--filter", which],
                          env={**os.environ, "QEMU_LD_PREFIX": str(root), "QEMU_PAGESIZE": str(page_kib * 1024)},
                          capture_output=True, text=True, errors="replace")
    said = re.sub("\x1b\\[[^m]*m", "", done.stderr + done.stdout)
    counts = re.search(r"Tested: (\d+) \| Passing: (\d+)", said)
    if done.returncode == 77 and not counts:
        table.add(target, what, "not run: binfmt_misc is of the whole machine before Linux 6.7")
        return
    failed = re.findall(r"\[FAIL\] (\w+::\w+)", said)
    known = [name for name in failed if any(part in name for part in NOT_EMULATED)]
    wrong = sorted(set(failed) - set(known))
    table.add(target, what, (f"{counts[2]} of {counts[1]}, {len(known)} not for it" if counts else f"ended with {done.returncode}")
              + ("; FAILED: " + ", ".join(wrong) if wrong else ""), bool(counts) and not wrong)


def _emulated(table, target, compiler, built, root, build):
    programs.make(compiler, build)
    programs.put_product(built, build)
    for page_kib in 4, 16, 64:
        if table.wants("emulated"):
            table.enter(target, f"tests/abi/test_emulated.py, under qemu-user, pages of {page_kib} KiB", *cases(
                ["/usr/bin/python3", HERE / "test_emulated.py"], HEADROOM_BUILD=str(table.build),
                HEADROOM_EMULATED=str(build), HEADROOM_EMULATED_ROOT=str(root), QEMU_PAGESIZE=str(page_kib * 1024)))


def _in_machine(table, target, kernel, build, root, more="", **what):
    """One boot for each part, so that one that hangs takes nothing along.

    kernel: a function that has it at hand, or makes it; more: variables for all that runs there
    """
    for part, wanted in machine.parts(**what):
        suites = ",".join(table.suites_of(part))
        if not (suites or table.wants(part)):
            continue
        if not table.machines:
            table.left_out.append(f"{target} {part}")
            continue
        words = f"{wanted} {more}" + f" HEADROOM_SUITES={suites}" * bool(suites)
        until_ended = TWIN_UNTIL_ENDED in wanted
        limit_s = table.twin_s if until_ended else table.limit_s
        release, found = machine.play(kernel(), build, root, words, limit_s, table.work / f"{target}.{part.replace('/', '-')}.machine")
        results = found.get(part, [])
        cases = [r for r in results if r["name"] != "all"]
        text = next((r["text"] for r in reversed(results) if r["name"] == "all"), "")
        text += f"; ended after {limit_s} s" * until_ended
        failed = [r["name"] for r in cases if r["status"] not in (0, 77)]
        if not results:
            failed.append("did not run")
        elif not until_ended and all(r["name"] != "done" for r in found["kernel"]):
            failed.append(f"was ended after {table.limit_s} s")
        elif any(r["status"] for r in results if r["name"] == "all") and not failed:
            failed.append("see above")
        if text and (not cases or part == "unit"):
            table.add(target, f"{part} {suites}".strip(), f"{text}, on {release}", not failed)
        else:
            table.enter(target, part, [r for r in cases if r["status"] == 0], [r for r in cases if r["status"] == 77], failed,
                        f", on {release}")


def _twin(table):
    return (TWIN_UNTIL_ENDED if table.twin_s else TWIN,)


def _debians(table):
    return lambda: sysroot.make(table.work / "aarch64-kernel", "arm64", ("linux-image-arm64",))


def glibc(table):
    build, root = product(table.work)
    if table.wants("symbols"):
        table.enter("aarch64-glibc", "the names it takes, landing pads (tests/system/test_exports.py)", *cases(
            ["/usr/bin/python3", HERE.parent / "system/test_exports.py", "any libc", "hardened", "landing pads"], HEADROOM_BUILD=str(build)))
    for page_kib, which in (4, "*/*"), (16, OF_PAGES), (64, OF_PAGES):
        if table.wants("unit"):
            _unit_tests(table, "aarch64-glibc", build, root, page_kib, which)
    _emulated(table, "aarch64-glibc", ["aarch64-linux-gnu-gcc"], build, root, table.work / "aarch64-glibc")
    _in_machine(table, "aarch64-glibc", _debians(table), build, root,
                unit=True, platform=True, abi=("emulated",), system=SYSTEM, twin=_twin(table))


def threads(table):
    """Under ThreadSanitizer. Its shadow is most of the address space: qemu-user takes half a minute to make one."""
    root = sysroot.make(table.work / "aarch64-threads-root", "arm64", (*PACKAGES, "libtsan2"))
    build = table.work / "aarch64-threads"
    _build(root, build, "-DHEADROOM_SANITIZE=thread", targets=FOR_THREADS)
    if table.wants("emulated"):
        table.enter("aarch64-threads", "tests/system/stress, under qemu-user", *cases(
            ["/usr/bin/python3", HERE / "test_emulated.py"], HEADROOM_BUILD=str(table.build),
            HEADROOM_EMULATED=str(build), HEADROOM_EMULATED_ROOT=str(root), HEADROOM_EMULATED_SANITIZER=f"{root}{SANITIZER}"))
    _in_machine(table, "aarch64-threads", _debians(table), build, root, f"HEADROOM_SANITIZER_PRELOAD={SANITIZER}", system=("stress",))


def cpython(table):
    build, _ = product(table.work)
    root = sysroot.make(table.work / "aarch64-python-root", "arm64", PACKAGES + FOR_CPYTHON)
    _in_machine(table, "aarch64-cpython", _debians(table), build, root,
                cpython=CPYTHON)


def musl(table):
    built, root = product(table.work)
    build = table.work / "aarch64-musl"
    compiler = programs.musl_cross_compiler(build, root)
    _emulated(table, "aarch64-musl", compiler, built, root, build)
    programs.make_twin(compiler, build)
    _in_machine(table, "aarch64-musl", _debians(table), build, root,
                abi=("emulated",), system=WITH_MUSL, twin=_twin(table))


def _on_large_pages(table, target, kernel):
    """glibc and musl, on a kernel that has them."""
    build, root = product(table.work)
    _in_machine(table, target, kernel, build, root, platform=True, abi=("emulated",), system=WITH_LARGE_PAGES)
    with_musl = table.work / "aarch64-musl"
    programs.make(programs.musl_cross_compiler(with_musl, root), with_musl)
    programs.put_product(build, with_musl)
    _in_machine(table, f"{target}-musl", kernel, with_musl, root, abi=("emulated",))


def pages_of_16k(table):
    """Debian has such a kernel from 13 on; the programs are the same."""
    _on_large_pages(table, "aarch64-16k",
                    lambda: sysroot.make(table.work / "aarch64-16k-kernel", "arm64", ("linux-image-arm64-16k",), "trixie"))


def pages_of_64k(table):
    """No package has such a kernel: it is made of Debian's source of Linux."""
    _on_large_pages(table, "aarch64-64k", lambda: page64.kernel(table.work / "aarch64-64k-kernel"))
