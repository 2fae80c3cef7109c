#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_host - `headroom host`, in a mount namespace with an /etc and a /run of its own: never this machine's."""
import os
import pathlib
import re
import shutil
import signal
import subprocess

import lab

LOADER_FILE = pathlib.Path("/etc/ld.so.preload")
FOLDER = pathlib.Path("/run/headroom/host")
INSTALLED = pathlib.Path("/run/installed")
TAKEN_BACK = pathlib.Path("/run/headroom/host-taken-back")
PORT = 4471
FIRST_NETWORK = os.open("/proc/self/ns/net", os.O_RDONLY)


def begin():
    """An /etc that is a copy, and an installation that root alone can change."""
    lab.not_under_sanitizer("its runtime would have to be in every program")
    own = os.stat("/etc").st_ino
    copy = lab.scratch() / "etc"
    lab.own_run()
    if lab.run(["cp", "-a", "/etc", str(copy)]).status or lab.run(["mount", "--bind", str(copy), "/etc"]).status:
        raise lab.Skipped("no right to mount")
    if os.stat("/etc").st_ino == own:
        raise lab.Failed("/etc is this machine's")
    if LOADER_FILE.is_symlink() or LOADER_FILE.exists():
        LOADER_FILE.unlink()
    INSTALLED.mkdir()
    for name in ("headroom", "libheadroom.so"):
        shutil.copy(lab.BUILD / name, INSTALLED / name)
    if os.stat(INSTALLED).st_uid or lab.run(["setpriv", "--reuid", "65534", "--clear-groups", "true"]).status:
        raise lab.Skipped("no other user here, or headroom is not to be run by others")


def host(*words, **how):
    # The kernel tells of processes in its first network namespace alone; a case has one of its own.
    return lab.run(["nsenter", f"--net=/proc/{os.getpid()}/fd/{FIRST_NETWORK}", str(INSTALLED / "headroom"), "host", *words], **how)


def enable(*words, status=0, **how):
    done = host("enable", *words, **how)
    if done.status == 2 and "does not tell here how programs end" in done.stdout + done.stderr:
        raise lab.Skipped("no process events here")
    if done.status == 2 and "nobody watches" in done.stdout + done.stderr:
        said = host("watch")
        raise lab.Skipped(f"no process events here: {said.stderr.strip()}")
    if done.status != status:
        raise lab.Failed(f"exit status {done.status}, expected {status}\n{done}")
    return done


def says(done, *texts):
    for text in texts:
        if text not in done.stdout + done.stderr:
            raise lab.Failed(f"{text!r} is not said\n{done}")


def is_off():
    lab.equal("/etc/ld.so.preload", LOADER_FILE.is_symlink() or LOADER_FILE.exists(), False)
    lab.equal(str(FOLDER), FOLDER.exists(), False)


def at_work(name):
    """Does the shim count for a program of this name? By the table that HEADROOM_SUMMARY asks for."""
    client = f"import socket; socket.create_connection(('127.0.0.1', {PORT}))"
    done = lab.run(["bash", "-c", f"exec -a {name} {lab.PYTHON} -c \"$0\"", client], env={"HEADROOM_SUMMARY": "1"})
    lab.equal("exit status", done.status, 0)
    return "ports used by" in done.stderr


def included():
    """In every program, and at work in those of the list alone."""
    begin()
    says(enable("--include", "worker,other"), "every program that starts from now on")
    lab.equal("the link", os.readlink(LOADER_FILE), str(FOLDER / "ld.so.preload"))
    maps = lab.run(["cat", "/proc/self/maps"]).stdout
    lab.equal("is in cat", bool(re.search(r"r-xp .*/libheadroom\.so", maps)), True)
    with lab.Hold(PORT):
        lab.equal("at work in worker, thing, other", [at_work(name) for name in ("worker", "thing", "other")], [True, False, True])
    says(host("status"), "on: in every program", "  worker\n  other\n", "watched by process")
    says(host("disable"), "are without")
    is_off()
    with lab.Hold(PORT):
        lab.equal("at work afterwards", at_work("worker"), False)


def rules():
    begin()
    enable("--include", "worker", "--sources", "127.0.0.2-127.0.0.3")
    with lab.Hold(PORT):
        client = f"import socket; print(socket.create_connection(('127.0.0.1', {PORT})).getsockname()[0])"
        seen = {lab.run(["bash", "-c", f"exec -a {name} {lab.PYTHON} -c \"$0\"", client]).stdout.strip()
                for name in ("worker", "worker", "thing")}
    lab.equal("sources", seen <= {"127.0.0.1", "127.0.0.2", "127.0.0.3"} and "127.0.0.1" in seen and len(seen) > 1, True)
    host("disable")


def reboot():
    """/run is empty then: nothing is loaded, and the loader says nothing."""
    begin()
    enable("--include", "worker")
    watcher = int((FOLDER / "watcher").read_text())
    shutil.rmtree("/run/headroom")
    done = lab.run(["cat", "/proc/self/maps"])
    lab.equal("what the loader says", done.stderr, "")
    lab.equal("is in cat", "libheadroom" in done.stdout, False)
    says(host("status"), "off since the last boot")
    lab.wait_for(lambda: not alive(watcher), "the end of the watcher")
    enable("--include", "worker")
    host("disable")
    is_off()


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def crash(how=signal.SIGSEGV):
    subprocess.run(["sh", "-c", f"kill -{int(how)} $$"], check=False)


def taken_back():
    """Ten in a row that die of a crash; fewer, or with others in between, or by SIGTERM or with a status, are not enough."""
    begin()
    enable("--include", "worker")
    for _ in range(3):
        for _ in range(9):
            crash()
        subprocess.run(["true"], check=False)
    for _ in range(12):
        crash(signal.SIGTERM)
    for _ in range(12):
        subprocess.run(["false"], check=False)
    lab.equal("is on", LOADER_FILE.exists(), True)
    lab.equal("status", host("status").status, 0)
    for _ in range(10):
        crash(signal.SIGABRT)
    lab.wait_for(lambda: not LOADER_FILE.is_symlink(), "that it is taken back")
    lab.wait_for(TAKEN_BACK.exists, "the note")
    lab.equal("is in cat", "libheadroom" in lab.run(["cat", "/proc/self/maps"]).stdout, False)
    done = host("status")
    says(done, "taken back at", "10 programs in a row")
    lab.equal("exit status of status", done.status, 1)
    enable("--include", "worker")
    says(host("status"), "on: ")
    host("disable")


def a_shim_that_crashes():
    """Tried with programs before anything is written."""
    begin()
    source = lab.scratch() / "bad.c"
    source.write_text("#include <signal.h>\n__attribute__((constructor)) static void die(void) { raise(SIGSEGV); }\n")
    if lab.run(["cc", "-shared", "-fPIC", "-o", str(INSTALLED / "libheadroom.so"), str(source)]).status:
        raise lab.Skipped("no compiler")
    says(enable("--include", "worker", status=2), "nothing was changed", "under it ends with 139")
    is_off()


def crashes_after_all():
    """The trial went well, and every program crashes afterwards: the watcher needs none to take it back."""
    begin()
    enable("--include", "worker")
    source = lab.scratch() / "bad.c"
    source.write_text("#include <signal.h>\n__attribute__((constructor)) static void die(void) { raise(SIGSEGV); }\n")
    if lab.run(["cc", "-shared", "-fPIC", "-o", str(lab.scratch() / "bad.so"), str(source)]).status:
        raise lab.Skipped("no compiler")
    os.rename(lab.scratch() / "bad.so", lab.scratch() / "bad")
    shutil.copy(lab.scratch() / "bad", INSTALLED / "new.so")
    os.rename(INSTALLED / "new.so", INSTALLED / "libheadroom.so")
    tries = 0
    while LOADER_FILE.is_symlink() and tries < 1000:
        tries += 1
        subprocess.run(["true"], check=False)
    lab.equal("a program runs again", subprocess.run(["true"], check=False).returncode, 0)
    lab.equal("how many died, at least", tries >= 10, True)


def watcher_unit():
    """Where systemd runs the watcher is a unit of its own, which does not end with the session."""
    begin()
    pathlib.Path("/run/systemd/system").mkdir(parents=True)
    fake = lab.scratch() / "systemd"
    fake.mkdir()
    for name in ("systemctl", "systemd-run"):
        (fake / name).symlink_to(lab.HERE / "fake_systemd.py")
    enable("--include", "worker", env={"PATH": f"{fake}:{os.environ['PATH']}", "FAKE_SYSTEMD": str(fake)})
    asked = (fake / "sandbox").read_text().splitlines()
    lab.equal("the unit", {"--unit=headroom-host-watch.service", "--collect", "--property=Restart=on-failure"} <= set(asked), True)
    says(host("status"), "watched by process")
    watcher = int((FOLDER / "watcher").read_text())
    for _ in range(10):
        crash()
    lab.wait_for(lambda: not LOADER_FILE.is_symlink(), "that it is taken back")
    lab.wait_for(lambda: not alive(watcher), "the end of the watcher")
    host("disable")
    # One that is not started at all is replaced by a daemon.
    (fake / "systemd-run").unlink()
    (fake / "systemd-run").symlink_to("/bin/false")
    enable("--include", "worker", env={"PATH": f"{fake}:{os.environ['PATH']}", "FAKE_SYSTEMD": str(fake)})
    says(host("status"), "watched by process")
    host("disable")
    is_off()


def refused():
    begin()
    for words, text in (
            ([], "name the programs"), (["--include", ""], "name the programs"), (["--include", "a,,b"], "is not the name"),
            (["--include", "*"], "is not the name"), (["--include", "/bin/x"], "is not the name"),
            (["--include", "x", "--sources", "y"], "--sources"), (["--include", "x", "--rule", "/none"], "/none"),
            (["--include", "x", "--rule", "/none", "--sources", "auto"], "either --rule")):
        says(enable(*words, status=2), text)
    for words in (["enabel"], [], ["status", "x"]):
        lab.equal(f"exit status of {words}", host(*words).status, 2)
    LOADER_FILE.write_text("libm.so.6\n")
    says(enable("--include", "x", status=2), "with entries of others")
    lab.equal("the file of others", LOADER_FILE.read_text(), "libm.so.6\n")
    says(host("disable"), "was not enabled")
    lab.equal("the file of others", LOADER_FILE.read_text(), "libm.so.6\n")
    LOADER_FILE.unlink()
    for path, mode, text in ((INSTALLED / "libheadroom.so", 0o666, "can be changed by others"), (INSTALLED, 0o777, "can be changed by others"),
                             (INSTALLED, 0o700, "is not for everybody")):
        before = path.stat().st_mode
        path.chmod(mode)
        says(enable("--include", "x", status=2), text)
        path.chmod(before)
    done = lab.run(["setpriv", "--reuid", "65534", "--clear-groups", str(INSTALLED / "headroom"), "host", "enable", "--include", "x"])
    says(done, "needs root")
    is_off()


lab.main([
    ("in every program, at work in some", included),
    ("sources", rules),
    ("a reboot", reboot),
    ("ten in a row die by a signal", taken_back),
    ("a shim that crashes at once", a_shim_that_crashes),
    ("a shim that crashes later", crashes_after_all),
    ("the watcher as a unit", watcher_unit),
    ("refused", refused),
])
