# SPDX-License-Identifier: Apache-2.0
"""reuse_login - PORT: connections to a memcached that wants a login, with one and without; says what came back."""
import socket
import sys

LOGINS = [b"user pass", b"user pass ", b"user pass extra", b"user pass\t", b"user pass " + b"x" * 600]


def on_one(*commands):
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=30) as s:
        for command in commands:
            s.sendall(command)
            print(s.recv(1000))


on_one(b"set x 0 0 9\r\nuser pass\r\n", b"set a 0 0 6\r\nsecret\r\n", b"get a\r\n")
for login in LOGINS:
    on_one(b"get a\r\n")
    on_one(b"set x 0 0 %d\r\n%s\r\n" % (len(login), login), b"get a\r\n")
    on_one(b"get a\r\n")
