# SPDX-License-Identifier: Apache-2.0
"""reuse_calls - PORT GETS SEND TAKE waits|polls: so many GETs, each over a connection of its own; a line for each: ok, or end.

The last one is sent by SEND and its answer taken by TAKE, at once or when it is there; those before by send() and recv().
"""
import ctypes
import os
import select
import socket
import sys
import time

PORT, GETS, LAST, WAITS = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:5], sys.argv[5] == "waits"
LIBC = ctypes.CDLL(None, use_errno=True)
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HALF = len(REQUEST) // 2
HALVES = [REQUEST[:HALF], REQUEST[HALF:]]
MSG_WAITFORONE = 0x10000


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]


class Header(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("name_size", ctypes.c_uint32), ("pieces", ctypes.c_void_p),
                ("count", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_size", ctypes.c_size_t),
                ("flags", ctypes.c_int)]


class Message(ctypes.Structure):
    _fields_ = [("header", Header), ("length", ctypes.c_uint)]


def pieces_of(memories):
    return (Iovec * len(memories))(*[Iovec(ctypes.addressof(memory), len(memory)) for memory in memories])


def done(rc):
    if rc < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return rc


def sendmmsg(s):
    memories = [ctypes.create_string_buffer(half, len(half)) for half in HALVES]
    pieces = pieces_of(memories)
    done(LIBC.sendmmsg(s.fileno(), ctypes.byref(Message(Header(pieces=ctypes.addressof(pieces), count=2))), 1, 0))


def recvmmsg(s):
    """An end is two messages of no bytes."""
    memories = [ctypes.create_string_buffer(1000) for _ in range(2)]
    pieces = [pieces_of([memory]) for memory in memories]
    messages = (Message * 2)(*[Message(Header(pieces=ctypes.addressof(piece), count=1)) for piece in pieces])
    count = done(LIBC.recvmmsg(s.fileno(), messages, 2, MSG_WAITFORONE, None))
    return b"".join(memory.raw[:message.length] for memory, message in zip(memories[:count], messages))


def preadv2(name, s):
    memory = ctypes.create_string_buffer(1000)
    count = done(getattr(LIBC, name)(s.fileno(), pieces_of([memory]), 1, ctypes.c_long(-1), 0))
    return memory.raw[:count]


def pwritev2(name, s):
    memory = ctypes.create_string_buffer(REQUEST, len(REQUEST))
    done(getattr(LIBC, name)(s.fileno(), pieces_of([memory]), 1, ctypes.c_long(-1), 0))


def readv(s):
    memories = bytearray(10), bytearray(1000)
    count = os.readv(s.fileno(), memories)
    return b"".join(memories)[:count]


def through_pipe(call):
    take, give = os.pipe()
    with open(take, "rb", 0) as pipe:
        try:
            count = call(give)
        finally:
            os.close(give)
        return pipe.read(count) if count else b""


SENDS = {
    "send": lambda s: s.send(REQUEST),
    "write": lambda s: os.write(s.fileno(), REQUEST),
    "writev": lambda s: os.writev(s.fileno(), HALVES),
    "sendmsg": lambda s: s.sendmsg(HALVES),
    "sendmmsg": sendmmsg,
    "pwritev2": lambda s: pwritev2("pwritev2", s),
    "pwritev64v2": lambda s: pwritev2("pwritev64v2", s),
}
TAKES = {
    "recv": lambda s: s.recv(1000),
    "recvfrom": lambda s: s.recvfrom(1000)[0],
    "read": lambda s: os.read(s.fileno(), 1000),
    "readv": readv,
    "recvmsg": lambda s: s.recvmsg(1000)[0],
    "recvmmsg": recvmmsg,
    "preadv2": lambda s: preadv2("preadv2", s),
    "preadv64v2": lambda s: preadv2("preadv64v2", s),
    "splice": lambda s: through_pipe(lambda give: os.splice(s.fileno(), give, 1000)),
    "sendfile": lambda s: through_pipe(lambda give: os.sendfile(give, s.fileno(), None, 1000)),
}


def get(send, take):
    with socket.create_connection(("127.0.0.1", PORT)) as s:
        SENDS[send](s)
        s.setblocking(WAITS)
        answer = b""
        while not answer.endswith(b"ok"):
            if not WAITS:
                select.select([s], [], [])
            try:
                piece = TAKES[take](s)
            except BlockingIOError:  # it was the end of a connection whose place another has taken
                continue
            if not piece:
                return "end"
            answer += piece
        return "ok"


for number in range(GETS):
    print(get(*LAST if number == GETS - 1 else ("send", "recv")), flush=True)
    time.sleep(0.02)
