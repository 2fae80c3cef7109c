#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_transparency - what a program sees of its calls is the same without the shim, with it, and with sources.

The program is calls.c: each of its cases prints the results and errno of a group of calls. What it prints without
the shim is the expectation; nothing is written down here, so a new kernel changes both sides alike.
"""
import difflib
import functools

import lab

SHIMS = {
    "no sources": {},
    "even 3": {"sources": "127.0.0.1-127.0.0.3", "spread": "even"},
    "spill 3": {"sources": "127.0.0.1-127.0.0.3", "spread": "spill"},
    "spread off": {"sources": "127.0.0.1-127.0.0.3", "spread": "off"},
    "disabled": {"sources": "127.0.0.1-127.0.0.3", "env": {"HEADROOM_DISABLE": "1"}},
}
IPV6 = {"even 3 of IPv6": {"sources": "fd00::1-fd00::3", "spread": "even"},
        "strict 3 of IPv6": {"sources": "fd00::1-fd00::3", "spread": "even", "env": {"HEADROOM_STRICT": "1"}}}
WITH_IPV6 = {"connect-v6only", "connect-other-family"}
# Listed in docs/users/shim.md: after a failed connect() from a source of the shim's, the kernel has no released port to show.
EXCEPTIONS = {("connect-name-afterwards", "even 3"): lambda line: line.replace(", a port", ", no port")}
# AddressSanitizer wants more stack and more file numbers than these leave it.
LITTLE = "too little stack or too few files"
NOT_UNDER_SANITIZER = {
    "connect-smallest-stack": LITTLE,
    "fd-no-more-files": LITTLE,
    "number-cancelled-connect": "its runtime takes the end of a cancelled thread for a fault, also with the shim disabled",
    "spawn-old-versions": "its runtime has one version of posix_spawn()",
}


def names():
    """The cases that calls.c has, by its tables: asking the program would need a namespace first."""
    for file in ("calls_connect.c", "calls_bind.c", "calls_fd.c", "calls_held.c", "calls_number.c"):
        table = (lab.HERE / file).read_text().rpartition("[] = {")[2]
        yield from (line.split('"')[1] for line in table.splitlines() if '"' in line)


def outcome(name, shim):
    lab.new_network()
    if name in WITH_IPV6:
        lab.ipv6_on_loopback(f"fd00::{i}" for i in range(1, 4))
    done = lab.run([lab.client("calls"), name], shim)
    # What the shim has to say it says on stderr; what the program says there is its own.
    return done.status, done.stdout.splitlines(), done.stderr


def same(name):
    if name in NOT_UNDER_SANITIZER:
        lab.not_under_sanitizer(NOT_UNDER_SANITIZER[name])
    plain = outcome(name, None)
    # Twice, to tell what the shim changes from what changes by itself.
    lab.equal("a second run without", outcome(name, None), plain)
    for which, shim in {**SHIMS, **(IPV6 if name in WITH_IPV6 else {})}.items():
        status, stdout, stderr = outcome(name, shim)
        expected = list(map(EXCEPTIONS.get((name, which), str), plain[1]))
        if (status, stdout) != (plain[0], expected):
            lines = difflib.unified_diff(expected, stdout, "without", which, lineterm="", n=2)
            raise lab.Failed(f"with {which}: differs, exit status {plain[0]} and {status}\n"
                             + "\n".join([*lines, stderr]))
    return f"{len(plain[1])} lines, the same {len(SHIMS)} ways"


# fd-inherited is the second half of fd-exec-after-bind.
lab.main([(name, functools.partial(same, name)) for name in names() if name != "fd-inherited"])
