# SPDX-License-Identifier: Apache-2.0
"""network - private network namespaces: addresses, ports, other hosts, and what the kernel counts there."""
import collections
import contextlib
import fcntl
import functools
import os
import pathlib
import re
import signal
import socket
import struct
import sys

import sock_diag

from lab.expect import Failed, note_skip, total, wait_for
from lab.syscalls import call, CLONE_NEWNET, CLONE_NEWUSER, die_with_parent, libc
from lab.programs import needs, run


def gain_privileges():
    """Makes network namespaces possible: as root they are, else within a user namespace of our own."""
    pid = os.fork()
    if not pid:
        os._exit(libc.unshare(CLONE_NEWNET) != 0)
    if os.waitpid(pid, 0)[1] == 0:
        return
    uid, gid = os.geteuid(), os.getegid()
    try:
        call("unshare", CLONE_NEWUSER)
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            pathlib.Path("/proc/self", name).write_text(text)
        call("unshare", CLONE_NEWNET)
    except OSError as refused:
        print(f"skip: no network namespace can be made here ({refused})")
        note_skip("all", f"no network namespace can be made here ({refused})")
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
    call("unshare", CLONE_NEWNET)
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
        die_with_parent()
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


def listening(port, path=None):
    """True when something listens on the TCP port, or on the Unix socket path."""
    if path:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(path)) == 0
    return any(s.state == "LISTEN" and s.sport == port for s in sock_diag.tcp_sockets())


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
