#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""knee - fill tuple spaces to the end without the shim, with it, and over two sources; one JSON line each.

Wants tests/system in PYTHONPATH.
"""
import functools
import json

import lab

PORT, CAPACITY = 5000, 2048
WAYS = {
    "without": None,
    "with": {"options": ["--log", "off"]},
    "even 2": {"options": ["--log", "off"], "sources": "127.0.0.1-127.0.0.2"},
}


def fill(name, shim):
    lab.ports(20000, 20000 + CAPACITY - 1)
    with lab.Hold(PORT):
        done = lab.run([str(lab.BUILD / "tests/kernels/connect_times"), "127.0.0.1", str(PORT)], shim,
                       limit_s=lab.CASE_LIMIT_S)
        if done.status:
            raise lab.Failed(str(done))
    print("@@" + json.dumps({"test": "knee", "name": name, "capacity": CAPACITY, **json.loads(done.stdout)}))


lab.CASE_LIMIT_S = 600
lab.main([(name, functools.partial(fill, name, shim)) for name, shim in WAYS.items()])
