# SPDX-License-Identifier: Apache-2.0
"""without_option - this kernel as one without IP_LOCAL_PORT_RANGE: a BPF program on a cgroup refuses the option.

Needs root, cgroup v2 and Linux 5.18 (bpf_set_retval). The processes in the cgroup get ENOPROTOOPT, as from a kernel
that does not know the option; all else stays what this kernel does. Numbers are those of linux/bpf.h.
"""
import contextlib
import ctypes
import errno
import os
import pathlib
import re
import struct

LABEL = " without IP_LOCAL_PORT_RANGE"
SYS_BPF = {"x86_64": 321, "aarch64": 280}
PROG_LOAD, PROG_ATTACH, CGROUP_SOCKOPT = 5, 8, 25
HOOKS = (21, 22)  # BPF_CGROUP_GETSOCKOPT, BPF_CGROUP_SETSOCKOPT
SOL_IP, IP_LOCAL_PORT_RANGE = 0, 51
LEVEL, OPTNAME = 24, 28  # offsets in struct bpf_sockopt
# code, registers (source << 4 | destination), jump or offset, value
PROGRAM = b"".join(struct.pack("<BBhi", *instruction) for instruction in (
    (0x61, 0x12, LEVEL, 0),  # r2 = level
    (0x55, 0x02, 6, SOL_IP),  # another: allow
    (0x61, 0x12, OPTNAME, 0),  # r2 = optname
    (0x55, 0x02, 4, IP_LOCAL_PORT_RANGE),  # another: allow
    (0xb7, 0x01, 0, -errno.ENOPROTOOPT),
    (0x85, 0x00, 0, 187),  # bpf_set_retval(r1)
    (0xb7, 0x00, 0, 0),  # refuse
    (0x95, 0x00, 0, 0),
    (0xb7, 0x00, 0, 1),  # allow
    (0x95, 0x00, 0, 0)))

_libc = ctypes.CDLL(None, use_errno=True)


def _bpf(command, attributes):
    result = _libc.syscall(SYS_BPF[os.uname().machine], command, attributes, len(attributes))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"bpf command {command}: {os.strerror(number)}")
    return result


def _attach(folder):
    """The programs stay for as long as the cgroup does."""
    code, license_ = ctypes.create_string_buffer(PROGRAM), ctypes.create_string_buffer(b"Apache-2.0")
    group = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    for hook in HOOKS:
        program = _bpf(PROG_LOAD, struct.pack("=IIQQIIQII16sII", CGROUP_SOCKOPT, len(PROGRAM) // 8,
                                              ctypes.addressof(code), ctypes.addressof(license_), 0, 0, 0, 0, 0,
                                              b"without_option", 0, hook))
        _bpf(PROG_ATTACH, struct.pack("=IIII", group, program, hook, 0))
        os.close(program)
    os.close(group)


@contextlib.contextmanager
def refused():
    """Within it this process and those it starts are refused the option."""
    mounted = re.search(r"^\S+ (\S+) cgroup2 ", pathlib.Path("/proc/self/mounts").read_text(), re.M)
    if not mounted:
        raise OSError(errno.ENOENT, "no cgroup v2 is mounted")
    before = pathlib.Path(mounted[1] + re.search(r"^0::(.*)$", pathlib.Path("/proc/self/cgroup").read_text(), re.M)[1])
    folder = before / f"headroom-{os.getpid()}"
    folder.mkdir()
    try:
        _attach(folder)
        (folder / "cgroup.procs").write_text("0")
        yield
    finally:
        (before / "cgroup.procs").write_text("0")
        folder.rmdir()
