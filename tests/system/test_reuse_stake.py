#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_reuse_stake - what may not be asked again, or is for another host, does not go out on a connection that was used before.

The server has one worker, which has one connection until its end, and says when another came before that.
"""
import functools
import queue
import socket
import threading

import lab

PORT = 5000
# So many are answered before the server is known (CONDUCT_WORDLESS): a few more than 16, or many where few are fit to be kept.
FIRST = "GET*100"


class Server:
    """Notes for each connection what it was asked, and how many were accepted before the end of the one before."""

    def __init__(self, address):
        self.asked, self.hosts, self.early, self.waiting = [], [], 0, queue.Queue()
        self.listener = socket.create_server((address, PORT), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
        threading.Thread(target=self.accept, daemon=True).start()
        threading.Thread(target=self.serve, daemon=True).start()

    def accept(self):
        last = None
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            self.early += last is not None and is_open(last)
            last = s
            self.waiting.put(s)

    def serve(self):
        while True:
            with self.waiting.get() as s:
                self.asked.append([])
                self.hosts.append(set())
                self.talk(s)

    def talk(self, s):
        while text := s.recv(1000):
            request = text.decode().split()
            self.hosts[-1].add(request[4])
            self.asked[-1].append(request[0])
            if request[1] == "/stop":
                self.listener.shutdown(socket.SHUT_RDWR)
                self.listener.close()
            s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(request[0]), request[0].encode()))


def is_open(s):
    """Has its end not come yet?"""
    try:
        return s.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False  # the worker has closed it


def play(address, style, methods, shim):
    lab.ports(10000, 59999)
    lab.sysctl("ipv4/tcp_tw_reuse", 1)
    server = Server(address)
    done = lab.run([lab.PYTHON, str(lab.HERE / "clients/reuse_stake.py"), address, str(PORT), style, *methods], shim)
    server.listener.close()
    lab.equal(f"exit status\n{done}", done.status, 0)
    lab.equal(f"connections that came before the end of the last\n{done}", server.early, 0)
    lab.equal(f"connections for several hosts\n{done}", sum(len(hosts) > 1 for hosts in server.hosts), 0)
    return server.asked, done


def compare(address, style, methods, guard):
    """Return: what the server was asked with reuse."""
    _, plain = play(address, style, methods, None)
    lab.new_network()
    asked, reused = play(address, style, methods, {"options": ["--reuse", guard, "--summary"]})
    lab.equal("what the program saw", reused.stdout, plain.stdout)
    if not any(len(connection) > 1 for connection in asked):
        raise lab.Failed(f"nothing was reused\n{asked}\n{reused}")
    return asked


def only_first(address, style, guard, method):
    asked = compare(address, style, [FIRST, method, "GET*30", method, "GET*3"], guard)
    lab.equal(f"{method} that were not the first", sum(connection[1:].count(method) for connection in asked), 0)
    lab.equal(f"{method} in all", sum(connection.count(method) for connection in asked), 2)
    return f"{sum(map(len, asked))} requests over {len(asked)} connections"


def nobody_listens(style):
    """The one that is parked is alive, and a new one cannot be had: an error, as connect() would have told, and no signal."""
    asked = compare("127.0.0.1", style, [FIRST, "GET/stop", "DELETE"], "http")
    lab.equal("DELETE that were answered", sum(connection.count("DELETE") for connection in asked), 0)
    return "as connect() would have told"


def hosts(style):
    """There are proxies that take all of a connection to the host of the first request."""
    asked = compare("127.0.0.1", style, ["GET*30", "GET@b*10", "GET", "GET@b", "GET*10"], "http")
    return f"{sum(map(len, asked))} requests over {len(asked)} connections"


lab.main([(f"{method} {style} {address}", functools.partial(only_first, address, style, "http", method))
          for address in ("127.0.0.1", "::1") for style in ("blocking", "nonblocking", "reader") for method in ("DELETE", "HEAD", "OPTIONS")] +
         [(f"DELETE {style}", functools.partial(only_first, "127.0.0.1", style, "http", "DELETE"))
          for style in ("watcher", "armed", "off")] +
         [(f"two hosts, {style}", functools.partial(hosts, style)) for style in ("blocking", "nonblocking")] +
         [(f"nobody listens, {style}", functools.partial(nobody_listens, style)) for style in ("blocking", "nonblocking")])
