# SPDX-License-Identifier: Apache-2.0
"""watched - it is in the epoll sets that the program's socket was in."""
import ctypes
import os
import select

from alike import blocking_only
from exchange import answer, connect, exchange, new, rest, warm


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


def epoll_remade_before():
    """The set is closed by syscall(), as libuv does, and the next one has its number: the socket is in none."""
    warm()
    e = select.epoll()
    number = e.fileno()
    s = new(False)
    e.register(s, select.EPOLLIN | select.EPOLLOUT)
    ctypes.CDLL(None).syscall({"x86_64": 3, "aarch64": 57}[os.uname().machine], number)
    second = select.epoll()
    if second.fileno() != number:
        raise SystemExit("another number")
    print("connect", connect(s))
    print("events", len(second.poll(0)))
    exchange(s)
    second.close()  # before `e` closes the number again
