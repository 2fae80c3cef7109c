# SPDX-License-Identifier: Apache-2.0
"""page64 - Linux for aarch64 with pages of 64 KiB: no package has it, so it is made of Debian's source."""
import os
import pathlib
import shutil
import subprocess
import tempfile

import programs
import sysroot

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = "linux-source-6.12"
CROSS = {"ARCH": "arm64", "CROSS_COMPILE": "aarch64-linux-gnu-"}


def _unpack(folder):
    """The source, with all that its Kconfig reads. Return: where it lies"""
    done = subprocess.run(["apt-get", "download", SOURCE], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise sysroot.Missing(f"apt-get download {SOURCE}: {done.stderr.strip()}")
    subprocess.run(f"dpkg-deb --fsys-tarfile {SOURCE}_*.deb | tar -xO ./usr/src/{SOURCE}.tar.xz | tar -xJ", shell=True, check=True, cwd=folder)
    return folder / SOURCE


def kernel(folder):
    """Makes it, once: ten minutes of a processor's time. Return: the folder, as sysroot.make() gives one"""
    image = folder / "boot/vmlinuz-64k"
    if image.exists():
        return folder
    image.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        source, out = _unpack(pathlib.Path(work)), pathlib.Path(work, "out")
        make = ["make", "-s", "-C", str(source), f"O={out}", f"--jobs={os.cpu_count()}"]
        out.mkdir()
        for target in "allnoconfig", "Image":
            done = subprocess.run([*make, target], env={**os.environ, **CROSS, "KCONFIG_ALLCONFIG": str(HERE / "pages64.config")},
                                  capture_output=True, text=True)
            if done.returncode:
                raise programs.Failed(f"make {target}: {done.stderr[-2000:]}")
        shutil.copy2(out / "arch/arm64/boot/Image", image)
    return folder
