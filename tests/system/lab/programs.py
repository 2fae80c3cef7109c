# SPDX-License-Identifier: Apache-2.0
"""programs - processes that never outlive their test, with and without the shim."""
import os
import pathlib
import select
import signal
import subprocess

from lab.paths import BUILD, HEADROOM, HERE, SANITIZER
from lab.expect import Failed, PATIENCE_S, Skipped, wait_for
from lab.syscalls import call, CLONE_NEWNET, die_with_parent
from lab.folders import scratch, shared, state


def needs(*programs):
    """Skips the case unless all these programs are installed."""
    for program in programs:
        if not any(os.access(pathlib.Path(d, program), os.X_OK)
                   for d in os.environ.get("PATH", os.defpath).split(":") + ["/usr/sbin", "/sbin"]):
            raise Skipped(f"{program} is not installed")


def not_under_sanitizer(why):
    """Skips the case when the shim was built with a sanitizer that the program under test cannot bear."""
    if SANITIZER:
        raise Skipped(f"not with a sanitizer preloaded: {why}")


def client(name):
    """The path of one of our own C programs: from the build folder, else compiled on the spot."""
    built = BUILD / "tests/system" / name
    if built.exists():
        return str(built)
    needs("cc")
    sources = [str(HERE / f"{name}.c"), *(str(p) for p in sorted(HERE.glob(f"{name}_*.c")))]
    target = shared() / name
    if not target.exists():
        done = run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-o", str(target), *sources, "-pthread"])
        if done.status:
            raise Failed(f"cc {name}.c: {done.stderr}")
    return str(target)


def shimmed(command, sources=None, spread=None, options=(), **_):
    """The command line that runs command under the shim."""
    if not HEADROOM.exists():
        raise Failed(f"{HEADROOM} is missing: build first, or set HEADROOM_BUILD")
    front = [str(HEADROOM), "run", *options]
    if sources:
        front += ["--sources", sources]
    if spread:
        front += ["--spread", spread]
    return [*front, "--", *command]


def environment(extra=None):
    """The environment of a run: none of the caller's HEADROOM_* settings, the sanitizer first of all."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("HEADROOM_") and k != "LD_PRELOAD"}
    env["PATH"] = env.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    env["LC_ALL"] = "C"
    env["HEADROOM_STATE_DIR"] = str(state()) if state() else "off"
    env.update(extra or {})
    return env


def ends(pid, limit_s):
    """Waits for the end of a child, as told by the kernel: subprocess looks every 50 ms. Return: did it come?"""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:  # it was waited for before
        return True
    try:
        return bool(select.select([fd], [], [], limit_s)[0])
    finally:
        os.close(fd)


class Result:
    def __init__(self, status, stdout, stderr):
        self.status, self.stdout, self.stderr = status, stdout, stderr

    def __str__(self):
        return f"exit status {self.status}\nstdout: {self.stdout[-2000:]}\nstderr: {self.stderr[-2000:]}"


class Process:
    """A started program. shim=None runs it plain, shim={...} under `headroom run` (see shimmed())."""
    _serial = 0

    def __init__(self, command, shim=None, env=None, inside=None, stdin=False):
        env = environment(env)
        if shim is not None:
            command = shimmed(command, **shim)
            env.update(shim.get("env", {}))
            if SANITIZER:
                env["LD_PRELOAD"] = ":".join(filter(None, [SANITIZER, env.get("LD_PRELOAD")]))
        if SANITIZER:
            env.setdefault("ASAN_OPTIONS", "detect_leaks=0:verify_asan_link_order=0")
            # A child forked by one of many threads goes on to use the shim, as it may.
            env.setdefault("TSAN_OPTIONS", "die_after_fork=0")
        Process._serial += 1
        self.command = command
        self._out = scratch() / f"stdout.{Process._serial}"
        self._err = scratch() / f"stderr.{Process._serial}"
        with open(self._out, "wb") as out, open(self._err, "wb") as err_file:
            self._popen = subprocess.Popen(
                command, env=env, stdout=out, stderr=err_file, cwd=scratch(),
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                preexec_fn=lambda: self._before_exec(inside))
        self.pid = self._popen.pid
        self._stdin = self._popen.stdin

    @staticmethod
    def _before_exec(inside):
        die_with_parent()
        if inside:
            fd = os.open(f"/proc/{inside}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            call("setns", fd, CLONE_NEWNET)

    def stdout(self):
        return self._out.read_text(errors="replace")

    def stderr(self):
        return self._err.read_text(errors="replace")

    def running(self):
        return self._popen.poll() is None

    def end_input(self):
        if self._stdin:
            self._stdin.close()

    def send(self, number):
        self._popen.send_signal(number)

    def wait(self, limit_s=PATIENCE_S):
        self.end_input()
        if not ends(self.pid, limit_s):
            self.stop()
            raise Failed(f"{' '.join(self.command)} still ran after {limit_s} s\n{self.stderr()}")
        return Result(self._popen.wait(), self.stdout(), self.stderr())

    def stop(self):
        if self.running():
            self._popen.terminate()
            if not ends(self.pid, 5):
                self._popen.kill()
            self._popen.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def run(command, shim=None, limit_s=PATIENCE_S, **how):
    """Runs a program to its end. Return: a Result with status, stdout and stderr."""
    with Process(command, shim, **how) as process:
        return process.wait(limit_s)


class Tracer(Process):
    """strace on a running process: from here on it sees every call. It says so itself when it has attached to all
    threads; /proc/PID/status names it before it has stopped them."""

    def __init__(self, process, *options):
        needs("strace")
        super().__init__(["strace", "-f", "-p", str(process.pid), *options])
        wait_for(lambda: "attached" in self.stderr(), "strace to attach", self)


class Hold(Process):
    """Our server that keeps what it accepts (hold.c), on every address of its namespace."""

    def __init__(self, port, mode="", inside=None):
        super().__init__([client("hold"), *([mode] if mode else []), str(port)], inside=inside)
        wait_for(lambda: "ready" in self.stdout(), f"the server on port {port}", self)

    def __exit__(self, kind, *_):
        """What it counted with went when it ended: connections to a server that has gone are reset."""
        gone = not self.running()
        self.stop()
        if gone and kind is None:
            raise Failed(f"the server ended: {self.stderr().strip()}")

    def release(self):
        """Answers what was held, then everything at once."""
        self.send(signal.SIGUSR1)
