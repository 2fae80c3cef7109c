#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_stack - no call takes much more stack under the shim than without: 1.5 KiB at the deepest.

Programs leave threads 16 KiB and signal handlers SIGSTKSZ, just enough for the plain call. The program is stack.c.
"""
import contextlib
import os
import socket
import threading

import lab

LIMIT = 1536
HOST = "10.9.0.1"
ALL = {"HEADROOM_STATE_DIR": ""}
MODES = {
    "no sources, segment": {"env": ALL},
    "even": {"sources": "10.9.0.1-10.9.0.4", "env": ALL},
    "spill": {"sources": "10.9.0.1-10.9.0.4", "spread": "spill", "env": ALL},
    "explicit_source = spread": {"rules": "[to *]\nsources = 10.9.0.1-10.9.0.4\nexplicit_source = spread\n", "env": ALL},
    "auto": {"sources": "auto", "env": ALL, "options": ["--log-level", "info"]},
    "summary": {"options": ["--summary"]},
    "a source that is not there": {"sources": "10.99.0.1,10.9.0.1", "options": ["--log-format", "json"]},
    "log to syslog": {"options": ["--log", "syslog", "--log-level", "info"]},
    "log to a file": {"options": ["--log", "file:/dev/null", "--log-level", "info"]},
    "reuse http": {"options": ["--reuse", "http", "--summary"]},
    "reuse raw": {"options": ["--reuse", "raw"], "sources": "10.9.0.1-10.9.0.4"},
    "reuse redis": {"options": ["--reuse", "redis"]},
    "reuse memcached": {"options": ["--reuse", "memcached"]},
}


def serve():
    """Servers that answer every read as HTTP does; 5003 closes the connections of 5002."""
    accepted = []

    def answer(connection):
        with contextlib.suppress(OSError):
            while connection.recv(4096):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        connection.close()

    def accept(port, server):
        while True:
            connection = server.accept()[0]
            if port == 5003:
                for one in accepted:
                    with contextlib.suppress(OSError):
                        one.shutdown(socket.SHUT_RDWR)
                accepted.clear()
                connection.sendall(b"closed")
                connection.close()
                continue
            if port == 5002:
                accepted.append(connection)
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    for port in (5000, 5001, 5002, 5003):
        threading.Thread(target=accept, args=(port, socket.create_server((HOST, port), backlog=500)),
                         daemon=True).start()


def measured(shim):
    shim = dict(shim) if shim is not None else None
    if shim and "rules" in shim:
        rules = lab.scratch() / "rules"
        rules.write_text(shim.pop("rules"))
        shim["options"] = ["--config", rules]
    # All symbols are looked up at the start: the loader's own stack at a first call would hide ours.
    done = lab.run([lab.client("stack"), HOST], shim=shim, env={"LD_BIND_NOW": "1"})
    if done.status:
        raise lab.Failed(str(done))
    return {name: int(number) for number, name in (line.split(" ", 1) for line in done.stdout.splitlines())}


def mode(name):
    def case():
        lab.own_memory_files()
        for i in (1, 2, 3, 4):
            lab.ip("addr", "add", f"10.9.0.{i}/24", "dev", "lo")
        lab.ports(40000, 40099)
        serve()
        plain, seen = measured(None), measured(MODES[name])
        more = {what: seen[what] - plain[what] for what in plain}
        worst = max(more, key=more.get)
        if os.environ.get("STACK_ALL"):
            print(*sorted(((n, what) for what, n in more.items()), reverse=True)[:8], sep="\n")
        if more[worst] > LIMIT:
            raise lab.Failed(f"{more[worst]} bytes more of stack: {worst}")
        return f"{more[worst]} bytes more at most: {worst}"
    return case


lab.main([(name, mode(name)) for name in MODES])
