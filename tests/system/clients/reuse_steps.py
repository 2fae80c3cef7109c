# SPDX-License-Identifier: Apache-2.0
"""reuse_steps - does what its standard input says, a line each, and answers with a line each.

ADDRESS PORT KIND; KIND: raw (the server tag.c, whose replies name the connection), http, redis. Connections are kept in
the order they were opened.
  open N      connect that many more
  again       connect() each once more, as a program does that asks what came of it
  ask MODE    an exchange on each; answers with the server's numbers of the connections, or what went wrong
  close       close all
  rest        until what was closed last and is parked may be handed out
  ended       until the server has closed what is parked, or sent something on it
  gone        make sockets until nothing is parked any more
  parked      how many connections this process has that are not the program's
  fork        the next lines are for a child, up to `exit`
  exec        start this program anew, in this process
  thread      another thread, that waits for the end
  call NAME   one of CALLS, by which nothing changes; answers with what went wrong
"""
import ctypes
import os
import select
import signal
import socket
import struct
import sys
import threading
import time

ADDRESS, PORT, KIND = sys.argv[1], int(sys.argv[2]), sys.argv[3]
REQUESTS = {"raw": "raw {}/7\n", "http": "GET / HTTP/1.1\r\nHost: steps\r\n\r\n", "redis": "*1\r\n$4\r\nPING\r\n"}
ENDS = {"raw": b"\n", "http": b"ok\n", "redis": b"\r\n"}
sockets = []
quiet_s = 0.0


def parked():
    """The numbers of sockets that are not the program's."""
    ours = {s.fileno() for s in sockets}
    found = []
    for number in map(int, os.listdir("/proc/self/fd")):
        try:
            if number not in ours and os.readlink(f"/proc/self/fd/{number}").startswith("socket:"):
                found.append(number)
        except FileNotFoundError:
            pass
    return found


def connected():
    s = socket.socket(socket.AF_INET6 if ":" in ADDRESS else socket.AF_INET)
    s.settimeout(60)
    s.connect((ADDRESS, PORT))
    return s


def ask(s, mode):
    reply = b""
    try:
        s.sendall(REQUESTS[KIND].format(mode).encode())
        while not reply.endswith(ENDS[KIND]):
            piece = s.recv(1000)
            if not piece:
                return "end"
            reply += piece
    except OSError as error:
        return type(error).__name__
    return reply.split()[1].decode() if KIND == "raw" else "ok"


def close_all():
    """The time that a connection is left in peace is twice its round trip time: nothing is to be seen of its end."""
    global quiet_s
    quiet_s = 0.02
    while sockets:
        s = sockets.pop(0)
        [rtt_us] = struct.unpack_from("=I", s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 72), 68)
        quiet_s = max(quiet_s, 2.5e-6 * rtt_us)
        s.close()


def gone():
    while parked():
        socket.socket().close()
        time.sleep(0.005)


def ended():
    for number in parked():
        p = select.poll()
        p.register(number, select.POLLIN)
        p.poll(60000)


LIBC = ctypes.CDLL(None, use_errno=True)
CAPABILITIES = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()


def capabilities(name, number=None):
    """capget() and capset() of what there is."""
    LIBC.capget(*CAPABILITIES)
    return LIBC.syscall(number, *CAPABILITIES) if number else LIBC.capset(*CAPABILITIES)


# The raw ones are by the numbers of x86-64 and aarch64.
RAW = {"setuid": (105, 146), "capset": (126, 91), "prctl": (157, 167), "chroot": (161, 51), "unshare": (272, 97),
       "setns": (308, 268)}
MACHINE = os.uname().machine != "x86_64"
ARGUMENTS = {"setuid": (0,), "setgid": (0,), "seteuid": (0,), "setegid": (0,), "setreuid": (-1, -1), "setregid": (-1, -1),
             "setresuid": (-1, -1, -1), "setresgid": (-1, -1, -1), "setgroups": (0, None), "initgroups": (b"root", 0),
             "setfsuid": (0,), "setfsgid": (0,), "prctl": (8, 0), "chroot": (b"/",), "unshare": (0x20000,)}


def call(name):
    if name == "spawn":
        return os.waitpid(os.posix_spawn("/bin/true", ["true"], os.environ), 0)[1]
    if name == "system":
        return os.system("true")
    if name.endswith("capset"):
        return capabilities(name, RAW["capset"][MACHINE] if name.startswith("raw_") else None)
    if name == "signal":
        # No thread of the program takes it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        os.kill(os.getpid(), signal.SIGUSR1)
        waits = signal.SIGUSR1 in signal.sigpending()
        return 0 if waits and signal.sigwait({signal.SIGUSR1}) else 1
    if name == "unshare_user":
        # For a process of one thread only (unshare(2), CLONE_NEWUSER).
        return LIBC.unshare(0x10000000)
    if name == "raw_setns":
        return LIBC.syscall(RAW["setns"][MACHINE], os.open("/proc/self/ns/uts", os.O_RDONLY), 0)
    if name.startswith("raw_"):
        name = name.removeprefix("raw_")
        return LIBC.syscall(RAW[name][MACHINE], *ARGUMENTS[name])
    return getattr(LIBC, name)(*ARGUMENTS[name])


def step(name, argument):
    if name == "open":
        sockets.extend(connected() for _ in range(int(argument)))
    elif name == "ask":
        return " ".join(ask(s, argument) for s in sockets)
    elif name == "again":
        for s in sockets:
            s.connect_ex((ADDRESS, PORT))
    elif name == "close":
        close_all()
    elif name == "call":
        result = call(argument)
        return "done" if result == 0 else f"{result}, errno {ctypes.get_errno()}"
    elif name == "thread":
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    elif name == "rest":
        time.sleep(quiet_s)
    elif name == "parked":
        return str(len(parked()))
    elif name in ("ended", "gone"):
        {"ended": ended, "gone": gone}[name]()
    elif name == "exec":
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "STEPS_AGAIN": "again"})
    elif name == "fork":
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            return "joined"
    elif name == "exit":
        print("bye", flush=True)
        os._exit(0)
    return "done"


if "STEPS_AGAIN" in os.environ:
    print("anew", flush=True)
for line in iter(sys.stdin.readline, ""):
    print(step(*line.split()) if " " in line.strip() else step(line.strip(), ""), flush=True)
