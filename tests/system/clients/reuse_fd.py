# SPDX-License-Identifier: Apache-2.0
"""reuse_fd - prints all that a program can observe about the fd of a connection, new or handed out again.

reuse_fd.py CASE ADDRESS PORT: an exchange first, whose connection may be parked; then the case. On stdout what must be
the same with reuse and without, on stderr `connection N` for each exchange, by the server's number.
"""
import array
import ctypes
import errno
import fcntl
import os
import resource
import select
import socket
import struct
import sys
import threading
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


def blocking():
    warm()
    s = new()
    print("connect", connect(s), "again", connect(s), connect(s))
    show(s)
    exchange(s)


def nonblocking(ask=True):
    warm()
    s = new(False)
    print("connect", connect(s))
    select.select([], [s], [])
    if ask:
        print("again", connect(s), connect(s))
    show(s)
    exchange(s)


def mixed(first, second):
    """What the first program left unasked the second must not be told."""
    warm(blocking=first)
    s = new(second)
    print("connect", connect(s))
    select.select([], [s], [])
    print("again", connect(s), connect(s))
    show(s)
    exchange(s)


def options_before():
    warm()
    s = new()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 7777)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 9, 0))
    print("connect", connect(s))
    show(s)
    exchange(s)


def options_that_leave_traces():
    """SO_LINGER keeps its time when it is off again, and IP_TOS sets SO_PRIORITY."""
    warm((socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 7)), (socket.IPPROTO_IP, socket.IP_TOS, 16))
    s = new()
    print("connect", connect(s))
    show(s)
    exchange(s)


def options_gone():
    warm((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
         (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3), (socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1),
         (socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 3, 0)))
    s = new()
    s2 = new()
    print("connect", connect(s))
    show(s)
    # Set on the live connection, too.
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 33)
    exchange(s)
    rest(s)
    print("connect", connect(s2))
    show(s2)
    exchange(s2)


def sizes():
    """Buffers once set have no way back: not the connection for another."""
    warm((socket.SOL_SOCKET, socket.SO_RCVBUF, 9000))
    blocking_only()


def sizes_same():
    warm((socket.SOL_SOCKET, socket.SO_RCVBUF, 9000))
    s = new()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 9000)
    print("connect", connect(s))
    show(s)
    exchange(s)


def blocking_only():
    s = new()
    print("connect", connect(s))
    show(s)
    exchange(s)


def bound(again):
    """Its source and no port, as `curl --interface` does it."""
    s = new()
    s.bind((ADDRESS, 0))
    connect(s)
    exchange(s)
    rest(s)
    s = new()
    if again:
        s.bind((ADDRESS, 0))
    print("connect", connect(s))
    show(s)
    exchange(s)


def cloexec(on):
    warm()
    s = new()
    os.set_inheritable(s.fileno(), not on)
    print("connect", connect(s))
    show(s)


def epoll(edge, stays):
    """Registered before connect(), and left at close() without EPOLL_CTL_DEL: no event of it may come again."""
    e = select.epoll()
    flags = select.EPOLLIN | select.EPOLLOUT | (select.EPOLLET if edge else 0)
    first = new(False)
    e.register(first, flags)
    connect(first)
    print("events", [events for _, events in e.poll(5)])
    exchange(first)
    keep = os.dup(e.fileno()) if stays == "dup" else -1
    number = first.fileno()
    rest(first)
    print("after close", e.poll(0))
    s = new(False)
    if s.fileno() != number:
        raise SystemExit("another number")
    if stays != "none":
        e.register(s, flags)
    print("connect", connect(s))
    if stays != "none":
        print("events", [events for _, events in e.poll(5)], "once more", len(e.poll(0.02)))
        s.send(b"raw ok/8\n")
        while not any(events & select.EPOLLIN for _, events in e.poll(5)):
            pass
        answer(s.recv(100))
    else:
        exchange(s)
    print("then", len(e.poll(0.02)))
    if keep >= 0:
        os.close(keep)


def twin(take_number):
    """The set goes on under another number when the one it was filled by goes."""
    e = select.epoll()
    other = os.dup(e.fileno())
    first = new(False)
    e.register(first, select.EPOLLIN | select.EPOLLOUT)
    connect(first)
    e.poll(5)
    exchange(first)
    take_number(e)
    rest(first)
    blocking_only()
    print("events of the other number", len(select.epoll.fromfd(other).poll(0)))


def epoll_closed_twin():
    twin(lambda e: e.close())


def epoll_replaced_twin():
    """Something else gets the number by dup2()."""
    twin(lambda e: os.dup2(0, e.fileno()))

def epoll_replaced_before():
    """The same between registering and connect(), and the number is another set's."""
    warm()
    e = select.epoll()
    other = os.dup(e.fileno())
    s = new(False)
    e.register(s, select.EPOLLIN | select.EPOLLOUT)
    second = select.epoll()
    os.dup2(second.fileno(), e.fileno())
    print("connect", connect(s))
    print("events", [events for _, events in select.epoll.fromfd(other).poll(5)], "of the second", len(second.poll(0)))
    exchange(s)


def not_parked(spoil):
    """What is done to a connection before close() that keeps it from being parked: the next one is another."""
    s = new()
    connect(s)
    exchange(s)
    quiet = quiet_s(s)
    kept = spoil(s)
    s.close()
    time.sleep(quiet)
    blocking_only()
    return kept


def passed(s):
    a, b = socket.socketpair()
    a.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [s.fileno()]))])
    return a, b


def forked(s):
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    return write, pid


def unseen_write(s):
    """sendfile() and splice() from a pipe, and the reply taken by a raw system call."""
    read, write = os.pipe()
    os.write(write, b"raw ok/9\n")
    os.splice(read, s.fileno(), 9)
    print("reply", s.recv(100).split()[0])


def stdio(s):
    libc = __import__("ctypes").CDLL(None)
    libc.fdopen.restype = __import__("ctypes").c_void_p
    stream = __import__("ctypes").c_void_p(libc.fdopen(os.dup(s.fileno()), b"r+"))
    libc.fputs(b"raw ok/9\n", stream)
    libc.fflush(stream)
    print("reply", s.recv(100).split()[0])
    libc.fclose(stream)


def raw_write(s):
    ctypes = __import__("ctypes")
    ctypes.CDLL(None).syscall(1 if os.uname().machine == "x86_64" else 64, s.fileno(), b"raw ok/9\n", 9)
    print("reply", s.recv(100).split()[0])


def in_recv(s):
    """Another thread waits in recv(): it must not get what belongs to the next exchange."""
    threading = __import__("threading")
    got = []
    number = os.dup(0)
    os.close(number)
    thread = threading.Thread(target=lambda: got.append(s.recv(100)), daemon=True)
    thread.start()
    recvfrom = "45" if os.uname().machine == "x86_64" else "207"
    while open(f"/proc/self/task/{thread.native_id}/syscall").read().split()[0] != recvfrom:
        time.sleep(0.001)
    os.close(s.detach())


def wait_parked():
    """Until something has come on what is parked: the end, or bytes."""
    for n in map(int, os.listdir("/proc/self/fd")):
        if n > 100:
            p = select.poll()
            p.register(n, select.POLLIN)
            p.poll(20000)


def spoilt(mode):
    """While parked, the server sends or closes."""
    other = new()
    connect(other)
    s = new()
    connect(s)
    exchange(s, mode)
    s.close()
    exchange(other, "release")
    wait_parked()
    blocking_only()


def first_send(is_blocking, watched):
    """The server closes between connect() and the first send: another connection takes its place."""
    other = new()
    connect(other)
    e = select.epoll()
    s = new()
    connect(s)
    exchange(s, "held")
    rest(s)
    s = new(is_blocking)
    if watched:
        e.register(s, select.EPOLLIN | select.EPOLLET)
    connect(s)
    exchange(other, "release")
    # With reuse it is the one that the server closes now; else nothing comes.
    select.select([s], [], [], 20 if "LD_PRELOAD" in os.environ else 0)
    if not is_blocking:
        try:
            s.send(b"")
        except BlockingIOError:
            pass
        print("writable", select.select([], [s], [], 5)[1] == [s])
    if watched:
        s.send(b"raw ok/8\n")
        print("events", [events for _, events in e.poll(20)])
        answer(s.recv(100))
    else:
        exchange(s)
    show(s)


def reset_before_asked():
    """The server resets it between connect() and the question what came of that: a new connection would be there."""
    other = new()
    connect(other)
    s = new()
    connect(s)
    exchange(s, "heldreset")
    rest(s)
    s = new(False)
    connect(s)
    exchange(other, "release")
    if "LD_PRELOAD" in os.environ:
        p = select.poll()
        p.register(s, 0)
        p.poll(20000)
    else:
        select.select([], [s], [], 20)
    print("SO_ERROR", s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    select.select([], [s], [], 20)
    s.send(b"raw ok/8\n")
    select.select([s], [], [], 20)
    answer(s.recv(100))
    show(s)


def done_before(act):
    """What was done to the program's own socket is not undone by a connection in its place."""
    warm()
    s = new()
    print("before", name(act, s))
    print("connect", connect(s), "send", name(s.send, b"raw ok/7\n"))


def to_itself():
    """A server in a thread, that serves one connection until its end: the program waits for that."""
    listener = socket.create_server((ADDRESS, 0), family=FAMILY)

    def serve():
        for _ in range(2):
            accepted, _ = listener.accept()
            while data := accepted.recv(100):
                accepted.send(b"<" + data)
            accepted.close()

    thread = threading.Thread(target=serve)
    thread.start()
    for _ in range(2):
        s = new()
        s.connect(listener.getsockname())
        s.send(b"raw ok/7\n")
        print("reply", s.recv(100))
        s.close()
        time.sleep(0.02)
    thread.join()
    print("served")


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
    print("parked at most 64, and a blank:", parked() <= 65)


CASES = {
    "blocking": blocking,
    "nonblocking": nonblocking,
    "nonblocking, not asked": lambda: nonblocking(False),
    "nonblocking, then blocking": lambda: mixed(False, True),
    "blocking, then nonblocking": lambda: mixed(True, False),
    "options set before": options_before,
    "options that leave traces": options_that_leave_traces,
    "options gone": options_gone,
    "sizes differ": sizes,
    "sizes the same": sizes_same,
    "bound to a source": lambda: bound(True),
    "bound, the next not": lambda: bound(False),
    "inherited": lambda: cloexec(False),
    "not inherited": lambda: cloexec(True),
    "epoll": lambda: epoll(False, "yes"),
    "epoll, edge": lambda: epoll(True, "yes"),
    "epoll, left behind": lambda: epoll(False, "none"),
    "epoll, dup": lambda: epoll(False, "dup"),
    "epoll closed, its twin not": epoll_closed_twin,
    "epoll replaced, its twin not": epoll_replaced_twin,
    "epoll replaced before connect": epoll_replaced_before,
    "dup": lambda: not_parked(lambda s: s.dup()),
    "passed": lambda: not_parked(passed),
    "forked": lambda: os.write(not_parked(forked)[0], b"."),
    "splice": lambda: not_parked(unseen_write),
    "stdio": lambda: not_parked(stdio),
    "raw system call": lambda: not_parked(raw_write),
    "shut": lambda: not_parked(lambda s: s.shutdown(socket.SHUT_RD)),
    "linger 0": lambda: not_parked(
        lambda s: s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))),
    "unknown option": lambda: not_parked(lambda s: s.setsockopt(socket.SOL_SOCKET, 29, 1)),
    "owner": lambda: not_parked(lambda s: fcntl.fcntl(s, fcntl.F_SETOWN, os.getpid())),
    "owner by ioctl()": lambda: not_parked(lambda s: fcntl.ioctl(s, 0x8902, struct.pack("i", os.getpid()))),  # SIOCSPGRP
    "owner by syscall()": lambda: not_parked(lambda s: ctypes.CDLL(None).syscall(  # SYS_fcntl
        72 if os.uname().machine == "x86_64" else 25, s.fileno(), fcntl.F_SETOWN, os.getpid())),
    "in recv()": lambda: not_parked(in_recv),
    "late reply": lambda: spoilt("late"),
    "closed while parked": lambda: spoilt("held"),
    "first send": lambda: first_send(True, False),
    "first send, nonblocking": lambda: first_send(False, False),
    "first send, epoll": lambda: first_send(False, True),
    "reset, then asked": reset_before_asked,
    "shut before": lambda: done_before(lambda s: s.shutdown(socket.SHUT_RDWR)),
    "listened before": lambda: done_before(lambda s: s.listen()),
    "to itself": to_itself,
    "numbers": numbers,
    "blank": blank,
    "files run out": files_run_out,
    "dup2() onto a parked one": onto,
    "more than may be parked": many_open,
}
CASES[CASE]()
sys.stdout.flush()
os._exit(0) if CASE == "in recv()" else None
