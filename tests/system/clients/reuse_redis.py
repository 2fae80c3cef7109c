# SPDX-License-Identifier: Apache-2.0
"""reuse_redis - PORT: one connection of a Redis is told what another has changed, by its CLIENT ID; says what came back.

Before each a connection is closed that may be handed out next.
"""
import socket
import sys
import time

PATIENCE_S = 30


def connected():
    return socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=PATIENCE_S)


def ask(s, *words):
    s.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
    return s.recv(1000)


for _ in range(20):
    with connected() as s:
        print(ask(s, b"PING"))
    time.sleep(0.005)  # while it is as quiet as it has to be
    with connected() as listener, connected() as other:
        number = ask(listener, b"CLIENT", b"ID")[1:-2]
        ask(listener, b"SUBSCRIBE", b"__redis__:invalidate")
        print(ask(other, b"CLIENT", b"TRACKING", b"ON", b"REDIRECT", number))
