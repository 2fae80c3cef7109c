# SPDX-License-Identifier: Apache-2.0
"""sysroot - folders with packages of another machine or an older release, unpacked and not installed.

apt runs with a state of its own there, so nothing of this machine's changes, its list of architectures neither.
"""
import os
import pathlib
import re
import shutil
import subprocess


class Missing(Exception):
    """The packages cannot be had here; the text says why."""


def _archives(release):
    """Lines for sources.list: where apt of this machine has Debian from, for a release."""
    own = re.search(r"^VERSION_CODENAME=(\S+)", pathlib.Path("/etc/os-release").read_text(), re.M)
    shown = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
                            "Created-By: Packages", "Origin: Debian"], capture_output=True, text=True)
    lines = []
    for line in sorted(set(shown.stdout.splitlines())):
        uri, name, component = line.split()
        if own and name == own[1] and component == "main":
            lines.append(f"deb {uri} {release or name} main")
    if not lines:
        raise Missing("apt has no archive of Debian's here")
    return lines


def _apt(folder, machine, *words):
    state = folder / "apt"
    options = {"Dir::State": state / "state", "Dir::State::status": state / "status", "Dir::Cache": state / "cache",
               "Dir::Etc::sourcelist": state / "sources.list", "Dir::Etc::sourceparts": "-", "APT::Architecture": machine,
               "APT::Install-Recommends": "false", "Acquire::Languages": "none", "Acquire::Check-Valid-Until": "false",
               "APT::Sandbox::User": "root", "Debug::NoLocking": "true"}
    given = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    # The list of architectures is this machine's unless emptied.
    given += ["-o", "APT::Architectures=" + machine]
    environment = {**os.environ, "APT_CONFIG": str(state / "conf"), "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(["apt-get", *given, *words], env=environment, capture_output=True, text=True)


def _compile(library):
    """Python's modules, as a package's installation would: else a virtual machine does it at each start, in half a minute."""
    python = pathlib.Path("/usr/bin", library.name)
    if python.exists():
        subprocess.run([python, "-m", "compileall", "-q", "-j", "0", "-x", "/(test|idlelib|lib2to3|tkinter|ensurepip)/",
                        "--invalidation-mode", "unchecked-hash", library], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make(folder, machine, packages, release=None):
    """The packages and all they need, unpacked into a folder; once made it stays.

    machine: Debian's word, such as arm64; release: such as bullseye; None: this machine's
    Return: the folder
    """
    mark = folder / "packages"
    wanted = " ".join([machine, release or "", *sorted(packages)])
    if mark.exists() and mark.read_text() == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    state = folder / "apt"
    for name in ("state/lists/partial", "cache/archives/partial"):
        (state / name).mkdir(parents=True)
    (state / "status").touch()
    (state / "conf").write_text(f'#clear APT::Architectures;\nAPT::Architectures {{ "{machine}"; }};\n')
    (state / "sources.list").write_text("\n".join(_archives(release)) + "\n")
    for words in (["update"], ["install", "--download-only", "-y", *packages]):
        done = _apt(folder, machine, *words)
        if done.returncode:
            raise Missing(f"apt-get {words[0]}: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
    for archive in sorted((state / "cache/archives").glob("*.deb")):
        subprocess.run(["dpkg", "-x", archive, folder], check=True)
    for link in folder.rglob("*"):
        # Those from the root would lead to this machine's.
        if link.is_symlink() and os.path.isabs(target := os.readlink(link)):
            link.unlink()
            link.symlink_to(os.path.relpath(folder / target[1:], link.parent))
    for library in folder.glob("usr/lib/python3.*"):
        _compile(library)
    shutil.rmtree(state)
    mark.write_text(wanted)
    return folder
