# SPDX-License-Identifier: Apache-2.0
"""kept - what keeps a connection from being parked, what the server does to one that is, or to the next at its first send."""
import array
import ctypes
import os
import select
import signal
import socket
import threading
import time

from alike import blocking_only
from exchange import ADDRESS, FAMILY, answer, connect, exchange, name, new, quiet_s, rest, show, warm


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
    libc = ctypes.CDLL(None)
    libc.fdopen.restype = ctypes.c_void_p
    stream = ctypes.c_void_p(libc.fdopen(os.dup(s.fileno()), b"r+"))
    libc.fputs(b"raw ok/9\n", stream)
    libc.fflush(stream)
    print("reply", s.recv(100).split()[0])
    libc.fclose(stream)


def raw_write(s):
    ctypes.CDLL(None).syscall(1 if os.uname().machine == "x86_64" else 64, s.fileno(), b"raw ok/9\n", 9)
    print("reply", s.recv(100).split()[0])


def in_recv(s):
    """Another thread waits in recv(): it must not get what belongs to the next exchange."""
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


def first_send(is_blocking, watched, *options, doubled=False):
    """The server closes between connect() and the first send: another connection takes its place, also of one on which options
    were set meanwhile, or that is in an epoll set of two numbers."""
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
    for option in options:
        s.setsockopt(*option)
    if doubled:
        e.register(s, select.EPOLLIN)
        os.dup(e.fileno())
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
    elif doubled:
        print("blocking", os.get_blocking(s.fileno()))
        exchange(s)
    else:
        exchange(s)
    show(s)
    print("set", [s.getsockopt(*option[:2]) for option in options])


def unseen_first_send():
    """The same, and what is sent no hook sees: what another connection would wait for in vain. It ends as the program's."""
    other = new()
    connect(other)
    s = new()
    connect(s)
    exchange(s, "held")
    rest(s)
    s = new()
    connect(s)
    exchange(other, "release")
    select.select([s], [], [], 20 if "LD_PRELOAD" in os.environ else 0)
    signal.alarm(20)  # it would wait for ever
    ctypes.CDLL(None).dprintf(s.fileno(), b"raw ok/9\n")
    try:
        s.recv(100)
    except ConnectionError:
        pass
    print("over")


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
