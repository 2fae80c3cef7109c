# SPDX-License-Identifier: Apache-2.0
"""exchange - a connection of the program, one exchange on it, and all that can be seen of its fd."""
import errno
import fcntl
import os
import select
import socket
import struct
import sys
import time


CASE, ADDRESS, PORT = sys.argv[1], sys.argv[2], int(sys.argv[3])
FAMILY = socket.AF_INET6 if ":" in ADDRESS else socket.AF_INET
OPTIONS = [(socket.SOL_SOCKET, n) for n in (socket.SO_KEEPALIVE, socket.SO_RCVLOWAT, socket.SO_OOBINLINE,
                                            socket.SO_PRIORITY, socket.SO_SNDBUF, socket.SO_RCVBUF,
                                            socket.SO_REUSEADDR, socket.SO_ERROR, socket.SO_TYPE)] + \
          [(socket.IPPROTO_TCP, n) for n in (socket.TCP_NODELAY, socket.TCP_CORK, socket.TCP_KEEPIDLE,
                                             socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT,
                                             socket.TCP_SYNCNT, socket.TCP_NOTSENT_LOWAT)] + \
          [(socket.IPPROTO_IP, socket.IP_TOS), (socket.IPPROTO_IP, 24), (socket.IPPROTO_IP, 51)]


def name(call, *arguments):
    try:
        return call(*arguments) or "0"
    except OSError as error:
        return errno.errorcode[error.errno]


def new(blocking=True):
    s = socket.socket(FAMILY)
    s.setblocking(blocking)
    return s


def connect(s):
    return name(s.connect, (ADDRESS, PORT))


def answer(text):
    print("connection", text.split()[1].decode(), file=sys.stderr)
    print("reply", text.split()[0].decode())


def exchange(s, mode="ok"):
    s.setblocking(True)
    s.send(f"raw {mode}/7\n".encode())
    text = b""
    while not text.endswith(b"\n"):
        text += s.recv(100) or b"the end\n"
    answer(text)


def parked():
    """How many fds this process has that are not the program's: numbered high."""
    return sum(int(n) > 100 for n in os.listdir("/proc/self/fd"))


def quiet_s(s):
    """For so long the guard leaves it in peace when it is parked: twice its round trip time, and some."""
    [rtt_us] = struct.unpack_from("=I", s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 72), 68)
    return max(0.02, 2.5e-6 * rtt_us)


def rest(s):
    quiet = quiet_s(s)
    s.close()
    time.sleep(quiet)


def warm(*options, blocking=True, wait=True):
    s = new(blocking)
    for option in options:
        s.setsockopt(*option)
    connect(s)
    select.select([], [s], [])
    exchange(s)
    if wait:
        rest(s)
    else:
        s.close()


def show(s):
    print("status", oct(fcntl.fcntl(s, fcntl.F_GETFL)), "fd flags", fcntl.fcntl(s, fcntl.F_GETFD), "owner",
          fcntl.fcntl(s, fcntl.F_GETOWN))
    print("peer", s.getpeername()[:2], "own", s.getsockname()[0], s.getsockname()[1] > 1024)
    for level, option in OPTIONS:
        print("option", level, option, name(s.getsockopt, level, option))
    for option in (socket.SO_LINGER, socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        print("option", option, s.getsockopt(socket.SOL_SOCKET, option, 16).hex())
    print("state", s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0])
    p = select.poll()
    p.register(s, select.POLLIN | select.POLLOUT | select.POLLPRI)
    print("poll", [events for _, events in p.poll(0)], "select", [len(l) for l in select.select([s], [s], [s], 0)])
