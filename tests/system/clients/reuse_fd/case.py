# SPDX-License-Identifier: Apache-2.0
"""case - prints all that a program can observe about the fd of a connection, new or handed out again.

case.py CASE ADDRESS PORT: an exchange first, whose connection may be parked; then the case. On stdout what must be
the same with reuse and without, on stderr `connection N` for each exchange, by the server's number.
"""
import ctypes
import fcntl
import os
import socket
import struct
import sys

from alike import (blocking, bound, cloexec, mixed, nonblocking,
                   options_before, options_gone, options_that_leave_traces, sizes, sizes_same)
from exchange import CASE
from fds import blank, files_run_out, many_open, numbers, onto
from kept import (done_before, first_send, forked, in_recv, not_parked, passed,
                  raw_write, reset_before_asked, spoilt, stdio, to_itself, unseen_first_send, unseen_write)
from watched import epoll, epoll_closed_twin, epoll_remade_before, epoll_replaced_before, epoll_replaced_twin

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
    "epoll remade before connect": epoll_remade_before,
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
    "first send, unknown options": lambda: first_send(True, False, (socket.IPPROTO_IP, socket.IP_TTL, 7),
                                                      (socket.SOL_SOCKET, 29, 1)),
    "first send, nonblocking, doubled": lambda: first_send(False, False, doubled=True),
    "unseen first send": unseen_first_send,
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
