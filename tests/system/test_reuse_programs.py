#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_reuse_programs - programs that open a connection for each request, with reuse and without.

Each against the server of its distribution. Counted is what the kernel says: connections accepted (PassiveOpens) and
ports left in TIME_WAIT. Larger with HEADROOM_REUSE_REQUESTS; with HEADROOM_REUSE_RESULT the rows of docs/users/reuse.md are
written to that file.
"""
import contextlib
import functools
import os
import pathlib
import re
import time

import lab
from sock_diag import tuples

REQUESTS = int(os.environ.get("HEADROOM_REUSE_REQUESTS", "600"))
RESULT = os.environ.get("HEADROOM_REUSE_RESULT")
WEB, FRONT, REDIS, MEMCACHED = 5000, 8080, 6379, 11211
CLIENTS = lab.HERE / "clients"

NGINX = """
daemon off;
user root root;
worker_processes 1;
error_log stderr crit;
pid {name}.pid;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    keepalive_requests 1000000;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {{
        listen 127.0.0.1:{port} reuseport backlog=4096;
        location / {{ {what} }}
    }}
}}
"""
PROXY = f'proxy_pass http://127.0.0.1:{WEB}; proxy_http_version 1.1; proxy_set_header Connection "";'


@contextlib.contextmanager
def server(command, port, shim=None):
    lab.needs(command[0])
    with lab.Process(command, shim) as process:
        lab.wait_for(lambda: lab.listening(port), f"{command[0]} to listen", process)
        yield process


def nginx(name, port, what, shim=None):
    path = lab.scratch() / f"{name}.conf"
    path.write_text(NGINX.format(name=name, port=port, what=what))
    return server(["nginx", "-e", "stderr", "-p", str(lab.scratch()), "-c", str(path)], port, shim)


def reusing(guard):
    """For servers that serve all connections at once: how many uses are a turn does not depend on their load then."""
    rules = lab.scratch() / "rules"
    rules.write_text(f"[headroom]\nreuse = {guard}\nmax_uses = 1000\n")
    return {"options": ["-c", str(rules)]}


def web():
    return nginx("web", WEB, 'return 200 "ok\\n";')


def redis():
    return server(["redis-server", "--port", str(REDIS), "--save", "", "--bind", "127.0.0.1"], REDIS)


def memcached():
    return server(["memcached", "-u", "root", "-l", "127.0.0.1", "-p", str(MEMCACHED)], MEMCACHED)


def accepted():
    names, values = (line.split() for line in pathlib.Path("/proc/self/net/snmp").read_text().splitlines()
                     if line.startswith("Tcp:"))
    return int(values[names.index("PassiveOpens")])


def measured(command, shim, port, good):
    """Return: connections accepted, ports left, seconds."""
    before, began = accepted(), time.monotonic()
    done = lab.run(command, shim, limit_s=120)
    seconds = time.monotonic() - began
    if done.status == 77:
        raise lab.Skipped(f"{command[1]} finds its library not installed")
    if done.status or not good(done):
        raise lab.Failed(f"{command[0]} failed\n{done}")
    return accepted() - before, lab.total(tuples(port, ["TIME-WAIT"])), seconds


def row(name, plain, reused, requests):
    text = " | ".join(f"{count:,} | {left:,} | {(requests or count) / seconds:,.0f}"
                      for count, left, seconds in (plain, reused))
    if RESULT:
        with open(RESULT, "a", encoding="ascii") as file:
            file.write(f"| {name} | {text} |\n")


NOT_UNDER_SANITIZER = {
    "curl": "curl then hangs in setlocale(), shim or not",
    "php": "it loads extensions with RTLD_DEEPBIND, which the sanitizer's runtime refuses",
}


def compare(name, guard, make, port, command, gains, requests=REQUESTS, good=lambda done: True):
    """gains: with reuse there are few connections; else as many as without."""
    lab.needs(command[0])
    if command[0] in NOT_UNDER_SANITIZER:
        lab.not_under_sanitizer(NOT_UNDER_SANITIZER[command[0]])
    results = []
    for shim in (None, reusing(guard)):
        lab.new_network()
        lab.ports(10000, 59999)
        with make():
            results.append(measured(command, shim, port, good))
    plain, reused = results
    row(name, plain, reused, requests)
    if plain[0] < requests:
        raise lab.Failed(f"{plain[0]} connections without reuse, {requests} requests")
    few = requests // 10 + 100
    if gains and (reused[0] > few or reused[1] > few):
        raise lab.Failed(f"{reused[0]} connections and {reused[1]} in TIME_WAIT with reuse")
    if not gains and not requests <= reused[0] <= plain[0] + few:
        raise lab.Failed(f"{reused[0]} connections with reuse, {plain[0]} without")
    return f"{requests} requests, {plain[0]} connections without, {reused[0]} with"


def by_time(name, guard, make, port, command):
    """As compare(), for a program that runs for a time, not for a number of requests; it asks the server to close."""
    lab.needs(command[0])
    sides = []
    for shim in (None, reusing(guard)):
        lab.new_network()
        lab.ports(10000, 59999)
        with make():
            before = accepted()
            done = lab.run(command, shim, limit_s=120)
            counted = re.search(r"(\d+) requests in ([\d.]+)s", done.stdout)
            if done.status or not counted or "Socket errors" in done.stdout:
                raise lab.Failed(f"{command[0]} failed\n{done}")
            requests, connections = int(counted[1]), accepted() - before
            if connections < requests:
                raise lab.Failed(f"{connections} connections for {requests} requests")
            left = lab.total(tuples(port, ["TIME-WAIT"]))
            sides.append((connections, left, float(counted[2]) * connections / requests))
    row(name, *sides, None)
    return f"connections without and with: {[connections for connections, *_ in sides]}"


def proxy(gains):
    """nginx reuses towards its upstream only where it does not ask the upstream to close, as it does by default."""
    lab.needs("nginx", "ab")
    results = []
    what = PROXY if gains else f"proxy_pass http://127.0.0.1:{WEB};"
    for shim in (None, reusing("http")):
        lab.new_network()
        lab.ports(10000, 59999)
        with web(), nginx("front", FRONT, what, shim):
            results.append(measured(["ab", "-q", "-k", "-n", str(REQUESTS), "-c", "8", f"http://127.0.0.1:{FRONT}/"],
                                    None, WEB, ab_good))
    row(f"nginx as a proxy{', Connection set to empty' if gains else ''}", *results, REQUESTS)
    connections = [result[0] for result in results]
    if connections[0] < REQUESTS or (connections[1] < REQUESTS // 2) != gains:
        raise lab.Failed(f"connections without and with: {connections}")
    return f"{REQUESTS} requests, {connections[0]} connections without, {connections[1]} with"


def php_curl():
    """PHP before 8.3 or so loads its extensions with RTLD_DEEPBIND: then no hook sees what curl does. The loader tells."""
    lab.needs("php")
    lab.not_under_sanitizer(NOT_UNDER_SANITIZER["php"])
    look = lab.run(["php", "-r", 'function_exists("curl_init") && curl_exec(curl_init("http://127.0.0.1:9/"));'], {},
                   env={"LD_DEBUG": "bindings"})
    covered = re.search(r"/libcurl\S* \[0\] to \S*/libheadroom\.so \[0\]: normal symbol `connect'", look.stderr)
    return compare("PHP, curl" + ("" if covered else " (out of reach)"), "http", web, WEB,
                   ["php", str(CLIENTS / "reuse_php.php"), "curl", str(WEB), str(REQUESTS)], bool(covered))


def java():
    """It calls shutdown() before close(): such a connection is never parked."""
    lab.needs("java", "javac")
    done = lab.run(["javac", "-d", str(lab.shared()), str(CLIENTS / "ReuseUrl.java")])
    lab.equal("javac's exit status", done.status, 0)
    return compare("Java HttpURLConnection, disconnect() (shuts down)", "http", web, WEB,
                   ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", str(lab.shared()), "ReuseUrl", str(WEB),
                    str(REQUESTS)], False)


def ab_good(done):
    return re.search(rf"Complete requests: +{REQUESTS}\n", done.stdout) and "Failed requests:        0" in done.stdout


def of(function, *arguments, **named):
    return functools.partial(function, *arguments, **named)


URL = f"http://127.0.0.1:{WEB}/"
lab.main([
    ("redis-benchmark -k 0", of(compare, "redis-benchmark -k 0 -c 8", "redis", redis, REDIS,
                                ["redis-benchmark", "-p", str(REDIS), "-k", "0", "-c", "8", "-n", str(REQUESTS), "-t",
                                 "ping_mbulk"], True)),
    ("memcached", of(compare, "Python, memcached", "memcached", memcached, MEMCACHED,
                     [lab.PYTHON, str(CLIENTS / "reuse_memcached.py"), str(MEMCACHED), str(REQUESTS)], True)),
    ("http.client", of(compare, "Python http.client", "http", web, WEB,
                       [lab.PYTHON, str(CLIENTS / "reuse_http.py"), str(WEB), str(REQUESTS)], True)),
    ("node, close", of(compare, "node, agent: false (sends close)", "http", web, WEB,
                       ["node", str(CLIENTS / "reuse_node.js"), str(WEB), str(REQUESTS)], False)),
    ("ab", of(compare, "ab (HTTP/1.0)", "http", web, WEB, ["ab", "-q", "-n", str(REQUESTS), "-c", "8", URL], False,
              good=ab_good)),
    ("curl, close", of(compare, "curl, Connection: close", "http", web, WEB,
                       ["curl", "-s", "-H", "Connection: close", "-o", "/dev/null", f"{URL}[1-{REQUESTS}]"], False)),
    ("wrk, close", of(by_time, "wrk, Connection: close", "http", web, WEB,
                      ["wrk", "-t", "1", "-c", "8", "-d", "1s", "--timeout", "30s", "-H", "Connection: close", URL])),
    ("requests", of(compare, "Python requests", "http", web, WEB,
                    [lab.PYTHON, str(CLIENTS / "reuse_requests.py"), str(WEB), str(REQUESTS)], True)),
    ("pymemcache", of(compare, "Python pymemcache", "memcached", memcached, MEMCACHED,
                      [lab.PYTHON, str(CLIENTS / "reuse_pymemcache.py"), str(MEMCACHED), str(REQUESTS)], True)),
    ("PHP, redis", of(compare, "PHP, redis over a stream", "redis", redis, REDIS,
                      ["php", str(CLIENTS / "reuse_php.php"), "redis", str(REDIS), str(REQUESTS)], True)),
    ("PHP, http", of(compare, "PHP, http stream (sends close)", "http", web, WEB,
                     ["php", str(CLIENTS / "reuse_php.php"), "http", str(WEB), str(REQUESTS)], False)),
    ("PHP, curl", php_curl),
    ("Java", java),
    ("nginx as a proxy", of(proxy, True)),
    ("nginx as a proxy, by default", of(proxy, False)),
])
