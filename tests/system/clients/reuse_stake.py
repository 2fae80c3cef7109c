# SPDX-License-Identifier: Apache-2.0
"""reuse_stake - requests over a connection each: ADDRESS PORT STYLE METHOD...; prints what became of each.

STYLE: blocking, nonblocking, or reader: a thread waits in recv() before anything is asked. METHOD: METHOD, METHOD@HOST, or one of them and *COUNT; GET/stop asks the server to listen no longer.
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


def waits_in_recv(thread):
    """By /proc/PID/task/TID/syscall: recvfrom()."""
    with open(f"/proc/self/task/{thread.native_id}/syscall", encoding="ascii") as now:
        return now.read().split()[0] == ("45" if os.uname().machine == "x86_64" else "207")


def by_reader(s, text):
    got = []
    thread = threading.Thread(target=lambda: got.append(s.recv(1000)), daemon=True)
    thread.start()
    while not waits_in_recv(thread):
        time.sleep(0.0005)
    put(s, text)
    thread.join(10)
    return got[0] if got else b"nothing"


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
            if style == "reader":
                return by_reader(s, text).decode().rpartition("\n")[2]
            put(s, text)
            wait_for(s, select.POLLIN)
            answer = s.recv(1000)
        except OSError as e:
            return errno.errorcode[e.errno]
        return answer.decode().rpartition("\n")[2]


for word in sys.argv[4:]:
    method, _, count = word.partition("*")
    for _ in range(int(count or 1)):
        print(word.partition("*")[0], ask(method), flush=True)
