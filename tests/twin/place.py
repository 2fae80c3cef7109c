# SPDX-License-Identifier: Apache-2.0
"""place - makes the namespaces of a world and what is in them, and brings them back to their beginning between runs.

A Place lives in a process of its own (players.py), which has moved to the program's network namespace for good.
"""
import ctypes
import os
import pathlib
import signal
import socket
import struct
import subprocess
import tempfile
import time

import rewrite
import worlds

_libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_RDONLY, MS_REC, MS_PRIVATE = 1, 0x4000, 0x40000
PR_SET_PDEATHSIG = 1
SOCK_DIAG_BY_FAMILY, SOCK_DESTROY = 20, 21
COMMON_SYSCTLS = {
    # A black hole ends soon; no cookie of Fast Open is remembered from one run to the next.
    "ipv4/tcp_syn_retries": "1", "ipv4/tcp_fastopen": "1543", "ipv4/tcp_no_metrics_save": "1", "core/somaxconn": "4096",
    "ipv4/tcp_max_syn_backlog": "4096", "ipv6/conf/default/accept_dad": "0", "ipv6/conf/default/router_solicitations": "0",
    "ipv4/icmp_ratelimit": "0", "ipv6/icmp/ratelimit": "0",
}


class Unbuildable(Exception):
    """The world cannot be made; shrinking makes such worlds."""


def _call(name, *arguments):
    if getattr(_libc, name)(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def sysctl(name, value):
    pathlib.Path("/proc/sys/net", name).write_text(f"{value}\n")


def _ip(lines):
    done = subprocess.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n", text=True, capture_output=True,
                          env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"})
    if done.returncode:
        raise Unbuildable(done.stderr.strip())


def _common():
    for name, value in COMMON_SYSCTLS.items():
        try:
            sysctl(name, value)
        except OSError:
            pass
    _ip(["link set lo up"])


class Far:
    """A namespace, held by a process that does in it what it is told."""

    def __init__(self):
        self._ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if not self.pid:
            self._ours.close()
            self._live(theirs)
        theirs.close()
        self._answer()

    def _live(self, told):
        try:
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            _call("unshare", CLONE_NEWNET)
            _common()
            told.send(b"+")
            while True:
                text = told.recv(65536).decode()
                if not text:
                    os._exit(0)
                try:
                    for line in text.splitlines():
                        if line.startswith("sysctl "):
                            sysctl(*line.split(None, 2)[1:])
                    _ip([line for line in text.splitlines() if not line.startswith("sysctl ")])
                    told.send(b"+")
                except Exception as why:
                    told.send(str(why).encode()[:4000] or b"failed")
        finally:
            os._exit(1)

    def _answer(self):
        said = self._ours.recv(65536)
        if said != b"+":
            raise Unbuildable(said.decode() or "the other namespace went")

    def do(self, lines):
        self._ours.send("\n".join(lines).encode())
        self._answer()

    def network(self):
        return f"/proc/{self.pid}/ns/net"


class Diag:
    """The TCP sockets of the namespace in which this was made."""

    def __init__(self):
        self._netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4)

    def sockets(self):
        """(family, state, local, sport, remote, dport, inode, id) of each but listeners."""
        for family in (socket.AF_INET, socket.AF_INET6):
            request = struct.pack("=BBBxI48x", family, socket.IPPROTO_TCP, 0, 0xffffffff)
            self._netlink.send(struct.pack("=IHHII", 16 + len(request), SOCK_DIAG_BY_FAMILY, 0x301, 1, 0) + request)
            done = False
            while not done:
                data = self._netlink.recv(1 << 18)
                while len(data) >= 16:
                    length, kind = struct.unpack_from("=IH", data)
                    if kind in (2, 3):
                        done = True
                        break
                    message = data[16:length]
                    sport, dport = struct.unpack_from("!HH", message, 4)
                    yield (family, message[1], socket.inet_ntop(family, message[8:12] if family == 2 else message[8:24]),
                           sport, socket.inet_ntop(family, message[24:28] if family == 2 else message[24:40]), dport,
                           struct.unpack_from("=I", message, 68)[0], message[4:52])
                    data = data[(length + 3) & ~3:]

    def forget(self):
        """Ends what no process has any more: TIME_WAITs and the like. Return: how many there were."""
        gone = [s for s in self.sockets() if s[6] == 0 and s[1] != 10]
        for family, _, _, _, _, _, _, identity in gone:
            request = struct.pack("=BBBxI", family, socket.IPPROTO_TCP, 0, 0xffffffff) + identity
            self._netlink.send(struct.pack("=IHHII", 16 + len(request), SOCK_DESTROY, 0x5, 2, 0) + request)
            self._netlink.recv(4096)
        return len(gone)


class Talker:
    """One of our helper programs, commanded by lines."""

    def __init__(self, command):
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def send(self, lines):
        self._process.stdin.write("".join(line + "\n" for line in lines).encode())
        self._process.stdin.flush()

    def line(self):
        line = self._process.stdout.readline()
        if not line:
            raise Unbuildable(self._process.stderr.read().decode().strip() or "a helper ended")
        return line.decode().rstrip("\n")

    def pid(self):
        return self._process.pid

    def end(self):
        self._process.kill()
        self._process.wait()

    def bytes(self, count):
        return self._process.stdout.read(count)


class Place:
    """@folder: of the helper programs; @base: where it may make a folder. Everything here ends with this process."""

    def __init__(self, lines, folder, base):
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        self.lines = lines
        # What the kernel numbers begins at the same in each place: interfaces.
        _call("unshare", CLONE_NEWNET | CLONE_NEWNS)
        _call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
        # Where it is on tmpfs root's segments would be there, and stay for the next run: see reset().
        _call("mount", b"none", b"/run", b"tmpfs", MS_RDONLY, None)
        size = worlds.value(lines, "shm")
        _call("mount", b"none", b"/dev/shm", b"tmpfs", 0, f"mode=1777,size={size or '64m'}".encode())
        self.folder = tempfile.mkdtemp(dir=base)
        _call("mount", b"none", self.folder.encode(), b"tmpfs", 0, b"size=64m")
        _common()
        self._diags = [Diag()]
        self.far = Far() if worlds.value(lines, "veth") else None
        self.other = Far() if "other" in lines else None
        self._network()
        self._peer(folder)
        self.stage = Talker([str(folder / "twin-stage")])
        self._rewrite = None
        if words := worlds.value(lines, "rewrite"):
            try:
                self._rewrite = rewrite.Rewrite(self.folder, words)
                self._rewrite.enter(self.stage.pid())
            except OSError as why:
                raise Unbuildable(f"rewrite: {why}") from None

    def _network(self):
        lines = self.lines
        low, high = worlds.port_range(lines)
        sysctl("ipv4/ip_local_port_range", f"{low} {high}")
        sysctl("ipv4/ip_local_reserved_ports", worlds.value(lines, "reserved") or "")
        near = []
        for near_name, far_name in (pair.split() for pair in worlds.values(lines, "veth")):
            near.append(f"link add {near_name} type veth peer name {far_name} netns {self.far.pid}")
            near.append(f"link set {near_name} up")
        near += [words for words in worlds.values(lines, "ip") if words.startswith("addr")]
        _ip(near or ["link set lo up"])
        if self.far:
            far = [f"link set {pair.split()[1]} up" for pair in worlds.values(lines, "veth")]
            self.far.do(far + worlds.values(lines, "far-ip")
                        + ["sysctl " + words for words in worlds.values(lines, "far-sysctl")])
            self._wait_for_links()
        if delay := worlds.value(lines, "delay"):
            for device in (pair.split()[0] for pair in worlds.values(lines, "veth")):
                # Where the kernel has no netem there is no delay.
                subprocess.run(["tc", "qdisc", "add", "dev", device, "root", "netem", "delay", f"{delay}ms"], capture_output=True,
                               env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"})
        for words in worlds.values(lines, "sysctl"):
            sysctl(*words.split(None, 1))
        late = [words for words in worlds.values(lines, "ip") if not words.startswith("addr")]
        if late:
            _ip(late)
        if self.other:
            self.other.do(["sysctl ipv4/ip_local_port_range 40000 40999", "link set lo up"])
        for far in filter(None, (self.far, self.other)):
            self._diags.append(self._inside(far, Diag))

    def _inside(self, far, make):
        own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        there = os.open(far.network(), os.O_RDONLY | os.O_CLOEXEC)
        try:
            _call("setns", there, CLONE_NEWNET)
            return make()
        finally:
            _call("setns", own, CLONE_NEWNET)
            os.close(own)
            os.close(there)

    def _wait_for_links(self):
        """The link-local address is there when the kernel has seen the carrier, and no longer tentative."""
        end = time.monotonic() + 10
        for pid, index in (("self", 0), (self.far.pid, 1)):
            for pair in worlds.values(self.lines, "veth"):
                while not any(line.startswith("fe80") and line.split()[5] == pair.split()[index] and
                              not int(line.split()[4], 16) & 0x40
                              for line in pathlib.Path(f"/proc/{pid}/net/if_inet6").read_text().splitlines()):
                    if time.monotonic() > end:
                        raise Unbuildable("a link did not come up")
                    time.sleep(0.001)

    def _peer(self, folder):
        self.peer = Talker([str(folder / "twin-peer")])
        for who, network in (("near", "/proc/self/ns/net"), ("far", self.far and self.far.network()),
                             ("other", self.other and self.other.network())):
            if not network:
                continue
            if who != "near":
                self.peer.send([f"ns {network}"])
            if who in worlds.values(self.lines, "servers"):
                self.peer.send(worlds.servers())
        self.peer.send([f"deny {address}" for address in worlds.values(self.lines, "deny")])
        self.peer.send([f"ns /proc/{os.getpid()}/ns/net"] + worlds.values(self.lines, "hold") + ["ready"])
        if self.peer.line() != "ready":
            raise Unbuildable("the peer is not ready")

    def close(self):
        """What would stay after this process."""
        self.stage.end()
        if self._rewrite:
            self._rewrite.close()

    def sockets(self):
        return list(self._diags[0].sockets())

    def reset(self):
        """No TIME_WAIT, no usage segment, no file of a run is met by the next."""
        for diag in self._diags:
            diag.forget()
        subtrees = [pathlib.Path("/dev/shm"), pathlib.Path(self.folder)]
        while subtrees:
            top = subtrees.pop()
            for entry in list(top.iterdir()):
                if entry.name != "cgroup":
                    _remove(entry)

def _remove(path):
    if path.is_dir() and not path.is_symlink():
        for entry in list(path.iterdir()):
            _remove(entry)
        path.rmdir()
    else:
        path.unlink()
