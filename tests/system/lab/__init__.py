# SPDX-License-Identifier: Apache-2.0
"""lab - what the system tests share: private network namespaces, processes that never outlive their test,
runs with and without the shim, and one line per case.

Each case runs in a process and a network namespace of its own, so no TIME_WAIT, blocked port or setting of one case reaches
another, nor the machine. HEADROOM_BUILD names the build folder (default: ../../build). With HEADROOM_TEST_BRIEF a case that
passes says nothing.
"""
from lab.paths import BUILD, HEADROOM, HERE, PYTHON, SANITIZER
from lab.expect import equal, Failed, note_skip, PATIENCE_S, Skipped, total, wait_for
from lab.syscalls import call, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUSER, die_with_parent, MS_PRIVATE, MS_REC
from lab.folders import own_memory_files, own_run, scratch, shared, state
from lab.programs import (
    client, ends, environment, Hold, needs, not_under_sanitizer, Process, Result, run, shimmed, Tracer)
from lab.network import (
    far_network, gain_privileges, has_port_range_option, ip, ipv6_on_loopback, kernel, listening, new_network,
    ports, reaches, sysctl, wait_for_ipv6)
from lab.cases import main

# For one case; a test of long ones sets it.
CASE_LIMIT_S = 3 * PATIENCE_S
# What its programs give up after a fraction of a second bears on the result: a case that fails is run again if the machine
# stood still meanwhile; a test of such programs sets it.
GIVES_UP = False
