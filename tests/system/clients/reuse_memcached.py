# SPDX-License-Identifier: Apache-2.0
"""reuse_memcached - COUNT pairs of set and get on memcached, each over a connection of its own; before the first a get,
as a server with a password file would not answer it."""
import socket
import sys

port, count = int(sys.argv[1]), int(sys.argv[2])
for number in range(count):
    with socket.create_connection(("127.0.0.1", port), 20) as s:
        # What a server without a password file alone answers: a connection that begins with `set` is not reused.
        s.sendall(b"get none\r\n")
        if s.recv(100) != b"END\r\n":
            sys.exit("not empty")
        s.sendall(b"set k 0 0 %d\r\n%d\r\n" % (len(str(number)), number))
        if s.recv(100) != b"STORED\r\n":
            sys.exit("not stored")
        s.sendall(b"get k\r\n")
        if s.recv(100).split()[4] != b"%d" % number:
            sys.exit("a wrong value")
