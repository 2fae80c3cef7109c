# SPDX-License-Identifier: Apache-2.0
"""steered - a client that does what its standard input says, one line each, and answers `ok`.

open PORT COUNT     connect to 127.0.0.1:PORT; a failure ends it and is said
close COUNT         close that many, the oldest first
refused COUNT       connect to COUNT destinations where nobody listens
fork PORT COUNT     a child opens and holds, until this process ends
exec                become this program anew; that answers
chroot FOLDER       see nothing but that folder from then on
leave               end at once, with what is open: _exit()
"""
import os
import signal
import socket
import sys

held = []
if sys.argv[1:]:
    print("ok", flush=True)


def open_some(port, count):
    for _ in range(int(count)):
        try:
            held.append(socket.create_connection(("127.0.0.1", int(port))))
        except OSError as why:
            return os.strerror(why.errno)
    return None


def refused(count):
    for i in range(int(count)):
        with socket.socket() as one:
            one.connect_ex((f"127.1.{i >> 8}.{i & 255}", 1))


def fork(port, count):
    ready, done = os.pipe()
    if not os.fork():
        open_some(port, count)
        os.write(done, b".")
        signal.pause()
    os.read(ready, 1)


def chroot(folder):
    "a".encode("idna")  # as create_connection() does: it would look for a file of Python's
    os.chroot(folder)
    os.chdir("/")


for line in sys.stdin:
    command, *arguments = line.split()
    if command == "open":
        answer = open_some(*arguments)
    elif command == "close":
        for _ in range(int(arguments[0])):
            held.pop(0).close()
        answer = None
    elif command == "leave":
        os._exit(0)
    elif command == "exec":
        os.execv(sys.executable, [sys.executable, __file__, "again"])
    else:
        answer = {"refused": refused, "fork": fork, "chroot": chroot}[command](*arguments)
    print(answer or "ok", flush=True)
