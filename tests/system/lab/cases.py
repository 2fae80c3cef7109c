# SPDX-License-Identifier: Apache-2.0
"""cases - each in a process and a network of its own, and a line for each."""
import contextlib
import os
import pathlib
import resource
import signal
import sys
import tempfile
import time
import traceback

from lab.expect import Failed, note_skip, Skipped
from lab.syscalls import die_with_parent, libc, PR_SET_CHILD_SUBREAPER
from lab.folders import begin_case, begin_run, shared
from lab.programs import ends
from lab.network import gain_privileges, new_network
from lab.stalls import Stalls


def _end_descendants():
    """Kills and reaps what the case left running: we are its subreaper, so it is all our children."""
    me = os.getpid()
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with contextlib.suppress(OSError, IndexError):
                    stat = pathlib.Path("/proc", entry, "stat").read_text()
                    if int(stat.rpartition(")")[2].split()[1]) == me:
                        os.kill(int(entry), signal.SIGKILL)
        time.sleep(0.005)


def _in_case(name, function):
    """Runs one case in this process, which is its own. Return: its exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    die_with_parent(signal.SIGTERM)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    status = 1
    try:
        with tempfile.TemporaryDirectory(dir=shared()) as folder:
            begin_case(pathlib.Path(folder))
            try:
                new_network()
                said = function() or "as expected"
                if "HEADROOM_TEST_BRIEF" not in os.environ:
                    print(f"ok    {name}: {said}")
                status = 0
            except Skipped as why:
                print(f"skip  {name}: {why}")
                note_skip(name, why)
                status = 77
            except Failed as why:
                first, _, rest = str(why).partition("\n")
                print(f"FAIL  {name}: {first}")
                print("\n".join("      " + line for line in rest.splitlines()), file=sys.stderr)
            except Exception:  # a fault of the test itself is a failure like any other
                print(f"FAIL  {name}: {traceback.format_exc(limit=-3)}")
            finally:
                _end_descendants()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return status


def _run_case(name, function):
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            status = _in_case(name, function)
        finally:
            os._exit(status)
    limit_s = sys.modules[__package__].CASE_LIMIT_S  # a test may set it
    if ends(pid, limit_s):
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print(f"FAIL  {name}: not done after {limit_s} s", flush=True)
    os.kill(pid, signal.SIGTERM)
    os.waitpid(pid, 0)
    return 1


class _Patient:
    """Runs a case, and again if it fails while the machine stood still."""

    def __init__(self):
        self._stalls = Stalls()

    def __call__(self, name, function):
        for _ in range(3):
            self._stalls.forget()
            status = _run_case(name, function)
            still_ms = self._stalls.longest_ms()
            if status in (0, 77) or not still_ms:
                break
            print(f"      {name}: the machine stood still for {still_ms} ms meanwhile", flush=True)
        return status


def main(cases):
    """Runs the cases, (name, function) pairs, or those whose name holds an argument; exits 0, 1 or 77."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 20000)), hard))
    gain_privileges()
    with contextlib.ExitStack() as folders:
        def folder(place=None):
            return pathlib.Path(folders.enter_context(tempfile.TemporaryDirectory(prefix="headroom-test-", dir=place)))

        begin_run(folder(), folder("/dev/shm") if os.access("/dev/shm", os.W_OK) else None)
        run = _Patient() if sys.modules[__package__].GIVES_UP else _run_case
        try:
            statuses = [run(name, function) for name, function in cases
                        if not sys.argv[1:] or any(wanted in name for wanted in sys.argv[1:])]
        finally:
            _end_descendants()
    sys.exit(1 if any(s not in (0, 77) for s in statuses) else 0 if 0 in statuses else 77)
