#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_service - `headroom service` over a systemd that answers as the test says. With the real one: tests/services."""
import json
import os
import pathlib
import struct

import lab

UNIT = "worker.service"
FOLDER = pathlib.Path(f"/run/systemd/system/{UNIT}.d")
DROP_IN = FOLDER / "50-headroom.conf"
MARK = "# Written by `headroom service enable`; `headroom service disable` takes it away."
USUAL = {"Id": UNIT, "LoadState": "loaded", "ActiveState": "active", "SubState": "running", "Result": "success", "NRestarts": "0",
         "ExecMainStatus": "0", "MainPID": "0", "Environment": "", "ExecStart": "{ path=/bin/sleep ; argv[]=/bin/sleep 9 ; }"}


def state_folder():
    return lab.scratch() / "systemd"


def begin(**values):
    lab.own_run()
    pathlib.Path("/run/systemd/system").mkdir(parents=True)
    state_folder().mkdir()
    for name in ("systemctl", "systemd-run"):
        (state_folder() / name).symlink_to(lab.HERE / "fake_systemd.py")
    (state_folder() / UNIT).write_text("".join(f"{key}={value}\n" for key, value in {**USUAL, **values}.items() if value is not None))


def service(*words, **env):
    return lab.run([str(lab.HEADROOM), "service", *words], env={
        "PATH": f"{state_folder()}:{os.environ['PATH']}", "FAKE_SYSTEMD": str(state_folder()), "FAKE_SANITIZER": lab.SANITIZER, **env})


def enable(*words, status=0, **env):
    done = service("enable", UNIT, "--runtime", "--watch", "0.3", *words, **env)
    if done.status != status:
        raise lab.Failed(f"exit status {done.status}, expected {status}\n{done}")
    return done


def calls():
    path = state_folder() / "log"
    return path.read_text().splitlines() if path.exists() else []


def shim():
    return str((lab.BUILD / "libheadroom.so").resolve())


def says(done, *texts):
    for text in texts:
        if text not in done.stdout + done.stderr:
            raise lab.Failed(f"{text!r} is not said\n{done}")


def nothing_left():
    lab.equal("files", [str(path) for path in pathlib.Path("/run/systemd/system").rglob("*")], [])


def enables():
    begin()
    enable("--sources", "127.0.0.1-127.0.0.2", "--spread", "even")
    lab.equal("the drop-in", DROP_IN.read_text().splitlines(), [
        MARK, "[Service]", f'Environment="LD_PRELOAD={shim()}"', 'Environment="HEADROOM_SPREAD=even"',
        'Environment="HEADROOM_SOURCES=127.0.0.1-127.0.0.2"'])
    lab.equal("its mode", oct(DROP_IN.stat().st_mode & 0o777), "0o644")
    lab.equal("what systemd was told", calls(), ["daemon-reload", f"restart {UNIT}"])


def enabled_again():
    """The second replaces the first, and the shim is in front once."""
    begin()
    enable("--sources", "127.0.0.1")
    enable("--no-restart")
    lab.equal("the drop-in", DROP_IN.read_text().splitlines()[2:], [f'Environment="LD_PRELOAD={shim()}"'])
    lab.equal("restarts", [call for call in calls() if "restart" in call], [f"restart {UNIT}"])


def not_running():
    begin(ActiveState="inactive")
    says(enable(), "from its next start on")
    lab.equal("what systemd was told", calls(), ["daemon-reload"])


def merged():
    """What the unit preloads by itself stays, behind the shim."""
    begin(Environment='A=1 "LD_PRELOAD=libm.so.6:/old/libheadroom.so" "B=two words"')
    enable()
    says(lab.run(["cat", str(DROP_IN)]), f'"LD_PRELOAD={shim()}:libm.so.6"\n')


def merged_by_file():
    """An EnvironmentFile= goes before Environment=, so there it is merged by a file, too."""
    lab.scratch()
    begin()
    (lab.scratch() / "own.env").write_text("# LD_PRELOAD=no\nLD_PRELOAD='libm.so.6'\n")
    with open(state_folder() / UNIT, "a", encoding="utf-8") as unit:
        unit.write(f"EnvironmentFiles={lab.scratch()}/own.env (ignore_errors=no)\n")
    enable()
    lab.equal("the drop-in", DROP_IN.read_text().splitlines()[2:], [f"EnvironmentFile={FOLDER}/50-headroom.env"])
    lab.equal("the other file", (FOLDER / "50-headroom.env").read_text(), f'LD_PRELOAD="{shim()}:libm.so.6"\n')
    enable("--sources", "127.0.0.1")
    lab.equal("the other file, once more", (FOLDER / "50-headroom.env").read_text(), f'LD_PRELOAD="{shim()}:libm.so.6"\n')
    with open(state_folder() / UNIT, "a", encoding="utf-8") as unit:
        unit.write("Fails=now\n")
    enable(status=1)
    lab.equal("after a failure", sorted(path.name for path in FOLDER.iterdir()), ["50-headroom.conf", "50-headroom.env"])
    service("disable", UNIT)
    nothing_left()


def signs():
    """What systemd would put another text for is written so that it does not."""
    begin()
    rule = lab.scratch() / '50% "x".rules'
    rule.write_text("[to *:6379]\nsources = 127.0.0.1\n")
    enable("--rule", str(rule))
    says(lab.run(["cat", str(DROP_IN)]), str(rule).replace("%", "%%").replace('"', '\\"'))
    listed = json.loads(service("list", "--json").stdout)
    lab.equal("listed", [(one["unit"], one["rule"], one["until_reboot"]) for one in listed["services"]], [(UNIT, str(rule), True)])


def stands_in_the_way():
    """Each is said, `headroom attach` is offered, and nothing is written."""
    begin()
    script = lab.scratch() / "static"
    script.write_bytes(pathlib.Path("/bin/sleep").read_bytes()[:64] + bytes(4096))
    script.chmod(0o755)
    for values, words, text in (
            ({"ExecStart": None}, [], "no ExecStart="),
            ({"ExecStart": f"{{ path={script} ; }}"}, [], str(script)),
            ({"RootDirectory": "/srv"}, [], "another root folder"),
            ({"SystemCallFilter": "connect socket read"}, ["--sources", "127.0.0.1"], "let in bind()"),
            ({"SystemCallFilter": "~setsockopt"}, ["--sources", "127.0.0.1"], "let in setsockopt()"),
            ({"RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX"}, ["--sources", "auto"], "AF_NETLINK"),
            ({"RestrictAddressFamilies": "~AF_NETLINK"}, ["--sources", "auto"], "AF_NETLINK"),
            ({"RestrictAddressFamilies": "AF_UNIX"}, [], "no connection by TCP"),
            ({"PrivateNetwork": "yes"}, ["--sources", "127.0.0.1"], "loopback alone"),
            ({"UnsetEnvironment": "LD_PRELOAD"}, [], "takes LD_PRELOAD out")):
        (state_folder() / UNIT).write_text("".join(f"{k}={v}\n" for k, v in {**USUAL, **values}.items() if v is not None))
        says(enable(*words, status=2), text, f"headroom attach {UNIT}", "nothing was changed")
        lab.equal(f"what systemd was told with {values}", calls(), [])
        nothing_left()


# struct vfs_cap_data (linux/capability.h): revision 2, effective; CAP_NET_BIND_SERVICE may be had.
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)


def more_rights():
    """The loader drops LD_PRELOAD for a program that has more rights than who starts it."""
    begin()
    restarts = []
    for what, mode, capability in (("is set-user-ID", 0o4755, None), ("is set-user-ID or set-group-ID", 0o2755, None),
                                   ("has file capabilities", 0o755, CAPABILITY)):
        program = lab.scratch() / "more"
        program.unlink(missing_ok=True)
        program.write_bytes(pathlib.Path("/bin/sleep").read_bytes())
        program.chmod(mode)
        try:
            if capability:
                os.setxattr(program, "security.capability", capability)
        except OSError as refused:
            raise lab.Skipped(f"no file capabilities here: {refused}") from None
        for values, stops in (({"User": "nobody"}, True), ({"DynamicUser": "yes"}, True), ({"User": "root"}, False), ({}, False),
                              ({"User": "nobody", "NoNewPrivileges": "yes"}, bool(capability))):
            values = {**USUAL, "ExecStart": f"{{ path={program} ; }}", **values}
            (state_folder() / UNIT).write_text("".join(f"{k}={v}\n" for k, v in values.items()))
            done = service("enable", UNIT, "--runtime", "--watch", "0.3")
            lab.equal(f"{what}, {values}", (what in done.stderr, done.status), (stops, 2 * stops))
            if stops:
                says(done, "the loader ignores LD_PRELOAD", f"headroom attach {UNIT}", "nothing was changed")
                lab.equal("restarts", [call for call in calls() if "restart" in call], restarts)
            else:
                service("disable", UNIT)
            restarts = [call for call in calls() if "restart" in call]


def notes():
    """What is less than perfect does not stop it."""
    begin(ProcSubset="pid", SystemCallFilter="bind connect getsockname getsockopt setsockopt", MemoryDenyWriteExecute="yes")
    says(enable("--sources", "127.0.0.1"), "note: ProcSubset=pid")
    sandbox = (state_folder() / "sandbox").read_text().splitlines()
    lab.equal("the trial's sandbox", {"ProcSubset=pid", "MemoryDenyWriteExecute=yes"} <= set(sandbox), True)


def trial_refused():
    begin()
    says(enable(status=2, FAKE_LOADER="denies"), "in its sandbox the shim does not work")
    nothing_left()
    enable("--force", FAKE_LOADER="denies")


def rolled_back(fails, text):
    def case():
        begin(Fails=fails)
        says(enable(status=1), text, "taken back, and restarted as it was")
        nothing_left()
        lab.equal("what systemd was told", calls(), [
            "daemon-reload", f"restart {UNIT}", "daemon-reload", f"reset-failed {UNIT}", f"restart {UNIT}"])
    return case


def rolled_back_to_the_one_before():
    begin()
    enable("--sources", "127.0.0.1")
    before = DROP_IN.read_text()
    with open(state_folder() / UNIT, "a", encoding="utf-8") as unit:
        unit.write("Fails=now\n")
    enable("--sources", "127.0.0.2", status=1)
    lab.equal("the drop-in", DROP_IN.read_text(), before)


def last_word():
    """Another drop-in whose name comes later replaces our LD_PRELOAD."""
    begin()
    FOLDER.mkdir(parents=True)
    (FOLDER / "90-own.conf").write_text("[Service]\nEnvironment=LD_PRELOAD=libm.so.6\n")
    says(enable(status=1), "another drop-in, of a later name")
    lab.equal("files", [path.name for path in FOLDER.iterdir()], ["90-own.conf"])


def foreign():
    begin()
    FOLDER.mkdir(parents=True)
    DROP_IN.write_text("[Service]\n")
    says(enable(status=2), "not of this command")
    lab.equal("disable", service("disable", UNIT).status, 2)
    lab.equal("the file", DROP_IN.read_text(), "[Service]\n")


def disables():
    begin()
    enable("--sources", "127.0.0.1")
    says(service("list"), f"{UNIT}, sources 127.0.0.1, until the next boot: without the shim: restart it")
    says(service("disable", "worker"), f"removed {DROP_IN}")
    nothing_left()
    lab.equal("the last call", calls()[-1], "daemon-reload")
    says(service("list"), "no service has the shim")
    done = service("disable", UNIT)
    lab.equal("once more", done.status, 2)
    says(done, "is not enabled")
    enable()
    lab.equal("all", service("disable", "--all").status, 0)
    nothing_left()


def dry_run():
    begin()
    says(enable("--dry-run", "--sources", "127.0.0.1"), f"# {DROP_IN}", MARK, "HEADROOM_SOURCES=127.0.0.1")
    nothing_left()


def without_systemd():
    """In a container, say: one line, with what to do; a drop-in that is there can be taken away."""
    begin()
    pathlib.Path("/run/systemd/system").rmdir()
    done = service("enable", UNIT)
    lab.equal("enable", (done.status, done.stdout, done.stderr), (2, "", (
        f"headroom: {UNIT}: systemd does not run here: start the program by `headroom run -- COMMAND`, or reach one that runs by "
        "`headroom attach pid:PID --sources LIST`\n")))
    lab.equal("enable as a dry run", service("enable", UNIT, "--dry-run").status, 2)
    says(service("list"), "no service has the shim; systemd does not run here")
    says(service("disable", UNIT), "is not enabled")
    kept = pathlib.Path("/etc/systemd/system")
    if not kept.is_dir() or lab.run(["mount", "-t", "tmpfs", "none", str(kept)]).status:
        return "no /etc/systemd/system here, or no right to mount: disable was not tried"
    (kept / f"{UNIT}.d").mkdir()
    (kept / f"{UNIT}.d/50-headroom.conf").write_text(f"{MARK}\n[Service]\n")
    done = service("disable", UNIT)
    lab.equal("disable", (done.status, done.stdout, done.stderr), (0, f"removed {kept}/{UNIT}.d/50-headroom.conf\n", ""))
    lab.equal("left", list(kept.iterdir()), [])
    lab.equal("what systemd was told", calls(), [])
    return "and disable"


def mistakes():
    begin()
    for words, text in (
            (["enable"], "expected one UNIT"), (["enable", "none"], "knows no such unit"), (["enable", "a.socket"], "name a service"),
            (["enable", "a@.service"], "is a template"), (["enable", "../x"], "is not the name of a unit"),
            (["enable", UNIT, "--sources", "x"], "--sources"), (["enable", UNIT, "--rule", "/none"], "/none"),
            (["enable", UNIT, "--spread", "even"], "nothing to spread over"), (["disable"], "expected one UNIT, or --all"),
            (["disable", UNIT, "--all"], "expected one UNIT, or --all"), (["list", "x"], "one word too many"),
            (["enabel", UNIT], "expected enable, disable or list"), ([], "expected enable, disable or list"),
            (["enable", UNIT, "--sorces", "auto"], "did you mean `--sources`")):
        done = service(*words)
        lab.equal(f"exit status of {words}", done.status, 2)
        says(done, text)
    nothing_left()


lab.main([
    ("enable", enables),
    ("enabled again", enabled_again),
    ("a service that does not run", not_running),
    ("LD_PRELOAD of its own", merged),
    ("LD_PRELOAD of its own, by a file", merged_by_file),
    ("signs that systemd reads", signs),
    ("what stands in the way", stands_in_the_way),
    ("more rights than its user has", more_rights),
    ("what does not stop it", notes),
    ("the trial fails", trial_refused),
    ("its start fails", rolled_back("now", "Job for worker.service failed")),
    ("it is started again and again", rolled_back("later", "systemd starts it again")),
    ("back to the one before", rolled_back_to_the_one_before),
    ("another has the last word", last_word),
    ("a file of another", foreign),
    ("disable, list", disables),
    ("dry run", dry_run),
    ("without systemd", without_systemd),
    ("mistakes", mistakes),
])
