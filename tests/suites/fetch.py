# SPDX-License-Identifier: Apache-2.0
"""fetch - install the packages of the suites, and get the source packages that hold tests no package ships."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

_ETC = pathlib.Path("/etc/apt")
_POLICY = pathlib.Path("/usr/sbin/policy-rc.d")


def install(packages):
    """Installs what is missing of the packages, when root. Return: what is still missing."""
    missing = [package for package in packages if not _installed(package)]
    if not missing or os.geteuid() != 0:
        return missing
    print(f"installing {' '.join(missing)}", flush=True)
    ours = not _POLICY.exists()
    if ours:  # the word of Debian for: no server is to start because it was installed
        _POLICY.write_text("#!/bin/sh\nexit 101\n")
        _POLICY.chmod(0o755)
    try:
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        subprocess.run(["apt-get", "-o", "DPkg::Lock::Timeout=300", "install", "-y", "-qq", "--no-install-recommends", *missing],
                       check=False, stdout=subprocess.DEVNULL, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    finally:
        if ours:
            _POLICY.unlink(missing_ok=True)
    return [package for package in missing if not _installed(package)]


def _installed(package):
    done = subprocess.run(["dpkg-query", "-W", "-f=${Status}", package], capture_output=True, text=True)
    return "ok installed" in done.stdout


def _source_lists(folder):
    """Writes the distribution's own package sources, with deb-src for deb; the machine's stay as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in [_ETC / "sources.list", *sorted((_ETC / "sources.list.d").glob("*"))]:
        if not file.is_file() or file.suffix not in (".list", ".sources"):
            continue
        lines = re.sub(r"(?m)^(Types:.*)\bdeb\b(?!-).*$", r"Types: deb-src", file.read_text())
        lines = re.sub(r"(?m)^deb ", "deb-src ", lines)
        blocks = lines.split("\n\n") if file.suffix == ".sources" else lines.splitlines()
        wanted = [block for block in blocks if re.search(r"(?mi)^(URIs:|deb-src).*(debian|ubuntu)", block)]
        glue = "\n\n" if file.suffix == ".sources" else "\n"
        (folder / file.name).write_text(glue.join(wanted) + "\n")


def _download(package, options, folder):
    """Downloads the newest source there is; an index can name one that is not there. Return: the problem, or None."""
    shown = subprocess.run(["apt-cache", *options, "showsrc", "--only-source", package], capture_output=True, text=True)
    problem = shown.stderr.strip() or "no version is known"
    for version in dict.fromkeys(re.findall(r"(?m)^Version: (\S+)$", shown.stdout)):
        got = subprocess.run(["apt-get", *options, "source", "-qq", "--download-only", f"{package}={version}"],
                             cwd=folder, capture_output=True, text=True)
        if got.returncode == 0:
            return None
        problem = got.stderr.strip().splitlines()[0] if got.stderr.strip() else f"status {got.returncode}"
    return problem


def source(package, members, root):
    """Unpacks those members of the package's source to root/package, once. Return: what went wrong, or None."""
    done = root / package / ".complete"
    if done.exists():
        return None
    work = root / ".apt"
    (work / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    options = ["-o", "Dir::Etc::sourcelist=/dev/null", "-o", f"Dir::Etc::sourceparts={work}/parts",
               "-o", f"Dir::State::lists={work}/lists", "-o", "APT::Sandbox::User=", "-o", "Dpkg::Use-Pty=0"]
    if not (work / "parts").exists():
        _source_lists(work / "parts")
        subprocess.run(["apt-get", *options, "update", "-qq"], stdout=sys.stderr)
    print(f"fetching the source of {package}", flush=True)
    folder = work / package
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    problem = _download(package, options, folder)
    archives = [file for file in folder.glob("*.orig.tar.*") if file.suffix != ".asc"]
    if problem or len(archives) != 1:
        return f"no source of {package}: {problem or 'not one archive'}"
    target = root / package
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    unpacked = subprocess.run(["tar", "-xf", archives[0], "-C", target, "--strip-components=1", "--no-same-owner",
                               "--wildcards", *[f"*/{member}" for member in members]],
                              capture_output=True, text=True)
    shutil.rmtree(folder)
    if unpacked.returncode:
        return f"source of {package}: {unpacked.stderr.strip()}"
    done.touch()
    return None
