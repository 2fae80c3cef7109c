#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_reuse_calls - a GET that is lost on a connection that was used is asked again, whichever calls send it and take the answer.

The server answers two requests of a connection and closes at the third. Without reuse each is the first.
"""
import contextlib
import socket

import lab
import serving

PORT = 5000
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GETS = 3  # the second over a connection that was used, and answered


class Server:
    def __init__(self, answers):
        """answers: so many a connection gets."""
        self.answers, self.seen = answers, []
        self.listener = socket.create_server(("127.0.0.1", PORT), backlog=100)
        serving.each_in_a_thread(self.listener, self.serve)

    def serve(self, s):
        number, heard = len(self.seen), b""
        self.seen.append(0)
        with s, contextlib.suppress(OSError):
            while piece := s.recv(1000):
                heard += piece
                if not heard.endswith(b"\r\n\r\n"):
                    continue
                heard = b""
                self.seen[number] += 1
                if self.seen[number] > self.answers:
                    return
                s.sendall(ANSWER)

    def listens_no_longer(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def over(send, take, waits):
    command = [lab.PYTHON, str(lab.HERE / "clients/reuse_calls.py"), str(PORT), str(GETS), send, take, waits]
    expected = "ok\n" * GETS
    rules = lab.scratch() / "rules"
    rules.write_text("[headroom]\nreuse = http\nidle_timeout = 1m\n")
    for shim in (None, {"options": ["-c", str(rules), "--summary"]}):
        server = Server(GETS - 1)
        done = lab.run(command, shim)
        server.listens_no_longer()
        lab.new_network()
        lab.equal(f"with {shim}: status, answers\n{done.stderr}", (done.status, done.stdout), (0, expected))
    if "replaced unseen: 1" not in done.stderr:
        raise lab.Failed(f"nothing was lost\n{done}")
    lab.equal("requests by connection", server.seen, [GETS, 1])


def of(*arguments):
    return lambda: over(*arguments)


SENDS = ["send", "write", "writev", "sendmsg", "sendmmsg", "pwritev2", "pwritev64v2"]
TAKES = ["recv", "recvfrom", "read", "readv", "recvmsg", "recvmmsg", "preadv2", "preadv64v2", "splice", "sendfile"]

lab.main([
    *((f"sent by {send}", of(send, "recv", "waits")) for send in SENDS),
    *((f"taken by {take}", of("send", take, "waits")) for take in TAKES),
    *((f"taken by {take} when it is there", of("send", take, "polls")) for take in TAKES),
])
