# SPDX-License-Identifier: Apache-2.0
"""paths - where the tests, the build, and the programs that they all need are."""
import os
import pathlib

HERE = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("HEADROOM_BUILD") or HERE.parent.parent / "build").resolve()
HEADROOM = BUILD / "headroom"
SANITIZER = os.environ.get("HEADROOM_SANITIZER_PRELOAD", "")
PYTHON = "/usr/bin/python3"
