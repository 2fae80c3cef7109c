#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_clock - a program's time may stand still (libfaketime): the shim's own goes on, and what it waits for ends."""
import functools
import pathlib

import lab

PORT = 5000
STANDING = {"FAKETIME": "2020-01-01 00:00:00"}
NEAR = [f"10.77.0.{i}" for i in range(1, 4)]
FAR, DEAD = "10.77.0.100", "10.78.0.1"  # the far side has no route to the dead one

# Connects 90 times, says how often from the source in question and what the time did meanwhile; when its input
# ends, until that source is used again.
CLIENT = """
import socket, struct, sys, time
to, port, watched = sys.argv[1], int(sys.argv[2]), sys.argv[3]
held = []
def connects(count, keep=False):
    used = 0
    for _ in range(count):
        s = socket.socket()
        s.settimeout(0.3)
        try:
            s.connect((to, port))
            s.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n")
            s.recv(100)
            used += s.getsockname()[0] == watched
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # no TIME_WAIT
        except OSError:
            pass
        held.append(s) if keep else s.close()
    return used
began = time.monotonic()
print("used", connects(90, True), "in", time.monotonic() - began, flush=True)
sys.stdin.read()
while not connects(50):
    pass
print("again", flush=True)
"""

# Takes every port of one source, until its input ends.
FILL = """
import socket, struct, sys
held = []
try:
    while True:
        s = socket.socket()
        s.setsockopt(socket.SOL_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # no TIME_WAIT
        s.bind((sys.argv[1], 0))
        s.connect(("127.0.0.1", int(sys.argv[2])))
        held.append(s)
except OSError:
    print("full", len(held), flush=True)
sys.stdin.read()
"""


def faketime():
    lab.not_under_sanitizer("libfaketime wants to be first as well")
    for path in sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1")):
        # It leaves files by pid in /dev/shm when it is killed, and gives up where it finds some.
        lab.own_memory_files()
        return str(path)
    raise lab.Skipped("libfaketime is not installed")


def preloaded(first, other, sources):
    shim = str(lab.BUILD / "libheadroom.so")
    libraries = [other, shim] if first == "libfaketime" else [shim, other]
    return {**STANDING, "LD_PRELOAD": ":".join(libraries), "HEADROOM_SOURCES": ",".join(sources),
            "HEADROOM_SPREAD": "even"}


def watching(to, watched, env):
    return lab.Process([lab.PYTHON, "-c", CLIENT, to, str(PORT), watched], env=env, stdin=True)


def asked_again(first):
    """A source that was full is asked again, and used when another process has given its ports back."""
    other = faketime()
    lab.ports(40000, 40099)
    with lab.Hold(PORT, "http"), lab.Process([lab.PYTHON, "-c", FILL, "127.0.0.2", str(PORT)], stdin=True) as full:
        lab.wait_for(lambda: "full 100\n" in full.stdout(), "the source to be full", full)
        with watching("127.0.0.1", "127.0.0.2", preloaded(first, other, ["127.0.0.1", "127.0.0.2"])) as client:
            lab.wait_for(lambda: "used 0 in 0.0\n" in client.stdout(), "90 from the other, in no time", client)
            full.end_input()
            lab.equal("the filler's exit status", full.wait().status, 0)
            client.end_input()
            lab.wait_for(lambda: "again\n" in client.stdout(), "the source to be used again", client)


def tried_again(first):
    """A source without a way back is passed over, tried again, and used when its way back is there."""
    other = faketime()
    sources = [*NEAR, DEAD]
    with lab.far_network([f"{a}/24" for a in sources], f"{FAR}/24") as far, lab.Hold(PORT, "http", inside=far), \
            watching(FAR, DEAD, preloaded(first, other, sources)) as client:
        lab.wait_for(lambda: "used 0 in 0.0\n" in client.stdout(), "90 from the others, in no time", client)
        lab.ip("route", "add", "10.78.0.0/24", "dev", "far0", inside=far)
        client.end_input()
        lab.wait_for(lambda: "again\n" in client.stdout(), "the source to be used again", client)


def true_time():
    """A log line has the time of whoever reads it later beside other logs."""
    other = faketime()
    lab.ports(40000, 40009)
    with lab.Hold(PORT):
        env = preloaded("libheadroom", other, ["127.0.0.9", "10.99.0.1"])
        done = lab.run([lab.client("fill"), "127.0.0.1", str(PORT)], env={**env, "HEADROOM_LOG_FORMAT": "json"})
    lab.equal("lines of another year", [line for line in done.stderr.splitlines() if '"2020-' in line], [])
    lab.equal("lines", '"time":' in done.stderr, True)


lab.main([(f"{name}, {first} first", functools.partial(function, first))
          for name, function in (("a full source is asked again", asked_again), ("a source that failed is tried again", tried_again))
          for first in ("libfaketime", "libheadroom")] + [("log lines have the true time", true_time)])
