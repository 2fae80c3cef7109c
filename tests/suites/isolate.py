# SPDX-License-Identifier: Apache-2.0
"""isolate - run a command in namespaces of its own, with a time limit, leaving nothing behind.

A network namespace gives every run the same empty port space, and a PID namespace takes all that the run
started with it when it ends. The shell in front is its process 1: a program that is process 1 itself would
have the kernel ignore the signals it sends to itself (pid_namespaces(7)).
"""
import os
import pathlib
import shutil
import subprocess

# Tests run as root must not be able to remove a device of the machine's, nor leave anything in its /dev/shm.
_INIT = """ip link set lo up && mount --rbind /dev /dev && mount -o remount,bind,ro /dev &&
    mount -t tmpfs -o mode=1777 none /dev/shm || exit 125
"$@"
exit $?
"""


_running = set()


class HUNG:
    """The status of a run that had to be stopped."""


def missing():
    """Return: what is missing to make namespaces here, or None."""
    for program in ("unshare", "ip"):
        if not shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin"):
            return f"{program} is not installed"
    done = subprocess.run([*_namespaces(), "sh", "-c", _INIT, "sh", "true"], capture_output=True, text=True)
    return f"no namespace can be made here: {done.stderr.strip()}" if done.returncode else None


def _namespaces():
    as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *as_root, "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]


def _stop(process):
    # --kill-child: the namespace's process 1 dies with unshare, and everything in it with process 1.
    if process.poll() is None:
        process.kill()
        process.wait()


def stop_all():
    """Ends whatever is still running."""
    for process in list(_running):
        _stop(process)


def run(command, prefix, folder, limit_s):
    """Runs command (a suite.Command) behind the words of prefix. Return: its exit status, or HUNG."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tmp").mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HEADROOM_")}
    environment.update({"LC_ALL": "C.UTF-8", "TMPDIR": str(folder / "tmp")}, **command.environment)
    with open(folder / "output", "wb") as output:
        process = subprocess.Popen([*_namespaces(), "sh", "-c", _INIT, "sh", *prefix, *command.argv],
                                   cwd=command.cwd, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=output, stderr=output)
        _running.add(process)
        try:
            return process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return HUNG
        finally:
            _stop(process)
            _running.discard(process)
            shutil.rmtree(pathlib.Path(folder, "tmp"), ignore_errors=True)
