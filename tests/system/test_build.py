# SPDX-License-Identifier: Apache-2.0
"""test_build.py - what somebody who builds meets: each compiler here, no linker for clang's objects, missing packages."""
import os
import pathlib
import re

import lab

SOURCE = pathlib.Path(__file__).resolve().parents[2]
LIMIT_S = 10 * lab.PATIENCE_S


def compilers():
    """Each compiler that is installed, once: {name: path}."""
    found = {}
    for folder in ("/usr/local/bin", "/usr/bin"):
        for path in sorted(pathlib.Path(folder).glob("*")):
            if re.fullmatch(r"(cc|gcc|clang)(-\d+)?", path.name) and os.access(path, os.X_OK):
                found.setdefault(path.resolve(), path)
    return {str(real): path for real, path in found.items()}


def configure(folder, *options, wrap=()):
    return lab.run([*wrap, "cmake", "-S", str(SOURCE), "-B", str(folder), "-DHEADROOM_TESTS=OFF", *options],
                   limit_s=LIMIT_S)


def succeeded(what, done):
    if done.status:
        raise lab.Failed(f"{what}: {done}")
    return done


def build(*options, wrap=()):
    """Builds the shim and the command and runs a program under them. Return: what cmake said when it configured."""
    folder = lab.scratch() / "build"
    done = configure(folder, "-DHEADROOM_WERROR=ON", *options, wrap=wrap)
    if done.status == 99:
        raise lab.Skipped("no mount namespace")
    succeeded("cmake", done)
    made = succeeded("cmake --build", lab.run([*wrap, "cmake", "--build", str(folder), "--parallel", "2"], limit_s=LIMIT_S))
    if "warning" in made.stderr:
        raise lab.Failed(f"warnings:\n{made.stderr}")
    succeeded("headroom run", lab.run([str(folder / "headroom"), "run", "--", "true"]))
    return done.stdout


def with_compiler(path):
    def case():
        lab.not_under_sanitizer("it builds without one")
        build(f"-DCMAKE_C_COMPILER={path}")
        return "no warning, and the shim loads"
    return case


def hiding(script):
    """Commands that run where the shell commands have put something over files of this machine."""
    lab.needs("unshare", "mount")
    return ["unshare", "--mount", "sh", "-c", f'{{ {script}; }} || exit 99; exec "$@"', "sh"]


def clang_without_lld():
    """GNU ld cannot read clang's objects for link-time optimisation without a plugin of LLVM."""
    lab.not_under_sanitizer("it builds without one")
    lab.needs("clang")
    hidden = {path.resolve() for pattern in ("bin/ld.lld*", "bin/lld*", "lib/llvm-*/lib/LLVMgold*", "lib/bfd-plugins/LLVM*")
              for path in pathlib.Path("/usr").glob(pattern)}
    said = build("-DCMAKE_C_COMPILER=clang", wrap=hiding(" && ".join(
        [f"mount --bind /bin/false '{path}'" for path in sorted(hidden)] or ["true"])))
    if "HEADROOM_CLANG_LLD - Success" in said:
        raise lab.Failed(f"lld was found:\n{said}")


def missing_are_named():
    """All at once, each with its package."""
    done = configure(lab.scratch() / "build", "-DHEADROOM_TESTS=ON", wrap=hiding("mount -t tmpfs none /usr/include"))
    if done.status == 99:
        raise lab.Skipped("no mount namespace")
    lab.equal("status", done.status, 1)
    for package in ("libc6-dev", "uthash-dev", "libinih-dev", "libhttp-parser-dev", "libmicrohttpd-dev", "libncurses-dev",
                    "libcriterion-dev"):
        # Once after what it is wanted for, once in the line for apt-get.
        lab.equal(f"{package} is named", len(re.findall(rf"\b{package}\b", done.stderr)), 2)
    return "seven packages by one run of cmake"


def packages(path):
    return set(" ".join(line for line in path.read_text().splitlines() if not line.startswith("#")).split())


def lists_agree():
    """tests/packages has what docs/users/install.md and the quickstart install, so that they work in either order."""
    wanted = packages(SOURCE / "tests/packages")
    page = (SOURCE / "docs/users/install.md").read_text()
    line = re.search(r"apt-get install ((?:.*\\\n)*.*)", page)[1].replace("\\\n", " ").split()
    quickstart = re.findall(r"^\t\t\S+ ([a-z0-9+-]+)$", (SOURCE / "examples/quickstart/run").read_text(), re.MULTILINE)
    lab.equal("install.md's line has some", len(line) > 5, True)
    lab.equal("the quickstart's list has some", len(quickstart) > 10, True)
    lab.equal("not in tests/packages", sorted(set(line + quickstart) - wanted), [])
    lab.equal("to build, but not in install.md", sorted(set(quickstart) - set(line) - {
        "redis-server", "redis-tools", "iproute2", "util-linux"}), [])


lab.main([
    *((f"compiler {name}", with_compiler(path)) for name, path in compilers().items()),
    ("clang without lld", clang_without_lld),
    ("what is missing is named at once", missing_are_named),
    ("the lists of packages agree", lists_agree),
])
