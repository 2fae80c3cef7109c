#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_reuse_limits - how many connections are parked, for how long, and what becomes of them: exact counts.

The client is clients/reuse_steps.py, told what to do line by line; between the lines the kernel is asked what is open
(sock_diag), and the server tag.c says which exchanges shared a connection.
"""
import json
import re
import resource
import socket
import threading

import lab
import sock_diag
from sock_diag import tuples
from test_reuse import Tag

PORT, WEB, REDIS = 5000, 8080, 6379
LEFT = ["TIME-WAIT"]
# A close takes several steps: until the last of them nobody can say what is left.
NOT_LEFT = sorted(set(sock_diag.STATES.values()) - {*LEFT, "LISTEN", "CLOSE", "BOUND"})
NGINX = """
daemon off; user root root; worker_processes 1; error_log stderr crit; pid web.pid;
events {{ }}
http {{
    access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi; keepalive_timeout 200ms;
    server {{ listen 127.0.0.1:{port}; location / {{ return 200 "ok\\n"; }} }}
}}
"""


class Steps(lab.Process):
    """The client under a rule file."""

    def __init__(self, rules, kind="raw", address="127.0.0.1", port=PORT):
        path = lab.scratch() / "rules"
        if not re.search("max_uses|max_age", rules):  # else each has a turn of 32: turns()
            rules += "\nmax_uses = 1000"
        path.write_text(f"[headroom]\nreuse = {kind}\n{rules}\n")
        super().__init__([lab.PYTHON, str(lab.HERE / "clients/reuse_steps.py"), address, str(port), kind],
                         {"options": ["-c", str(path), "--summary"]}, stdin=True)
        lab.ports(10000, 59999)

    def do(self, *lines):
        """Return: the answer to the last of them."""
        for line in lines:
            self.do_at_once(line)
        return self.stdout().splitlines()[-1]

    def do_at_once(self, *lines):
        """No answer is waited for before the next line is there: for what has a time limit."""
        before = self.stdout().count("\n")
        self._stdin.write("".join(f"{line}\n" for line in lines).encode())
        self._stdin.flush()
        lab.wait_for(lambda: self.stdout().count("\n") >= before + len(lines), f"the answers to {lines}", self)

    def asked(self):
        """An exchange on each open connection. Return: the server's numbers of them."""
        return [int(number) for number in self.do("ask ok").split()]

    def prove(self):
        """Until the server is trusted with some at once (pool/conduct.h), one connection after the other."""
        for _ in range(33):
            self.numbers(1)

    def numbers(self, count):
        """That many at once, closed again and at rest. Return: the server's numbers."""
        self.do(f"open {count}")
        numbers = self.asked()
        self.do("close", "rest")
        return numbers


def kernel_has(opened, left=0, port=PORT):
    """Waits, as the far end is a moment behind."""
    lab.reaches(port, opened, states=NOT_LEFT)
    lab.equal("ports in TIME_WAIT", lab.total(tuples(port, LEFT)), left)


def said(done, expected):
    """The summary has these lines' numbers: `hits`, `misses`, or a reason."""
    def number(pattern):
        return sum(int(n) for n in re.findall(pattern, done.stderr))

    lab.equal("exit status", done.status, 0)
    found = {"hits": number(r"(\d+) connect\(\) calls? served by a parked"),
             "misses": number(r"connection, (\d+) by a new")}
    reasons = {name: int(n) for name, n in re.findall(
        r"(\w+) (\d+)", " ".join(re.findall(r"^reuse, (?:closed for real|retired): (.*)$", done.stderr, re.M)))}
    lab.equal("counted", {**{k: v for k, v in found.items() if k in expected}, **reasons}, expected)


def idle_timeout(address):
    with Tag(), Steps("idle_timeout = 150ms", address=address) as client:
        first = client.numbers(2)
        client.do("gone")
        kernel_has({})
        again = client.numbers(1)
        client.do("gone")
        done = client.wait()
    lab.equal("connections", (first, again), ([1, 2], [3]))
    said(done, {"hits": 0, "misses": 3, "idle": 3})


def max_age():
    """Also of one that nobody asks for, long before it has been idle for too long."""
    with Tag(), Steps("max_age = 1s\nidle_timeout = 1m") as client:
        # Were it too old at its close, it would not be parked.
        client.do_at_once("open 1", "ask ok", "close")
        client.do("gone")
        kernel_has({})
        done = client.wait()
    said(done, {"hits": 0, "misses": 1, "age": 1})


def max_idle(address):
    with Tag(), Steps("max_idle = 3\nidle_timeout = 1m", address=address) as client:
        client.prove()
        first = client.numbers(8)
        kernel_has({address: 3})
        lab.equal("parked", client.do("parked"), "3")
        again = client.numbers(8)
        kernel_has({address: 3})
        done = client.wait()
    lab.equal("connections at first", sorted(first), list(range(1, 9)))
    # The youngest three serve, the youngest first; then there are five new ones.
    lab.equal("connections then", again, [8, 7, 6, 9, 10, 11, 12, 13])
    said(done, {"hits": 36, "misses": 13, "room": 10, "exit": 3})
    # Those of the end are closed as the program would have closed them.
    kernel_has({}, left=3)


def max_uses():
    with Tag(), Steps("max_uses = 3\nidle_timeout = 1m") as client:
        numbers = [client.numbers(1)[0] for _ in range(9)]
        kernel_has({}, left=3)
        done = client.wait()
    lab.equal("connections", numbers, [1, 1, 1, 2, 2, 2, 3, 3, 3])
    said(done, {"hits": 6, "misses": 3, "used_up": 3})


def asks_twice():
    """A connect() that asks what came of the one before makes no connection, and none goes for it."""
    with Tag(), Steps("idle_timeout = 1m") as client:
        client.prove()
        client.numbers(2)
        client.do("open 1", "again", "close")
        done = client.wait()
    said(done, {"hits": 34, "misses": 2, "exit": 2})


def share_of_files():
    """An eighth of what RLIMIT_NOFILE allows, of all destinations together."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    try:
        client = Steps("idle_timeout = 1m")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with Tag(), client:
        client.numbers(20)
        kernel_has({"127.0.0.1": 8})
        done = client.wait()
    said(done, {"misses": 20, "room": 12, "exit": 8})


def learned(command, kind, port):
    """A server of its own mind: the second time we close before it does."""
    lab.needs(command[0])
    with lab.Process(command) as server:
        lab.wait_for(lambda: lab.listening(port), f"{command[0]} to listen", server)
        with Steps("idle_timeout = 1m", kind, port=port) as client:
            client.do("open 1", "ask ok", "close", "ended")
            client.do("open 1", "ask ok", "close")
            kernel_has({"127.0.0.1": 1}, port=port)
            client.do("gone")
            kernel_has({}, port=port)
            done = client.wait()
    said(done, {"hits": 0, "misses": 2, "fin": 1, "idle": 1})


def learned_nginx():
    path = lab.scratch() / "web.conf"
    path.write_text(NGINX.format(port=WEB))
    learned(["nginx", "-e", "stderr", "-p", str(lab.scratch()), "-c", str(path)], "http", WEB)


def learned_redis():
    learned(["redis-server", "--port", str(REDIS), "--save", "", "--bind", "127.0.0.1", "--timeout", "1"], "redis",
            REDIS)


def pause():
    """A server that takes a second request and closes instead of a reply."""
    with Tag(), Steps("idle_timeout = 1m") as client:
        client.numbers(1)
        client.do("open 1")
        lab.equal("a reply on one handed out", client.do("ask refuse"), "end")
        client.do("close")
        after = [client.numbers(1)[0] for _ in range(4)]
        kernel_has({}, left=4)
        done = client.wait()
    lab.equal("connections", after, [2, 3, 4, 5])
    if done.stderr.count("reuse_paused") != 1:
        raise lab.Failed(f"the pause was not said once\n{done}")
    said(done, {"hits": 1, "misses": 5, "open": 1, "paused": 4})


def asked_again(address, *meanwhile):
    """A server that takes a second request and closes: a GET is asked once more on a new connection, unseen; also where a
    child got the connection, too."""
    seen = []

    def serve(s, number):
        while s.recv(1000):
            seen.append(number)
            if seen.count(number) == 2:
                break
            s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n")
        s.close()

    def accept():
        for number in range(1, 4):
            threading.Thread(target=serve, args=(listener.accept()[0], number), daemon=True).start()

    listener = socket.create_server((address, PORT), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
    threading.Thread(target=accept, daemon=True).start()
    with Steps("idle_timeout = 1m", "http", address) as client:
        client.do("open 1", "ask ok", "close", "rest", "open 1")
        if meanwhile:
            client.do(*meanwhile)
        if "exit" in meanwhile:
            lab.wait_for(lambda: client.stdout().endswith("joined\n"), "the parent", client)
        lab.equal("the answer", client.do("ask ok"), "ok")
        lab.equal("requests by connection", seen, [1, 1, 2])
        done = client.wait()
    if "replaced unseen: 1" not in done.stderr:
        raise lab.Failed(f"not counted\n{done}")


def exec_():
    """Parked connections do not reach the program that takes this one's place."""
    with Tag(), Steps("idle_timeout = 1m") as client:
        client.numbers(4)
        kernel_has({"127.0.0.1": 4})
        client.do("exec")
        lab.equal("sockets in the new program", client.do("parked"), "0")
        kernel_has({}, left=4)
        lab.equal("its first connection", client.numbers(1), [5])
        done = client.wait()
    lab.equal("exit status", done.status, 0)


def fork():
    """Nothing is parked when there are two, as the child may need the server; then each has its own."""
    with Tag(), Steps("idle_timeout = 1m") as client:
        lab.equal("the parent's", client.numbers(2), [1, 2])
        lab.equal("sockets in the child", client.do("fork", "parked"), "0")
        kernel_has({}, left=2)
        lab.equal("the child's", client.numbers(2), [3, 4])
        kernel_has({"127.0.0.1": 2}, left=2)
        client.do("exit")
        lab.wait_for(lambda: client.stdout().endswith("joined\n"), "the parent", client)
        lab.equal("then the parent's", client.numbers(3), [5, 6, 7])
        done = client.wait()
    lab.equal("exit status", done.status, 0)


def sources(address, listed):
    """Spread over sources when made, and handed out again whatever the source. Only a rule that names the loopback has sources for
    it that are not of it."""
    if ":" in address:
        lab.ipv6_on_loopback(listed)
    each = {source: 2 for source in listed}
    with Tag(), Steps(f"idle_timeout = 1m\n[to {address}]\nsources = {','.join(listed)}", address=address) as client:
        first = client.numbers(8)
        kernel_has(each)
        client.prove()
        client.do("open 8")
        again = client.asked()
        kernel_has(each)
        client.do("open 4", "close")
        done = client.wait()
    lab.equal("connections", (sorted(first), sorted(again)), (list(range(1, 9)),) * 2)
    lab.equal("exit status", done.status, 0)


def counted():
    """The summary, `headroom report` and `headroom export` count the same, which is what was done."""
    if not lab.state():
        raise lab.Skipped("no memory file system at /dev/shm")
    with Tag(), Steps("max_uses = 2\nidle_timeout = 1m") as client:
        # 17 connections for 33; the last of them serves once more, and two of five are left for the three.
        client.prove()
        for opened in (2, 3):
            client.numbers(opened)
        client.do("open 3", "close")
        client.numbers(1)
        done = client.wait()
    expected = {"hits": 20, "misses": 22}
    refused, retired = {"open": 1, "used_up": 20}, {"exit": 1}
    said(done, {**expected, **refused, **retired})
    seen = lab.run([str(lab.HEADROOM), "report", "--json"])
    [reuse] = [space["reuse"] for process in json.loads(seen.stdout)["processes"] for space in process["spaces"]]
    expected.update(first_use_failures=0, refused=21, retired=1, refused_by=refused, retired_by=retired)
    lab.equal("report", {name: reuse[name] for name in expected}, expected)
    text = lab.run([str(lab.HEADROOM), "export"]).stdout
    exported = dict(re.findall(rf'^headroom_reuse_(\w+)_total\{{.*:{PORT}"\}} (\S+)$', text, re.M))
    lab.equal("metrics", len(exported), 5)
    lab.equal("export", {name: float(number) for name, number in exported.items()},
              {name: expected[name] for name in exported})


def of(function, *arguments):
    return lambda: function(*arguments)


if __name__ == "__main__":
    lab.main([
        *((f"idle_timeout {a}", of(idle_timeout, a)) for a in ("127.0.0.1", "::1")),
        ("max_age", max_age),
        *((f"max_idle {a}", of(max_idle, a)) for a in ("127.0.0.1", "::1")),
        ("max_uses", max_uses),
        ("asks twice", asks_twice),
        ("a share of RLIMIT_NOFILE", share_of_files),
        ("idle limit learned from nginx", learned_nginx),
        ("idle limit learned from redis", learned_redis),
        ("pause", pause),
        *((f"asked again {a}", of(asked_again, a)) for a in ("127.0.0.1", "::1")),
        ("asked again, and a child has it", of(asked_again, "127.0.0.1", "fork", "exit")),
        ("summary, report and export", counted),
        ("exec", exec_),
        ("fork", fork),
        ("sources 127.0.0.1", of(sources, "127.0.0.1", [f"127.0.0.{n}" for n in (2, 3, 4, 5)])),
        ("sources ::1", of(sources, "::1", [f"fd00::{n}" for n in (2, 3, 4, 5)])),
    ])
