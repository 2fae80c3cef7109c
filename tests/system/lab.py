# SPDX-License-Identifier: Apache-2.0
"""lab - what the system tests share: private network namespaces, processes that never outlive their test,
runs with and without the shim, and one line per case.

Each case runs in a process and a network namespace of its own, so no TIME_WAIT, blocked port or setting of
one case reaches another, nor the machine. HEADROOM_BUILD names the build folder (default: ../../build). With HEADROOM_TEST_BRIEF a case that passes says nothing.
"""
import collections
import contextlib
import ctypes
import fcntl
import functools
import os
import pathlib
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

import sock_diag

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("HEADROOM_BUILD") or HERE.parent.parent / "build").resolve()
HEADROOM = BUILD / "headroom"
SANITIZER = os.environ.get("HEADROOM_SANITIZER_PRELOAD", "")
PYTHON = "/usr/bin/python3"
# An emulated machine is slow: HEADROOM_PATIENCE says how many times as long things may take there.
PATIENCE_S = 60 * int(os.environ.get("HEADROOM_PATIENCE") or 1)
CASE_LIMIT_S = 3 * PATIENCE_S

_libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


class Failed(Exception):
    """The product, or the program under test, did not do what the case expects."""


class Skipped(Exception):
    """The case cannot run here; the text says what is missing."""


def _note_skip(case, why):
    """For tests/run, which judges what was left out."""
    if "HEADROOM_SKIPS" in os.environ:
        with open(os.environ["HEADROOM_SKIPS"], "a") as notes:
            notes.write(f"system/{pathlib.Path(sys.argv[0]).stem.removeprefix('test_')}, {case}: {why}\n")


# Namespaces

def _call(name, *arguments):
    if getattr(_libc, name)(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _gain_privileges():
    """Makes network namespaces possible: as root they are, else within a user namespace of our own."""
    pid = os.fork()
    if not pid:
        os._exit(_libc.unshare(CLONE_NEWNET) != 0)
    if os.waitpid(pid, 0)[1] == 0:
        return
    uid, gid = os.geteuid(), os.getegid()
    try:
        _call("unshare", CLONE_NEWUSER)
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            pathlib.Path("/proc/self", name).write_text(text)
        _call("unshare", CLONE_NEWNET)
    except OSError as refused:
        print(f"skip: no network namespace can be made here ({refused})")
        _note_skip("all", f"no network namespace can be made here ({refused})")
        sys.exit(77)


def _loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0x1 | 0x40)  # IFF_UP, IFF_RUNNING
        fcntl.ioctl(any_socket, 0x8914, request)  # SIOCSIFFLAGS


def sysctl(name, value):
    """Sets /proc/sys/net/NAME of the namespace we are in."""
    pathlib.Path("/proc/sys/net", name).write_text(f"{value}\n")


def ports(low, high, reserved=""):
    """Sets the ephemeral range, both ends included. Return: its size, the reserved ports still in it."""
    sysctl("ipv4/ip_local_port_range", f"{low} {high}")
    sysctl("ipv4/ip_local_reserved_ports", reserved)
    return high - low + 1


def new_network():
    """Moves to a network namespace nobody has used: loopback up, ports 40000 to 40099."""
    _call("unshare", CLONE_NEWNET)
    _loopback_up()
    # On loopback the kernel hands out TIME_WAIT tuples again after a second, which would blur the counts.
    sysctl("ipv4/tcp_tw_reuse", 0)
    # A segment that one processor delivers late is answered with RST, which ends a TIME_WAIT (RFC 1337).
    sysctl("ipv4/tcp_rfc1337", 1)
    for name in ("core/somaxconn", "ipv4/tcp_max_syn_backlog"):
        sysctl(name, 65535)
    ports(40000, 40099)


def ip(*arguments, inside=None):
    """Runs ip(8), in the namespace of process inside when one is given."""
    needs("ip")
    done = run(["ip", *arguments], inside=inside)
    if done.status:
        raise Failed(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def _is_local(address):
    """Has it its entry in the local table? The one of its prefix is there before (man 5 proc_net: ipv6_route)."""
    wanted, local = socket.inet_pton(socket.AF_INET6, address).hex(), 0x80000000
    with open("/proc/net/ipv6_route", encoding="ascii") as routes:
        return any(f[0] == wanted and int(f[8], 16) & local for f in map(str.split, routes))


def wait_for_ipv6(addresses):
    """Until they can be connected to: a kernel worker adds the local route (addrconf_dad_completed(), net/ipv6/addrconf.c)."""
    for address in addresses:
        wait_for(functools.partial(_is_local, address), f"{address} to be ours")


def ipv6_on_loopback(addresses):
    addresses = list(addresses)
    for address in addresses:
        ip("addr", "add", f"{address}/128", "dev", "lo", "nodad")
    wait_for_ipv6(addresses)


def _link_works(interface, v6, inside=None):
    """A kernel worker sees that there is a carrier, and makes the routes of IPv6 then."""
    def said(*words):
        return run(["ip", *words, "dev", interface], inside=inside).stdout
    return "state UP" in said("link", "show") and (not v6 or "proto kernel" in said("-6", "route", "show"))


@contextlib.contextmanager
def far_network(near_addresses, far_address):
    """A second namespace behind a veth pair. Gives the pid of a process in it, for inside=."""
    ready, done = os.pipe()
    pid = os.fork()
    if not pid:
        _die_with_parent()
        new_network()
        os.write(done, b".")
        signal.pause()
        os._exit(0)
    try:
        os.read(ready, 1)
        ip("link", "add", "name", "near0", "type", "veth", "peer", "name", "far0", "netns", str(pid))
        for address in near_addresses:
            ip("addr", "add", address, "dev", "near0", *(["nodad"] if ":" in address else []))
        ip("addr", "add", far_address, "dev", "far0", *(["nodad"] if ":" in far_address else []), inside=pid)
        ip("link", "set", "near0", "up")
        ip("link", "set", "far0", "up", inside=pid)
        wait_for(lambda: _link_works("near0", ":" in "".join(near_addresses)), "near0 to be up")
        wait_for(lambda: _link_works("far0", ":" in far_address, inside=pid), "far0 to be up")
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(ready)
        os.close(done)


def kernel():
    """Return: (major, minor) of the running kernel."""
    return tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2])


def has_port_range_option():
    """Is there IP_LOCAL_PORT_RANGE? From 6.3 on, in 6.1 from 6.1.37 on; tests/kernels takes it from others."""
    with socket.socket() as any_socket, contextlib.suppress(OSError):
        any_socket.setsockopt(socket.SOL_IP, 51, 0)
        return True
    return False


# Processes

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


def _die_with_parent(wanted=signal.SIGKILL):
    _libc.prctl(PR_SET_PDEATHSIG, int(wanted), 0, 0, 0)


def own_memory_files(size=None):
    """Gives the case a /dev/shm of its own: what others left there by pid is not met, and nothing is left."""
    _call("unshare", CLONE_NEWNS)
    _call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    _call("mount", b"none", b"/dev/shm", b"tmpfs", 0, f"size={size}".encode() if size else None)
    if _memory:
        _memory.mkdir()


def own_run():
    """Gives the case an empty /run of its own."""
    if _libc.unshare(CLONE_NEWNS):
        raise Skipped("no right to mount")
    _call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    _call("mount", b"none", b"/run", b"tmpfs", 0, b"mode=755")


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


def _ends(pid, limit_s):
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
        _die_with_parent()
        if inside:
            fd = os.open(f"/proc/{inside}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            _call("setns", fd, CLONE_NEWNET)

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
        if not _ends(self.pid, limit_s):
            self.stop()
            raise Failed(f"{' '.join(self.command)} still ran after {limit_s} s\n{self.stderr()}")
        return Result(self._popen.wait(), self.stdout(), self.stderr())

    def stop(self):
        if self.running():
            self._popen.terminate()
            if not _ends(self.pid, 5):
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


def wait_for(condition, what, process=None, limit_s=PATIENCE_S):
    """Polls until condition() is true. Return: what it gave."""
    deadline = time.monotonic() + limit_s
    pause_s = 0.001
    while True:
        value = condition()
        if value:
            return value
        late = time.monotonic() > deadline
        if late or (process is not None and not process.running() and not condition()):
            detail = f"\n{process.wait()}" if process is not None and not process.running() else ""
            raise Failed(f"{'timed out' if late else 'it ended'} waiting for {what}{detail}")
        time.sleep(pause_s)
        pause_s = min(1.5 * pause_s, 0.01)


class Tracer(Process):
    """strace on a running process: from here on it sees every call. It says so itself when it has attached to all
    threads; /proc/PID/status names it before it has stopped them."""

    def __init__(self, process, *options):
        needs("strace")
        super().__init__(["strace", "-f", "-p", str(process.pid), *options])
        wait_for(lambda: "attached" in self.stderr(), "strace to attach", self)


# Servers

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


def listening(port, path=None):
    """True when something listens on the TCP port, or on the Unix socket path."""
    if path:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(path)) == 0
    return any(s.state == "LISTEN" and s.sport == port for s in sock_diag.tcp_sockets())


# Expectations

def equal(what, seen, expected):
    if seen != expected:
        raise Failed(f"{what}: {seen!r}, expected {expected!r}")


def reaches(dport, expected, process=None, states=None):
    """Waits until the kernel counts exactly {source: connections} towards dport."""
    seen = {}
    totals = []  # as they changed

    def same():
        nonlocal seen
        seen = sock_diag.tuples(dport, states)
        if totals[-1:] != [total(seen)]:
            totals.append(total(seen))
        return seen == expected

    try:
        wait_for(same, "", process)
    except Failed as why:
        states_seen = collections.Counter((s.source, s.state) for s in sock_diag.tcp_sockets() if s.dport == dport)
        raise Failed(f"the kernel counts {seen}, in all {totals[-20:]}, expected {expected} {why}\n"
                     f"at the end, in any state: {dict(states_seen)}") from None


def total(counts):
    return sum(counts.values())


# Cases

_shared = _scratch = _memory = None


def shared():
    """A folder that goes with the run: what is compiled once and used by several cases."""
    return _shared


def state():
    """A folder for usage segments that goes with the case, on a memory file system; None where there is none."""
    folder = _memory and _memory / f"{os.getpid()}"
    if folder:
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def scratch():
    """A folder that goes with the case."""
    return _scratch


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
    global _scratch
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    _die_with_parent(signal.SIGTERM)
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    status = 1
    try:
        with tempfile.TemporaryDirectory(dir=shared()) as folder:
            _scratch = pathlib.Path(folder)
            try:
                new_network()
                said = function() or "as expected"
                if "HEADROOM_TEST_BRIEF" not in os.environ:
                    print(f"ok    {name}: {said}")
                status = 0
            except Skipped as why:
                print(f"skip  {name}: {why}")
                _note_skip(name, why)
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
    if _ends(pid, CASE_LIMIT_S):
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print(f"FAIL  {name}: not done after {CASE_LIMIT_S} s", flush=True)
    os.kill(pid, signal.SIGTERM)
    os.waitpid(pid, 0)
    return 1


def main(cases):
    """Runs the cases, (name, function) pairs, or those whose name holds an argument; exits 0, 1 or 77."""
    global _shared, _memory
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 20000)), hard))
    _gain_privileges()
    with contextlib.ExitStack() as folders:
        _shared = pathlib.Path(folders.enter_context(tempfile.TemporaryDirectory(prefix="headroom-test-")))
        if os.access("/dev/shm", os.W_OK):
            _memory = pathlib.Path(folders.enter_context(
                tempfile.TemporaryDirectory(prefix="headroom-test-", dir="/dev/shm")))
        try:
            statuses = [_run_case(name, function) for name, function in cases
                        if not sys.argv[1:] or any(wanted in name for wanted in sys.argv[1:])]
        finally:
            _end_descendants()
    sys.exit(1 if any(s not in (0, 77) for s in statuses) else 0 if 0 in statuses else 77)
