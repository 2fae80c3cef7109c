#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_check_exact - `headroom check --probe` says N, then a real program connects until it fails: N.

Random port spaces with a fixed seed, each in a network namespace of its own. HEADROOM_EXACT_CASES sets how many.
"""
import json
import os
import random
import re
import socket
import subprocess

import lab
import sock_diag

PORT, OTHER_PORT = 5000, 5001
GROUPS = 10
CASES = int(os.environ.get("HEADROOM_EXACT_CASES", 300))
SO_BINDTODEVICE, NO_PORT = 25, 24
V4 = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
V6 = ["fd00::1", "fd00::2", "fd00::3"]


def call(*command, said=""):
    """Runs a program that is told this on standard input; without the files of lab.run(), which hundreds would feel."""
    return subprocess.run(command, env=lab.environment(), capture_output=True, text=True, input=said, check=False)


class Space:
    """One random port space, and what was done to it, in words."""

    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.story = [f"seed {seed}"]
        self.kept = []
        self.v6 = self.dice.random() < 0.35
        self.addresses = V6 if self.v6 else V4
        self.family = socket.AF_INET6 if self.v6 else socket.AF_INET
        lab.new_network()
        call("ip", "-batch", "-", said="".join(f"addr add {address}/128 dev lo nodad\n" for address in V6))
        lab.wait_for_ipv6(V6)
        for family, wildcard in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "fd00::1")):
            for port in (PORT, OTHER_PORT):
                self.kept.append(self.listener(family, wildcard, port))
        size = self.dice.randint(20, 200)
        self.low = self.dice.randint(20000, 60000)
        self.high = self.low + size - 1
        lab.ports(self.low, self.high, self.reserved())
        self.story.append(f"range {self.low}-{self.high} ({size})")

    def listener(self, family, address, port):
        s = socket.socket(family)
        s.bind((address, port))
        s.listen(4096)
        return s

    def port(self):
        return self.dice.randint(self.low, self.high)

    def times(self, most):
        return self.dice.randint(0, most) if self.dice.random() < 0.6 else 0

    def reserved(self):
        spans = []
        for _ in range(self.times(3)):
            first = self.port()
            spans.append(f"{first}-{min(first + self.dice.randint(0, 9), 65535)}")
        if spans:
            self.story.append("reserved " + ",".join(spans))
        return ",".join(spans)

    def client(self, to, family=None, source=None, port=0, no_port=False, device=False):
        """A connection of another program; None if the port is taken."""
        s = socket.socket(family or (socket.AF_INET6 if ":" in to[0] else socket.AF_INET))
        try:
            if device:
                s.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, b"lo")
            if no_port:
                s.setsockopt(socket.IPPROTO_IP, NO_PORT, 1)
            if source:
                s.bind((source, port))
            s.connect(to)
        except OSError:
            s.close()
            return None
        return s

    def keep(self, what, sockets):
        sockets = [s for s in sockets if s]
        if sockets:
            self.kept += sockets
            self.story.append(f"{len(sockets)} {what}")
        return sockets

    def disturb(self):
        """Everything that others may do to a port space, in random measure and order."""
        deeds = [self.listeners, self.bound, self.binders, self.plain, self.same, self.accepted, self.other_family,
                 self.on_device, self.closed_binders]
        self.dice.shuffle(deeds)
        for deed in deeds:
            deed()

    def destination(self):
        return self.addresses[0], self.dice.choice((PORT, PORT, OTHER_PORT))

    def listeners(self):
        made = []
        for _ in range(self.times(3)):
            try:
                address = self.dice.choice(V4 + V6)
                if self.dice.random() < 0.2:
                    s = socket.socket()
                    made.append(s)
                    s.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, b"lo")
                    s.bind(("127.0.0.1", self.port()))
                    s.listen()
                    continue
                made.append(self.listener(socket.AF_INET6 if ":" in address else socket.AF_INET, address, self.port()))
            except OSError:
                pass
        self.keep("listeners", made)

    def bound(self):
        made = []
        for _ in range(self.times(5)):
            address = self.dice.choice(V4 + V6)
            s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
            try:
                s.bind((address, self.dice.choice((0, self.port()))))
            except OSError:
                s.close()
                continue
            made.append(s)
        self.keep("bound only", made)

    def binders(self):
        made = [self.client(self.destination(), source=self.dice.choice(self.addresses),
                            port=self.dice.choice((0, self.port()))) for _ in range(self.times(12))]
        self.time_waits("binders", self.keep("old-style binders", made))

    def plain(self):
        made = [self.client(self.destination(), source=self.dice.choice(self.addresses), no_port=True)
                for _ in range(self.times(40))]
        self.time_waits("others", self.keep("connections", made))

    def same(self):
        made = [self.client((self.addresses[0], PORT)) for _ in range(self.times((self.high - self.low) * 2 // 3))]
        self.time_waits("the same", self.keep("connections of the same tuple space", made))

    def time_waits(self, whose, sockets):
        count = self.times(len(sockets))
        for s in self.dice.sample(sockets, count):
            self.kept.remove(s)
            s.close()
        # The peer's end is in the listener's queue: taken out and closed, it lets FIN_WAIT2 become TIME_WAIT.
        if count and self.dice.random() < 0.5:
            for listener in self.kept[:4]:
                listener.setblocking(False)
                for _ in range(self.dice.randint(0, 200)):
                    try:
                        listener.accept()[0].close()
                    except BlockingIOError:
                        break
        if count:
            self.story.append(f"{count} closes of {whose}")

    def accepted(self):
        """A listener inside the range has gone, what it accepted stays."""
        if not self.times(1):
            return
        try:
            listener = self.listener(self.family, self.addresses[1], self.port())
        except OSError:
            return
        made = [self.client(listener.getsockname()[:2]) for _ in range(3)]
        made += [listener.accept()[0] for s in made if s]
        listener.close()
        self.keep("ends of connections to a listener that has gone", made)

    def other_family(self):
        to, family = ("127.0.0.1", None) if self.v6 else ("::ffff:127.0.0.1", socket.AF_INET6)
        self.keep("connections of the other family, or mapped",
                  [self.client((to, PORT), family) for _ in range(self.times(20))])

    def on_device(self):
        self.keep("connections bound to lo",
                  [self.client((self.addresses[0], PORT), device=True) for _ in range(self.times(20))])

    def closed_binders(self):
        """From Linux 6.18 on a port is free again once its binder has closed, others on it or not."""
        for _ in range(self.times(3)):
            s = socket.socket(self.family)
            try:
                s.bind((self.addresses[2], 0))
            except OSError:
                pass
            s.close()


def check(space, source, *options):
    """What headroom says about the tuple space. Return: its JSON object"""
    to = f"[{space.addresses[0]}]:{PORT}" if space.v6 else f"{space.addresses[0]}:{PORT}"
    front = ["--from", source] if source else []
    done = call(str(lab.HEADROOM), "check", "--json", "--sample", "0", *front, *options, to)
    if done.returncode == 2 or done.stderr:
        raise lab.Failed(f"{'; '.join(space.story)}\n{done}")
    [answer] = [s for s in json.loads(done.stdout)["tuple_spaces"] if s["asked_for"]]
    return answer


def fill(space, source, whole_range):
    """Connects until it fails. Return: how many times it did not"""
    options = ["-r"] if whole_range else []
    options += ["-s", source] if source else []
    options += ["-m"] if not space.v6 and space.dice.random() < 0.3 else []
    done = call(lab.client("fill"), *options, space.addresses[0], str(PORT))
    [(count, failure)] = re.findall(r"opened (\d+), (\S+ \S+)$", done.stdout, re.M)
    lab.equal("how it ended", failure, "connect EADDRNOTAVAIL")
    return int(count)


def left_by_probe():
    """It connects to a port below 1024 where nobody listens, and nothing else here does."""
    return [s for s in sock_diag.tcp_sockets() if 0 < s.dport < 1024]


def one(seed):
    """Return: 'N' of what was predicted and seen to be so."""
    space = Space(seed)
    space.disturb()
    source = space.dice.choice((None, space.addresses[0], space.addresses[1]))
    whole_range = space.dice.random() < 0.6
    bound = check(space, source)
    exact = check(space, source, "--probe")
    left = left_by_probe()
    story = "; ".join([*space.story, f"from {source}", "whole range" if whole_range else "plain"])
    if left:
        raise lab.Failed(f"the probe left {left}\n{story}")
    seen = fill(space, source, whole_range)
    least = exact["headroom"] if whole_range else exact["headroom_plain"]
    if not exact["exact"] or not least <= seen <= exact["headroom"]:
        raise lab.Failed(f"predicted {least}..{exact['headroom']}, then {seen} connections\n{story}\n{exact}")
    least = bound["headroom_at_least"] - (not whole_range and (space.high - space.low) % 2 == 0)
    if not least <= seen <= bound["headroom"]:
        raise lab.Failed(f"without --probe {least}..{bound['headroom']}, then {seen} connections\n{story}\n{bound}")
    if bound["exact"] and bound["headroom"] != exact["headroom"]:
        raise lab.Failed(f"called exact without --probe: {bound['headroom']}, but {exact['headroom']}\n{story}")
    for s in space.kept:
        s.close()
    return bound["exact"], bound["headroom"] != exact["headroom"]


def group(index):
    """A tenth of all cases."""
    results = [one(seed) for seed in range(index, CASES, GROUPS)]
    return (f"{len(results)} port spaces, exact without --probe in {sum(r[0] for r in results)}, "
            f"--probe changed the number in {sum(r[1] for r in results)}")


lab.main([(f"random port spaces, group {i}", lambda i=i: group(i)) for i in range(GROUPS)])
