#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_servers - nginx as a proxy and redis-benchmark reach sources x range, and one range without."""
import collections
import contextlib
import functools
import selectors
import signal
import socket

import lab
from sock_diag import tuples

UPSTREAM, REDIS, CAPACITY, REQUESTS = 5000, 6379, 100, 350
SHIMS = {
    "without": (None, 1),
    "even 3": ({"sources": "127.0.0.1-127.0.0.3", "spread": "even"}, 3),
    "spill 2": ({"sources": "127.0.0.1-127.0.0.2", "spread": "spill"}, 2),
}

# No keepalive towards the upstream: one connection per request. The front is a Unix socket, so that only the
# upstream side takes ports. `user` is for the case that we are root only within a user namespace.
NGINX_CONF = """
daemon off;
user root root;
worker_processes {workers};
error_log stderr crit;
pid nginx.pid;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {{
        listen unix:front;
        listen 127.0.0.1:8080;
        location / {{ proxy_pass http://127.0.0.1:{upstream}; }}
    }}
}}
"""


def full(k):
    return {f"127.0.0.{i}": CAPACITY for i in range(1, k + 1)}


@contextlib.contextmanager
def nginx(shim, workers):
    lab.needs("nginx")
    folder = lab.scratch()
    (folder / "nginx.conf").write_text(NGINX_CONF.format(workers=workers, upstream=UPSTREAM))
    command = ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with lab.Process(command, shim) as process:
        lab.wait_for(lambda: lab.listening(0, folder / "front"), "nginx to listen", process)
        yield process


class Front:
    """Requests sent to nginx over its Unix socket, all in flight at once; answers are counted as they come."""

    def __init__(self, count):
        self.statuses = collections.Counter()
        self._selector = selectors.DefaultSelector()
        for _ in range(count):
            s = socket.socket(socket.AF_UNIX)
            s.connect(str(lab.scratch() / "front"))
            s.sendall(b"GET / HTTP/1.0\r\n\r\n")
            self._selector.register(s, selectors.EVENT_READ, bytearray())

    def answered(self):
        """Return: how many requests have their whole answer now."""
        for key, _ in self._selector.select(0.01):
            data = key.fileobj.recv(65536)
            key.data.extend(data)
            if not data:
                self.statuses[int(key.data.split()[1])] += 1
                self._selector.unregister(key.fileobj)
                key.fileobj.close()
        return self.statuses.total()


def proxy(which, workers=1):
    """The upstream holds every request. What finds no port gets 502 at once, the others 200 when released."""
    shim, k = SHIMS[which]
    lab.ports(40000, 40000 + CAPACITY - 1)
    held = k * CAPACITY
    with lab.Hold(UPSTREAM) as upstream, nginx(shim, workers) as process:
        front = Front(REQUESTS)
        lab.wait_for(lambda: front.answered() >= REQUESTS - held, "the requests that find no port", process)
        lab.reaches(UPSTREAM, full(k), process, ["ESTAB"])
        lab.equal("answers so far", dict(front.statuses), {502: REQUESTS - held})
        upstream.release()
        lab.wait_for(lambda: front.answered() == REQUESTS, "all answers", process)
        lab.equal("answers", dict(front.statuses), {200: held, 502: REQUESTS - held})
        process.send(signal.SIGQUIT)
        lab.equal("exit status", process.wait().status, 0)
    return f"{held} of {REQUESTS} requests held by {workers} worker{'s' * (workers > 1)}"


def proxy_unchanged():
    """curl in front, over TCP: requests one after the other, each on an upstream connection of its own."""
    lab.needs("curl")
    lab.ports(40000, 40000 + CAPACITY - 1)
    seen = []
    for shim in (None, {}, SHIMS["even 3"][0]):
        with lab.Hold(UPSTREAM) as upstream, nginx(shim, 1):
            upstream.release()
            done = lab.run(["curl", "--silent", "--show-error", "http://127.0.0.1:8080/[1-60]"])
            seen.append((done.status, done.stdout, done.stderr))
    lab.equal("without", seen[0], (0, "ok\n" * 60, ""))
    lab.equal("shim, no sources", seen[1], seen[0])
    lab.equal("shim, 3 sources", seen[2], seen[0])
    return "60 requests answered, the same with and without"


@contextlib.contextmanager
def redis_server(port=REDIS):
    lab.needs("redis-server", "redis-benchmark")
    with lab.Process(["redis-server", "--port", str(port), "--save", "", "--maxclients", "4000",
                      # Its protected mode takes nothing but 127.0.0.1 for this host.
                      "--bind", "127.0.0.1", "--protected-mode", "no"]) as server:
        lab.wait_for(lambda: lab.listening(port), "redis-server", server)
        yield server


def benchmark(count, *options, port=REDIS):
    return ["redis-benchmark", "-h", "127.0.0.1", "-p", str(port), "-c", str(count), *options]


def idle_connections(which):
    """redis-benchmark -I opens idle connections. It uses one more for a question first, and leaves that in TIME_WAIT:
    so the capacity is reached by one less."""
    shim, k = SHIMS[which]
    lab.ports(40000, 40000 + CAPACITY - 1)
    most = k * CAPACITY - 1
    with redis_server(), lab.Process(benchmark(most, "-I"), shim) as process:
        lab.reaches(REDIS, full(k), process)
        lab.wait_for(lambda: lab.total(tuples(REDIS, ["ESTAB"])) == most, "all but one to be established", process)
    return f"{most} idle connections and 1 TIME_WAIT"


def one_too_many(which):
    """One connection more than fits, and redis-benchmark gives up: the count of the case before is the end."""
    shim, k = SHIMS[which]
    lab.ports(40000, 40000 + CAPACITY - 1)
    with redis_server():
        done = lab.run(benchmark(k * CAPACITY, "-I"), shim)
    lab.equal("exit status", done.status, 1)
    if "Could not connect" not in done.stderr or "Cannot assign requested address" not in done.stderr:
        raise lab.Failed(f"another reason\n{done}")
    return f"{k * CAPACITY} idle connections and 1 TIME_WAIT: gives up with exit status 1"


def no_keepalive():
    """redis-benchmark -k 0 leaves a TIME_WAIT per request, and one by a question first: 150 requests die in a range
    of 100, not in three."""
    lab.ports(40000, 40000 + CAPACITY - 1)
    seen = []
    for port, shim in ((REDIS, None), (REDIS + 1, SHIMS["even 3"][0])):
        with redis_server(port):
            done = lab.run(benchmark(1, "-k", "0", "-n", "150", "-t", "get", "-q", port=port), shim)
        seen.append((done.status, lab.total(tuples(port))))
    lab.equal("without: exit status, tuples in use", seen[0], (1, CAPACITY))
    lab.equal("even 3: exit status, tuples in use", seen[1], (0, 151))
    return "150 requests: exit status 1 without, 0 with 3 sources"


def of(function, *arguments):
    return functools.partial(function, *arguments)


lab.main([
    *((f"nginx proxy: {which}", of(proxy, which)) for which in SHIMS),
    ("nginx proxy: even 3, two workers", of(proxy, "even 3", 2)),
    ("nginx proxy: spill 2, two workers", of(proxy, "spill 2", 2)),
    ("nginx proxy: unchanged where it succeeds", proxy_unchanged),
    *((f"redis-benchmark -I: {which}", of(idle_connections, which)) for which in SHIMS),
    *((f"redis-benchmark -I, one too many: {which}", of(one_too_many, which)) for which in SHIMS),
    ("redis-benchmark -k 0", no_keepalive),
])
