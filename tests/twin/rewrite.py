# SPDX-License-Identifier: Apache-2.0
"""rewrite - a cgroup whose connections to one address are sent to one of two others, as Cilium and kube-proxy do it.

The program is five lines of BPF (BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT): where user_ip4 is the service's,
one of the two is put in its place, by chance.
"""
import ctypes
import os
import pathlib
import socket
import struct
import tempfile

SYS_bpf = {"x86_64": 321, "aarch64": 280}.get(os.uname().machine)
BPF_PROG_LOAD, BPF_PROG_ATTACH = 5, 8
CGROUP_SOCK_ADDR, INET4_CONNECT = 18, 10
GET_PRANDOM_U32 = 7
_libc = ctypes.CDLL(None, use_errno=True)


def _instruction(code, to=0, source=0, offset=0, number=0):
    return struct.pack("=BBhi", code, to | source << 4, offset, number)


def _number(address):
    return struct.unpack("=i", socket.inet_aton(address))[0]


def _program(service, first, second):
    return b"".join((
        _instruction(0xbf, 6, 1),                               # r6 = context
        _instruction(0x61, 0, 6, 4),                            # r0 = user_ip4
        _instruction(0x56, 0, 0, 6, _number(service)),          # if w0 != service goto end
        _instruction(0x85, number=GET_PRANDOM_U32),
        _instruction(0x57, 0, number=1),                        # r0 &= 1
        _instruction(0xb4, 1, number=_number(first)),           # w1 = first
        _instruction(0x15, 0, 0, 1, 0),                         # if r0 == 0 goto store
        _instruction(0xb4, 1, number=_number(second)),          # w1 = second
        _instruction(0x63, 6, 1, 4),                            # user_ip4 = w1
        _instruction(0xb7, 0, number=1),                        # end: r0 = 1
        _instruction(0x95),
    ))


def _bpf(command, attributes):
    result = _libc.syscall(SYS_bpf, command, attributes, len(attributes))
    if result < 0:
        raise OSError(ctypes.get_errno(), "bpf()")
    return result


class Rewrite:
    """The cgroup and its program, in a mount of cgroup2 below folder. Raises OSError where the machine does not have it."""

    def __init__(self, folder, words):
        service, *servers = words.split()
        top = pathlib.Path(folder, "cgroup")
        top.mkdir()
        if _libc.mount(b"none", str(top).encode(), b"cgroup2", 0, None):
            raise OSError(ctypes.get_errno(), "cgroup2")
        self._top = top
        self._group = pathlib.Path(tempfile.mkdtemp(prefix="headroom-twin-", dir=top))
        code = ctypes.create_string_buffer(_program(service, *servers))
        licence = ctypes.create_string_buffer(b"GPL")
        loaded = _bpf(BPF_PROG_LOAD, struct.pack("=IIQQIIQII16sII", CGROUP_SOCK_ADDR, (len(code) - 1) // 8,
                                                 ctypes.addressof(code), ctypes.addressof(licence), 0, 0, 0, 0, 0, b"twin", 0,
                                                 INET4_CONNECT))
        group = os.open(self._group, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        _bpf(BPF_PROG_ATTACH, struct.pack("=IIII", group, loaded, INET4_CONNECT, 0))
        os.close(group)
        os.close(loaded)

    def enter(self, pid):
        (self._group / "cgroup.procs").write_text(f"{pid}\n")

    def close(self):
        """Only when no process is in it any more."""
        self._group.rmdir()
