#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_doctor - `headroom doctor`: what reaches a program, what stands in the way, and who is let in by a server."""
import functools
import json
import os
import pathlib
import re
import shutil
import socket
import threading

import attached as attaching
import lab

LIBRARY = lab.BUILD / "libheadroom.so"
SLEEPS = [lab.PYTHON, "-c", "import sys; print('ready', flush=True); sys.stdin.read()"]


def doctor(*words, statuses=(0, 1, 3), **how):
    """Return: {about: [(level, text, todo)]}, the exit status."""
    lines = lab.run([str(lab.HEADROOM), "doctor", *words], **how)
    done = lab.run([str(lab.HEADROOM), "doctor", "--json", *words], **how)
    if done.status not in statuses or lines.status != done.status:
        raise lab.Failed(f"doctor {' '.join(words)}: {done}\n{lines}")
    found = {}
    for one in json.loads(done.stdout)["findings"]:
        found.setdefault(one["about"], []).append((one["level"], one["text"], one.get("todo", "")))
    lab.equal("a line for each", len(lines.stdout.splitlines()), 1 + sum(map(len, found.values())))
    bad = any(level == "bad" for some in found.values() for level, *_ in some)
    lab.equal("exit status", done.status == 1, bad)
    return found


def says(found, about, level, pattern, todo=""):
    if not any(l == level and re.search(pattern, text) and re.search(todo, do) for l, text, do in found.get(about, [])):
        raise lab.Failed(f"{about}: no `{level}` with {pattern!r}, {todo!r}: {found}")


def running(command=tuple(SLEEPS), **how):
    process = lab.Process(list(command), stdin=True, **how)
    lab.wait_for(lambda: "ready" in process.stdout(), "the program", process)
    return process


def programs():
    says(doctor(lab.PYTHON), "program", "ok", "the shim reaches it")
    script = lab.scratch() / "script"
    script.write_text(f"#!{lab.PYTHON}\n")
    script.chmod(0o755)
    says(doctor(str(script)), "program", "ok", "the shim reaches it")
    script.write_text("#!/nowhere/python\n")
    says(doctor(str(script)), "program", "bad", "interpreter /nowhere/python is missing")
    static = lab.BUILD / "tests/system/attach_raw"
    if static.exists():
        says(doctor(str(static)), "program", "bad", "statically linked", "headroom attach")
    for words, told in ((["nonsense-it-is"], "neither a process"), (["999999999"], "no such process"), ([], "expected one"),
                        (["--host", "x"], "takes no program"), (["--sources", "10.0.0.x", "--host"], "--sources"),
                        (["--host", "--connect", "x"], "expected HOST:PORT")):
        done = lab.run([str(lab.HEADROOM), "doctor", *words])
        lab.equal(f"{words}: {done}", (done.status, told in done.stderr, done.stdout), (2, True, ""))


def processes():
    with running() as plain:
        found = doctor(str(plain.pid))
        says(found, "program", "ok", "the shim reaches it")
        says(found, "shim", "bad", "not loaded", "headroom run")
    with running(shim={}) as shimmed:
        says(doctor(str(shimmed.pid)), "shim", "ok", "^loaded; no counts")
    connects = [lab.PYTHON, "-c", f"""
import socket, sys
some = [socket.create_connection(("127.0.0.1", 5000)) for i in range(7)]
print("ready", flush=True)
sys.stdin.read()"""]
    with lab.Hold(5000), running(connects, shim={}) as client:
        says(doctor(str(client.pid), env={"HEADROOM_STATE_DIR": str(lab.state())}), "shim", "ok",
             r"^loaded, counts since 20\d\d-\d\d-\d\dT\S+Z: 7 connections")


def environments():
    lab.not_under_sanitizer("its runtime has to be the first of LD_PRELOAD")
    with running(env={"LD_PRELOAD": str(LIBRARY), "HEADROOM_DISABLE": "1"}) as process:
        says(doctor(str(process.pid)), "shim", "bad", "HEADROOM_DISABLE")
    with running(env={"LD_PRELOAD": "/nowhere/libheadroom.so"}) as process:
        says(doctor(str(process.pid)), "preload", "bad", "/nowhere/libheadroom.so is not there")
    other = next(str(p) for p in (lab.BUILD / "tests/system").glob("libbeside.so"))
    with running(env={"LD_PRELOAD": f"{LIBRARY}:{other}"}) as process:
        found = doctor(str(process.pid))
        says(found, "preload", "note", "libbeside.so is in LD_PRELOAD too")
        says(found, "shim", "ok", "loaded")
    lab.own_memory_files()
    place = pathlib.Path("/run")  # what is mounted in the case's own folder could not be removed
    lab.call("mount", b"none", str(place).encode(), b"tmpfs", 8, None)  # MS_NOEXEC
    shutil.copy(LIBRARY, place / "libheadroom.so")
    with running(env={"LD_PRELOAD": str(place / "libheadroom.so")}) as process:
        says(doctor(str(process.pid)), "preload", "bad", "mounted noexec")


def sandboxes():
    lets_all = [lab.PYTHON, "-c", """
import ctypes, sys
libc = ctypes.CDLL(None)
code = (ctypes.c_uint64 * 1)(0x7fff000000000006)  # BPF_RET | BPF_K, SECCOMP_RET_ALLOW
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
program = Program(1, ctypes.addressof(code))
assert not libc.prctl(38, 1, 0, 0, 0) and not libc.prctl(22, 2, ctypes.byref(program), 0, 0)
print("ready", flush=True)
sys.stdin.read()"""]
    with running(lets_all) as process:
        says(doctor(str(process.pid)), "seccomp", "note", "filter", "name the sources")
    with running(["unshare", "-n", *SLEEPS]) as process:
        found = doctor(str(process.pid))
        says(found, "network", "note", "another network namespace")
        # Not ours, which is smaller.
        says(found, "range", "ok", "28232 ports")
    with running(["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc/sys && exec "$@"', "sh", *SLEEPS]) as process:
        found = doctor(str(process.pid))
        says(found, "proc", "bad", "/proc/sys is hidden")
        says(found, "files", "note", "another mount namespace")


def host():
    found = doctor("--host")
    says(found, "range", "note", "40000-40099: few ports, 100 for each")
    lab.sysctl("ipv4/ip_unprivileged_port_start", 0)
    lab.ports(900, 40000, "1000-20000")
    found = doctor("--host")
    says(found, "range", "bad", "below 1024")
    says(found, "reserved", "note", "19001 of its ports")
    lab.sysctl("ipv4/tcp_tw_reuse", 1)
    says(doctor("--host"), "timewait", "ok", "taken over after 1000 ms")
    lab.sysctl("ipv4/tcp_max_tw_buckets", 1000)
    says(doctor("--host"), "timewait", "note", "tcp_max_tw_buckets is 1000")
    says(doctor("--host"), "conntrack", "ok", "")


def disabled():
    lab.own_memory_files()
    lab.call("mount", b"none", b"/run", b"tmpfs", 0, b"mode=755")
    os.mkdir("/run/headroom", 0o711)
    with open("/run/headroom/disabled", "w", encoding="ascii"):
        pass
    says(doctor("--host"), "shim", "bad", "disabled by", "headroom enable")


def server(sort):
    """A server that lets some in: what it does to the others."""
    listener = socket.create_server(("::1" if sort == "IPv6" else "127.0.0.9", 5000), backlog=64,
                                    family=socket.AF_INET6 if sort == "IPv6" else socket.AF_INET)
    kept = []

    def serve():
        while True:
            one, (source, *_) = listener.accept()
            if source == "127.0.0.3":
                one.sendall(b"-DENIED not you\r\n")
                one.close()
            elif source == "127.0.0.4":
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                one.close()
            else:
                kept.append(one)

    threading.Thread(target=serve, daemon=True).start()
    if sort == "IPv6":
        found = doctor("--host", "--connect", "[::1]:5000", "--sources", "::1,127.0.0.1")
        says(found, "server", "note", "from 2 sources")
        says(found, "server", "ok", "^::1: let in after")
        return
    found = doctor("--host", "--connect", "127.0.0.9:5000", "--sources", "127.0.0.2-127.0.0.5,10.9.9.9")
    says(found, "server", "ok", "^the kernel's source: let in after")
    says(found, "server", "ok", "^127.0.0.2: let in after")
    says(found, "server", "ok", "^127.0.0.5: let in after")
    says(found, "server", "bad", "^127.0.0.3: connected, and closed at once.*: -DENIED not you", "explain sources")
    says(found, "server", "bad", "^127.0.0.4: connected, and closed at once by a reset", "explain sources")
    says(found, "server", "bad", "^10.9.9.9: not an address of this host", "ip address add")
    found = doctor("--host", "--connect", "127.0.0.9:5001", "--sources", "127.0.0.2")
    says(found, "server", "bad", "^127.0.0.2: Connection refused", "is the server there")
    says(doctor("--host", "--connect", "127.0.0.9:5000"), "server", "note", "from 2 sources")


def no_answer():
    """No ARP reply comes: the kernel says so before we do, or we do."""
    with lab.far_network(["10.9.0.1/24"], "10.9.0.2/24"):
        found = doctor("--host", "--connect", "10.9.0.7:5000", "--sources", "10.9.0.1")
    says(found, "server", "bad", r"^10.9.0.1: (no answer in 3 s|No route to host)", "is the server there")


def public():
    """A private source and a public server: there is NAT on the way, says the doctor."""
    with lab.far_network(["10.9.0.1/24"], "198.51.100.7/24") as far, lab.Hold(5000, inside=far):
        lab.ip("route", "add", "10.9.0.0/24", "dev", "far0", inside=far)
        lab.ip("route", "add", "198.51.100.0/24", "dev", "near0", "src", "10.9.0.1")
        says(doctor("--host", "--connect", "198.51.100.7:5000", "--sources", "10.9.0.1"), "nat", "note",
             "10.9.0.1 is private and the server is not")


# What `systemctl show` prints: stood in for by a script.
UNIT = """#!/bin/sh
cat <<'END'
LoadState={load}
MainPID={pid}
ExecStart={{ path={path} ; argv[]={path} ; }}
{more}
END
"""


def unit(more, load="loaded", path=lab.PYTHON, pid=0):
    script = lab.scratch() / "bin" / "systemctl"
    script.parent.mkdir(exist_ok=True)
    script.write_text(UNIT.format(load=load, pid=pid, path=path, more=more))
    script.chmod(0o755)
    return {"PATH": f"{script.parent}:/usr/bin:/bin"}


def units():
    # Where systemd runs, this folder is there.
    lab.own_run()
    pathlib.Path("/run/systemd/system").mkdir(parents=True)
    with running() as process:
        found = doctor("some.service", env=unit("", pid=process.pid))
        says(found, "unit", "ok", "nothing in the unit")
        says(found, "shim", "bad", "not loaded", "^headroom service enable some.service$")
    found = doctor("some.service", "--sources", "auto", env=unit("RestrictAddressFamilies=AF_INET AF_INET6"))
    says(found, "unit", "bad", "AF_NETLINK")
    says(found, "process", "note", "does not run")
    says(doctor("some.service", env=unit("ProcSubset=pid")), "unit", "note", "ProcSubset")
    done = lab.run([str(lab.HEADROOM), "doctor", "some.service"], env=unit("", load="not-found"))
    lab.equal("exit status", (done.status, "no such unit" in done.stderr), (2, True))


def attached():
    """Then it is no bad news that the shim is not loaded."""
    with attaching.cgroup() as folder:
        attaching.attach(folder)
        with running(["sh", "-c", f'echo $$ > {folder}/cgroup.procs; exec "$@"', "sh", *SLEEPS]) as process:
            found = doctor(str(process.pid))
            says(found, "attach", "ok", re.escape(str(folder)))
            says(found, "shim", "note", "not loaded")
        attaching.detach(folder)


def other_user():
    lab.own_memory_files()
    try:
        os.chown("/dev/shm", 1000, 1000)
        os.chown("/dev/shm", 0, 0)
    except OSError as why:
        raise lab.Skipped("no other user here") from why
    with running() as process:
        wrap = ["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups"]
        done = lab.run([*wrap, str(lab.HEADROOM), "doctor", str(process.pid)])
    lab.equal(f"{done}: exit status", (done.status, "ask as root" in done.stdout), (3, True))


def bypass():
    """A library that is bound past every preload is named; the program itself, and the same library loaded as usual, are not."""
    plugin = lab.BUILD / "tests/system/libplugin.so"
    loads = "import ctypes, os, sys; ctypes.CDLL(sys.argv[1], mode=os.RTLD_NOW | %s); print('ready', flush=True); sys.stdin.read()"
    for mode, named in (("os.RTLD_DEEPBIND", True), ("0", False)):
        with running([lab.PYTHON, "-c", loads % mode, str(plugin)], shim={}) as process:
            found = doctor(str(process.pid))
            lab.equal(f"{mode}: {found}", "bypass" in found, named)
            if named:
                says(found, "bypass", "bad", r"^libplugin\.so: loaded with RTLD_DEEPBIND", "headroom attach")


lab.main([
    ("programs, and mistakes", programs),
    ("processes", processes),
    ("what the environment says", environments),
    # AddressSanitizer's runtime refuses RTLD_DEEPBIND.
    *([] if lab.SANITIZER else [("a library past the shim", bypass)]),
    ("sandboxes and namespaces", sandboxes),
    ("this machine", host),
    ("disabled", disabled),
    *((f"who is let in, {sort}", functools.partial(server, sort)) for sort in ("IPv4", "IPv6")),
    ("a server that is not there", no_answer),
    ("NAT on the way", public),
    ("units", units),
    ("attached", attached),
    ("a process of another user", other_user),
])
