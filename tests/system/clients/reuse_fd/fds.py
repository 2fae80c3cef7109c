# SPDX-License-Identifier: Apache-2.0
"""fds - the numbers of what is parked, and of the socket that is left over."""
import ctypes
import errno
import fcntl
import os
import resource
import select
import socket
import time

from alike import blocking_only
from exchange import ADDRESS, FAMILY, OPTIONS, PORT, connect, exchange, name, new, parked, rest, warm


def numbers():
    """A parked connection is not to be seen by its number: close() of any gives EBADF, and harms nothing."""
    warm()
    open_ones = [n for n in map(int, os.listdir("/proc/self/fd")) if n > 100]
    print("closed", [name(os.close, n) for n in range(100, 9000)] == ["EBADF"] * 8900)
    os.closerange(100, 9000)
    print("still", [n for n in open_ones if not os.path.exists(f"/proc/self/fd/{n}")])
    blocking_only()


def blank():
    """A hand-out leaves a socket over, which is the next one that is made: as good as new."""
    warm()
    c_socket = ctypes.CDLL(None).socket
    for kind in (0, socket.SOCK_NONBLOCK, socket.SOCK_CLOEXEC, socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC):
        s = new(kind == 0)
        connect(s)
        exchange(s)
        n = c_socket(FAMILY, socket.SOCK_STREAM | kind, 0)
        print("number", n - s.fileno(), "status", oct(fcntl.fcntl(n, fcntl.F_GETFL)), "fd flags",
              fcntl.fcntl(n, fcntl.F_GETFD), "owner", fcntl.fcntl(n, fcntl.F_GETOWN), os.path.exists(f"/proc/self/fd/{n}"))
        made = socket.socket(fileno=n)
        print("own", made.getsockname()[1], name(made.getpeername), [name(made.getsockopt, *o) for o in OPTIONS])
        p = select.poll()
        p.register(made, select.POLLIN | select.POLLOUT)
        print("poll", [events for _, events in p.poll(0)], name(made.send, b"x"))
        made.bind((ADDRESS, 0))
        made.listen()
        print("listens", made.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN), made.getsockname()[0])
        made.close()
        rest(s)
    connect(new())
    if not os.fork():
        print("in the child", new().getsockname()[1], flush=True)
        os._exit(0)
    os.wait()
    s = new()
    print("connect", name(s.connect, (ADDRESS, PORT)))
    exchange(s)


def files_run_out():
    """The program may have as many fds as before."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    for _ in range(12):
        warm(wait=False)
    taken = []
    while True:
        try:
            taken.append(os.open("/dev/null", os.O_RDONLY))
        except OSError as error:
            print("opened", len(taken), errno.errorcode[error.errno])
            break
    for fd in taken:
        os.close(fd)
    blocking_only()


def onto():
    """dup2() onto the number of a parked connection."""
    warm()
    for n in [n for n in map(int, os.listdir("/proc/self/fd")) if n > 100] or [4000]:
        os.dup2(1, n)
        print("onto", os.fstat(n).st_ino == os.fstat(1).st_ino)
        os.close(n)
    blocking_only()


def many_open():
    """More connections at once than may be parked."""
    for _ in range(3):
        many = [new() for _ in range(90)]
        print([connect(s) for s in many] == ["0"] * 90)
        for s in many:
            s.send(b"raw ok/7\n")
        for s in many:
            if not s.recv(100).startswith(b"<7 "):
                print("no reply")
            s.close()
        time.sleep(0.02)
    kept = parked()
    print("parked at most 64, and a blank:", kept <= 65 or kept)
