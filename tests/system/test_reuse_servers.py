#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_reuse_servers - real servers with few workers, few clients, bad manners, reloads; and a neighbour.

A program that reuses its connections and a neighbour without the shim ask the same server at the same time; what becomes
of the requests of both is what becomes of them without reuse: not one is refused, ended, late by 30 s or answered with
something else. How long the neighbour waits is measured by tests/bench/measure_neighbour.py.
"""
import functools
import os
import pathlib
import re
import signal
import time

import lab
from sock_diag import tuples

PORT = 5000
CLIENTS = lab.HERE / "clients"
COUNT = int(os.environ.get("HEADROOM_REUSE_REQUESTS", "100"))
# Each request in a wait of its own would take 10 s more.
NAMES_MORE_S = 2
ALL_GOOD = {"wrong": 0, "refused": 0, "ended": 0, "timeout": 0}

APACHE = """
ServerRoot {folder}
PidFile {folder}/apache.pid
Listen 127.0.0.1:{port}
LoadModule mpm_prefork_module {modules}/mod_mpm_prefork.so
LoadModule authz_core_module {modules}/mod_authz_core.so
ServerName test
DocumentRoot {folder}/www
ErrorLog {folder}/apache.log
StartServers 3
MinSpareServers 1
MaxSpareServers 3
MaxRequestWorkers 3
KeepAlive On
KeepAliveTimeout 5
"""
NGINX = """
daemon off; user root root; worker_processes 2; error_log stderr crit; pid {folder}/web.pid;
events {{ worker_connections 2048; }}
http {{
    access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi; keepalive_requests 100000;
    server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 "$uri"; }} }}
}}
"""
HAPROXY = """
global
    stats socket {folder}/haproxy.sock
defaults
    mode http
    timeout connect 10s
    timeout client 10s
    timeout server 10s
    timeout http-keep-alive 300ms
frontend front
    bind 127.0.0.1:{port}
    http-request return status 200 content-type text/plain lf-string "%[path]"
"""


def load(port, threads, protocol="http", methods="GET", count=COUNT, shim=None, pause_s=0):
    return lab.Process([lab.PYTHON, str(CLIENTS / "reuse_load.py"), protocol, str(port), str(threads), str(count), methods,
                        str(pause_s)], shim)


def counts(done):
    lab.equal("exit status", done.status, 0)
    return {name: int(number) for name, number in re.findall(r"(\w+) (\d+)", done.stdout)}


def started(command, port=PORT, **how):
    lab.needs(command[0])
    process = lab.Process(command, **how)
    lab.wait_for(lambda: lab.listening(port), f"{command[0]} to listen", process)
    return process


def shim_for(guard):
    return {"options": ["--reuse", guard, "--summary"]}


def both(guard, protocol="http", threads=4, near=2, methods="GET", meanwhile=None):
    """The program and its neighbour, without reuse and with it. Return: what is to be said."""
    lab.ports(10000, 59999)
    for shim in (None, shim_for(guard)):
        with load(PORT, threads, protocol, methods, shim=shim) as program, load(PORT, near, protocol) as neighbour:
            while meanwhile and (program.running() or neighbour.running()):
                meanwhile()
            done, beside = program.wait(), neighbour.wait()
        seen = {"program": counts(done), "neighbour": counts(beside)}
        good = {"program": {"good": threads * COUNT, **ALL_GOOD}, "neighbour": {"good": near * COUNT, **ALL_GOOD}}
        if seen != good:
            raise lab.Failed(f"{'with' if shim else 'without'} reuse: {seen}\n{done}")
    hits = sum(map(int, re.findall(r"reuse: (\d+) connect", done.stderr)))
    return f"{threads * COUNT} requests, {hits} over connections used before; the neighbour's {near * COUNT}"


def apache_server(count):
    """Three workers, of which a connection that is kept takes one for five seconds."""
    modules = pathlib.Path("/usr/lib/apache2/modules")
    if not modules.exists():
        raise lab.Skipped("apache2 is not installed")
    folder = lab.scratch()
    (folder / "www").mkdir(exist_ok=True)
    os.chmod(folder, 0o755)
    # setsid: at its end it sends SIGTERM to its process group. Each path has an answer of its own: its file.
    for thread in range(4):
        for number in range(count):
            (folder / f"www/{thread}-{number}").write_text(f"/{thread}-{number}")
    (folder / "apache.conf").write_text(APACHE.format(folder=folder, port=PORT, modules=modules))
    return started(["setsid", "apache2", "-f", str(folder / "apache.conf"), "-DFOREGROUND"])


def apache():
    with apache_server(COUNT):
        return both("http")


def python_server(*how):
    def run():
        methods = "GET,HEAD,DELETE,POST" if how[1] == "reads" else "GET,POST,GET,GET"
        with started([lab.PYTHON, str(CLIENTS / "reuse_app.py"), str(PORT), *how]):
            # To a server that ignores bodies a second request on the same connection is what the body says.
            return both("http", methods=methods)
    return run


def turns():
    """A program of one thread, which never waits for itself: the only worker is another's after 32 exchanges."""
    lab.ports(10000, 59999)
    with started([lab.PYTHON, str(CLIENTS / "reuse_app.py"), str(PORT), "single", "reads"]):
        with load(PORT, 1, count=320, shim=shim_for("http")) as program:
            done = program.wait()
    lab.equal("the program's", counts(done), {"good": 320, **ALL_GOOD})
    hits, misses = map(int, re.search(r"reuse: (\d+) connect.* (\d+) by a new one", done.stderr).groups())
    if misses < 320 // 32 or hits < 200:
        raise lab.Failed(f"320 requests over {misses} connections, {hits} over used ones: {done.stderr}")
    return f"320 requests over {misses} connections"


def two_names():
    """A server with one worker is asked by two names in turns: what is kept by the one has the worker that the other waits for."""
    lab.ports(10000, 59999)
    took = []
    with started([lab.PYTHON, str(CLIENTS / "reuse_app.py"), str(PORT), "single", "reads", "0.0.0.0"]):
        for shim in (None, shim_for("http")):
            begun = time.monotonic()
            done = lab.run([lab.PYTHON, str(CLIENTS / "reuse_names.py"), str(PORT), "60", "127.0.0.1", "127.0.0.2"], shim)
            took.append(time.monotonic() - begun)
            lab.equal("answers", (done.status, done.stdout.count("good")), (0, 120))
    if took[1] > took[0] + NAMES_MORE_S:
        raise lab.Failed(f"{took[1]:.2f} s with reuse, {took[0]:.2f} without\n{done}")
    return f"{took[1]:.2f} s with reuse, {took[0]:.2f} without"


# Each connection in turn, each answer after 2 ms; at the end of one it tells how many answers others had to wait for.
QUEUE_SERVER = """
import select, socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=100)
while True:
    connection, _ = listener.accept()
    lines, passed = connection.makefile("rb"), 0
    for line in lines:
        if line.startswith(b"GET"):
            path = line.split()[1]
        if not line.strip():
            passed += bool(select.select([listener], [], [], 0)[0])
            time.sleep(0.002)
            connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(path), path))
    print(passed, flush=True)
    connection.close()
"""
PASSED_MOST = 4


def who_waits():
    """The only worker is another's who waits for it, after an exchange or two: the kernel tells of him, as the server is near."""
    lab.ports(10000, 59999)
    rules = lab.scratch() / "rules"
    rules.write_text("[headroom]\nreuse = http\nidle_timeout = 1s\n")  # whatever the rate, and how long a turn takes
    with started([lab.PYTHON, "-c", QUEUE_SERVER, str(PORT)]) as server:
        with load(PORT, 1, count=100000, shim={"options": ["-c", str(rules)]}):
            # It knows the server by then.
            lab.wait_for(lambda: server.stdout().count("\n") > 30, "the program to ask", server)
            with load(PORT, 1, count=20, pause_s=0.05) as neighbour:
                lab.equal("the neighbour's", counts(neighbour.wait()), {"good": 20, **ALL_GOOD})
    passed = list(map(int, server.stdout().split()))
    waits = [number for number in passed if number]
    if not waits:
        raise lab.Failed(f"nobody waited: {passed}")
    if max(waits) > PASSED_MOST:
        raise lab.Failed(f"so many of the program's exchanges were before those of who waited: {waits}")
    return f"{max(waits)} exchanges at most before those of who waited"


def gunicorn(*how):
    with started(["gunicorn", "-b", f"127.0.0.1:{PORT}", "--keep-alive", "2", "--chdir", str(CLIENTS), *how,
                  "reuse_app:app"]):
        return both("http", methods="GET,HEAD,DELETE,POST,GET")


def waitress():
    with started(["waitress-serve", f"--listen=127.0.0.1:{PORT}", "--threads=4", "--call",
                  "reuse_app:make"], env={"PYTHONPATH": str(CLIENTS)}):
        return both("http", methods="GET,HEAD,DELETE,POST,GET")


def node():
    """It closes what is idle for 5 ms."""
    with started(["node", str(CLIENTS / "reuse_server.js"), str(PORT), "5"]):
        return both("http", methods="GET")


def node_net():
    """It ends if a client resets its connection."""
    with started(["node", str(CLIENTS / "reuse_server.js"), str(PORT), "net"]) as server:
        said = both("redis", "redis")
        if not server.running():
            raise lab.Failed(f"it ended: {server.stderr()}")
    return said


def nginx_reloads():
    folder = lab.scratch()
    (folder / "web.conf").write_text(NGINX.format(folder=folder, port=PORT))
    with started(["nginx", "-e", "stderr", "-p", str(folder), "-c", str(folder / "web.conf")]) as server:
        return both("http", meanwhile=lambda: (server.send(signal.SIGHUP), time.sleep(0.2)))


def haproxy_reloads():
    """The master hands its listeners to a new worker; the old one closes what is idle."""
    folder = lab.scratch()
    (folder / "haproxy.cfg").write_text(HAPROXY.format(folder=folder, port=PORT))
    with started(["haproxy", "-W", "-f", str(folder / "haproxy.cfg")]) as server:
        return both("http", meanwhile=lambda: (server.send(signal.SIGUSR2), time.sleep(0.3)))


def redis(*how):
    return started(["redis-server", "--port", str(PORT), "--save", "", "--bind", "127.0.0.1", *how])


def redis_maxclients():
    """Ten clients are let in. It counts one that has closed until it sees that, so each thread may count as two."""
    with redis("--maxclients", "10"):
        return both("redis", "redis", threads=3, near=1)


def after_load():
    """What the program leaves behind, while it is idle, takes no place of the neighbour's for long."""
    lab.ports(10000, 59999)
    with redis("--maxclients", "10"):
        with load(PORT, 4, "redis", shim=shim_for("redis")) as program:
            lab.equal("the program's", counts(program.wait()), {"good": 4 * COUNT, **ALL_GOOD})
        lab.wait_for(lambda: not tuples(PORT, ["ESTAB"]), "the program's connections to go")
        with load(PORT, 4, "redis") as neighbour:
            lab.equal("the neighbour's", counts(neighbour.wait()), {"good": 4 * COUNT, **ALL_GOOD})


def redis_timeout():
    """It closes what is idle for one to two seconds: a program that asks once a second meets that, if its rule keeps
    connections for longer."""
    (lab.scratch() / "rules").write_text("[headroom]\nreuse = redis\nidle_timeout = 10s\n")
    shim = {"options": ["-c", str(lab.scratch() / "rules"), "--summary"]}
    with redis("--timeout", "1"), load(PORT, 4, "redis", count=5, shim=shim, pause_s=1.0) as program:
        lab.equal("the program's", counts(program.wait()), {"good": 20, **ALL_GOOD})


def redis_sessions():
    """What a connection was told of itself holds for what it is asked next."""
    outputs = []
    lab.ports(10000, 59999)
    with redis():
        for shim in (None, shim_for("redis")):
            outputs.append(lab.run([lab.PYTHON, str(CLIENTS / "reuse_redis.py"), str(PORT)], shim))
    plain, reused = outputs
    lab.equal("what it saw", (reused.status, reused.stdout), (0, plain.stdout))
    lab.equal("that were told", plain.stdout.count("OK"), 20)
    return "as without reuse"


def memcached_limit():
    """Who comes when it is full is told so. Of the 24 it has 13 for itself; else as Redis with ten clients."""
    with started(["memcached", "-l", "127.0.0.1", "-p", str(PORT), "-U", "0", "-u", "root", "-t", "1", "-c", "24"]):
        return both("memcached", "memcached", threads=3, near=1)


def memcached_login():
    """With a password file: who has not logged in sees nothing, whatever was sent before him."""
    folder = lab.scratch()
    (folder / "users").write_text("user:pass\n")
    os.chmod(folder, 0o755)
    outputs = []
    with started(["memcached", "-l", "127.0.0.1", "-p", str(PORT), "-U", "0", "-u", "root", "-Y", str(folder / "users")]):
        for shim in (None, shim_for("memcached")):
            outputs.append(lab.run([lab.PYTHON, str(CLIENTS / "reuse_login.py"), str(PORT)], shim))
    plain, reused = outputs
    lab.equal("exit status", plain.status, 0)
    lab.equal("what it saw", reused.stdout, plain.stdout)
    if "secret" not in plain.stdout or "CLIENT_ERROR unauthenticated" not in plain.stdout:
        raise lab.Failed(f"the login does not work\n{plain}")
    return "as without reuse"


if __name__ == "__main__":
    lab.main([
        ("apache2, 3 workers", apache),
        ("http.server, one at a time", python_server("single", "reads")),
        ("http.server, one at a time, turns", turns),
        ("http.server, one at a time, two names", two_names),
        ("one at a time, another who waits", who_waits),
        ("http.server, threads", python_server("threads", "reads")),
        ("http.server, bodies left unread", python_server("threads", "ignores")),
        ("gunicorn, sync", functools.partial(gunicorn, "-w", "1")),
        ("gunicorn, gthread", functools.partial(gunicorn, "-w", "1", "-k", "gthread", "--threads", "2")),
        ("waitress", waitress),
        ("node, keepAliveTimeout 5 ms", node),
        ("node, net", node_net),
        ("nginx, reloads", nginx_reloads),
        ("haproxy, reloads", haproxy_reloads),
        ("redis, maxclients", redis_maxclients),
        ("redis, maxclients, after the load", after_load),
        ("redis, timeout", redis_timeout),
        ("redis, sessions", redis_sessions),
        ("memcached -Y", memcached_login),
        ("memcached -c", memcached_limit),
    ])
