#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_reuse_leaving - how parked connections end: on time, before the program becomes two or somebody else, and as a
server expects it.

The client is clients/reuse_steps.py. Nothing of it runs while it waits for a line: what ends then, our own thread ends.
"""
import functools
import pathlib
import socket
import threading

import lab
import serving
import sock_diag
from sock_diag import tuples
from test_reuse import Tag
from test_reuse_limits import LEFT, PORT, Steps, kernel_has

# What a child may need, or what the connections were made with and the program has no more.
CALLS = """setuid setgid seteuid setegid setreuid setregid setresuid setresgid setgroups initgroups setfsuid setfsgid capset prctl
chroot unshare unshare_user spawn system raw_setuid raw_capset raw_prctl raw_chroot raw_unshare raw_setns"""


def on_time(address):
    """It makes no call, and when it does there is nothing left to do."""
    with Tag(), Steps("idle_timeout = 150ms", address=address) as client:
        client.numbers(3)
        kernel_has({})
        lab.equal("parked", client.do("parked"), "0")
        lab.equal("ports in TIME_WAIT", lab.total(tuples(PORT, LEFT)), 0)


def thread_goes():
    """It is there while something is parked, and gone some time later."""
    def threads(process):
        return len(list(pathlib.Path(f"/proc/{process.pid}/task").iterdir()))

    with Tag(), Steps("idle_timeout = 200ms") as client:
        client.do("parked")
        before = threads(client)
        client.numbers(1)
        lab.equal("threads with one parked", threads(client), before + 1)
        lab.wait_for(lambda: threads(client) == before, "the thread to end")


def before(call):
    with Tag(), Steps("idle_timeout = 1m") as client:
        client.numbers(2)
        kernel_has({"127.0.0.1": 2})
        said = client.do(f"call {call}")
        if said != "done":
            raise lab.Failed(f"{call}: {said}")
        lab.equal("parked", client.do("parked"), "0")
        kernel_has({}, left=2)


def rights_of_a_thread(call, reused):
    """What one thread has parked another may have no right to."""
    with Tag(), Steps("idle_timeout = 1m") as client:
        client.do("thread")
        client.numbers(1)
        lab.equal(call, client.do(f"call {call}"), "done")
        numbers = [client.numbers(1)[0] for _ in range(2)]
        lab.equal("reused afterwards", numbers[0] == numbers[1], reused)


def signals():
    """Our thread takes none of the program's."""
    with Tag(), Steps("idle_timeout = 1m") as client:
        client.numbers(2)
        lab.equal("a signal that the program has blocked", client.do("call signal"), "done")
        kernel_has({"127.0.0.1": 2})


class Watcher:
    """A server of lines that notes what the end of each connection looked like to it."""

    def __init__(self, address):
        self.may_close = threading.Event()
        self.listener = socket.create_server((address, PORT), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.ends = []
        serving.each_in_a_thread(self.listener, self._serve)

    def _serve(self, s):
        try:
            while s.recv(1000):
                s.sendall(b"<raw 1 0>\n")
            # It has not closed yet, and looks once more.
            self.ends.append("end" if s.recv(1) == b"" else "more")
            self.may_close.wait()
        except OSError as error:
            self.ends.append(type(error).__name__)
        s.close()


def as_a_guest(address):
    """The server sees the end of the stream and no reset; the client's port is free at once."""
    server = Watcher(address)
    server.may_close.set()
    with Steps("idle_timeout = 150ms", address=address) as client:
        client.do("open 3")
        client.asked()
        client.do("close")
        lab.wait_for(lambda: len(server.ends) == 3, "the server to see three ends", client)
        lab.equal("ends", server.ends, ["end"] * 3)
        kernel_has({})


def server_keeps_open():
    """A server that does not close: some time after the FIN the rest is the kernel's, as after the program's close()."""
    server = Watcher("127.0.0.1")
    with Steps("idle_timeout = 50ms") as client:
        client.do("open 1", "ask ok", "close")
        lab.wait_for(lambda: server.ends == ["end"], "the server to see the end", client)
        lab.wait_for(lambda: client.do("parked") == "0", "it to be let go", client)
        lab.equal("states", [s.state for s in sock_diag.tcp_sockets() if s.dport == PORT], ["FIN-WAIT-2"])
        server.may_close.set()
        lab.wait_for(lambda: lab.total(tuples(PORT, LEFT)) == 1, "its TIME_WAIT")


if __name__ == "__main__":
    lab.main([
        *((f"on time {a}", functools.partial(on_time, a)) for a in ("127.0.0.1", "::1")),
        ("the thread goes", thread_goes),
        ("signals", signals),
        *((f"before {call}", functools.partial(before, call)) for call in CALLS.split()),
        *((f"{call} of a thread", functools.partial(rights_of_a_thread, call, reused))
          for call, reused in (("setuid", True), ("setfsuid", False), ("capset", False), ("raw_setuid", False))),
        *((f"as a guest {a}", functools.partial(as_a_guest, a)) for a in ("127.0.0.1", "::1")),
        ("a server that keeps it open", server_keeps_open),
    ])
