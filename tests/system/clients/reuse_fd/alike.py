# SPDX-License-Identifier: Apache-2.0
"""alike - a connection that was handed out is as a new one: how it connects, its options, its source, its flags."""
import os
import select
import socket
import struct

from exchange import ADDRESS, connect, exchange, new, rest, show, warm


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
