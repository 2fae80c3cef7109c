# SPDX-License-Identifier: Apache-2.0
"""reuse_stake - requests over a connection each: ADDRESS PORT STYLE METHOD...; prints what became of each.

STYLE: blocking, nonblocking; reader, watcher: a thread waits in recv(), or in epoll_wait(), before anything is asked; armed, off: the
connection is in an epoll set with EPOLLONESHOT, and has not reported yet, or has. METHOD: METHOD, METHOD@HOST, or one of them and *COUNT; GET/stop asks the server to listen no longer.
"""
import errno
import os
import select
import signal
import socket
import sys
import threading
import time

address, port, style = sys.argv[1], int(sys.argv[2]), sys.argv[3]
signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def wait_for(s, what):
    poll = select.poll()
    poll.register(s, what)
    if not poll.poll(10000):
        sys.exit("nothing comes")


def put(s, text):
    while text:
        try:
            text = text[os.write(s.fileno(), text):]
        except BlockingIOError:
            wait_for(s, select.POLLOUT)


RECV = ("45", "207")  # recvfrom()
e = select.epoll()  # its end before that of a connection would keep that from being used again
EPOLL_WAIT = ("232", "281", "22")  # epoll_wait(), epoll_pwait()


def waits_in(call, thread):
    """By /proc/PID/task/TID/syscall."""
    with open(f"/proc/self/task/{thread.native_id}/syscall", encoding="ascii") as now:
        return now.read().split()[0] in call


def beside(wait, call, s, text):
    """Return: what a thread that waits in a call is told by it."""
    got = []
    thread = threading.Thread(target=lambda: got.append(wait()), daemon=True)
    thread.start()
    while not waits_in(call, thread):
        time.sleep(0.0005)
    put(s, text)
    thread.join(10)
    return got[0] if got else b"nothing"


def by_reader(s, text):
    return beside(lambda: s.recv(1000), RECV, s, text)


def by_watcher(s, text):
    e.register(s, select.EPOLLIN | select.EPOLLRDHUP)
    events = beside(lambda: e.poll(10), EPOLL_WAIT, s, text)
    return s.recv(1000) + b", " + str([event for _, event in events]).encode()


def once(s, text, armed):
    e.register(s, select.EPOLLONESHOT | (select.EPOLLIN if armed else select.EPOLLOUT))
    before = None if armed else [event for _, event in e.poll(10)]
    put(s, text)
    if not armed:
        wait_for(s, select.POLLIN)
        before += e.poll(0)
        e.modify(s, select.EPOLLONESHOT | select.EPOLLIN)
    events = [event for _, event in e.poll(10)]
    return s.recv(1000) + f", {before} {events} {e.poll(0)}".encode()


STYLES = {"reader": by_reader, "watcher": by_watcher, "armed": lambda s, text: once(s, text, True),
          "off": lambda s, text: once(s, text, False)}


def ask(method):
    method, _, path = method.partition("/")
    method, _, host = method.partition("@")
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as s:
        try:
            s.settimeout(0 if style == "nonblocking" else 10)
            if style != "nonblocking":
                s.setblocking(True)
                s.connect((address, port))
            else:
                s.connect_ex((address, port))
                wait_for(s, select.POLLOUT)
                error = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if error:
                    return errno.errorcode[error]
            text = f"{method} /{path} HTTP/1.1\r\nHost: {host or 'a'}\r\n\r\n".encode()
            if style in STYLES:
                return STYLES[style](s, text).decode().rpartition("\n")[2]
            put(s, text)
            wait_for(s, select.POLLIN)
            answer = s.recv(1000)
        except OSError as error:
            return errno.errorcode[error.errno]
        return answer.decode().rpartition("\n")[2]


for word in sys.argv[4:]:
    method, _, count = word.partition("*")
    for _ in range(int(count or 1)):
        print(word.partition("*")[0], ask(method), flush=True)
