#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""fake_systemd - systemctl and systemd-run as far as `headroom service` asks them; called by either name.

In $FAKE_SYSTEMD: a file NAME for each unit, with lines as of `systemctl show`; `log`, a line for each call that changes
something; NAME.drop-in, what daemon-reload has read of its drop-ins. In a unit's file Fails= says what becomes of a start
with the shim: `now` (restart fails), `later` (it is started again and again), or nothing."""
import os
import pathlib
import subprocess
import sys

STATE = pathlib.Path(os.environ["FAKE_SYSTEMD"])
SYSTEM = pathlib.Path("/run/systemd/system")


def lines_of(name):
    path = STATE / name
    return path.read_text().splitlines() if path.exists() else ["LoadState=not-found"]


def value(name, key):
    return next((line.split("=", 1)[1] for line in lines_of(name) if line.startswith(key + "=")), "")


def put(name, **values):
    lines = [line for line in lines_of(name) if line.split("=")[0] not in values]
    (STATE / name).write_text("".join(f"{line}\n" for line in [*lines, *(f"{k}={v}" for k, v in values.items())]))


def loaded(name, key):
    path = STATE / f"{name}.drop-in"
    return [line.split("=", 1)[1] for line in path.read_text().splitlines() if line.startswith(key + "=")] if path.exists() else []


def show(name, only):
    for line in lines_of(name):
        key = line.split("=")[0]
        if key == "Environment":
            line = " ".join([line, *loaded(name, key)])
        if not only or key == only:
            print(line)
    for path in [] if only else loaded(name, "EnvironmentFile"):
        print(f"EnvironmentFiles={path} (ignore_errors=no)")


def reload():
    for unit in STATE.glob("*.service"):
        texts = [path.read_text() for path in sorted((SYSTEM / f"{unit.name}.d").glob("*.conf"))]
        (STATE / f"{unit.name}.drop-in").write_text("".join(texts))


def restart(name):
    fails = value(name, "Fails") if "headroom" in (STATE / f"{name}.drop-in").read_text() else ""
    if fails == "now":
        put(name, ActiveState="failed", Result="exit-code", ExecMainStatus="127")
        print(f"Job for {name} failed because the control process exited with error code.", file=sys.stderr)
        sys.exit(1)
    put(name, ActiveState="activating" if fails else "active", SubState="auto-restart" if fails else "running", Result="success",
        ExecMainStatus="5" if fails else "0")


def systemctl(verb, *words):
    if verb == "show":
        only = words[words.index("-p") + 1] if "-p" in words else None
        return show(words[-1], only)
    with open(STATE / "log", "a", encoding="utf-8") as log:
        print(verb, *words, file=log)
    if verb == "daemon-reload":
        reload()
    elif verb == "restart":
        restart(*words)


def systemd_run(*words):
    """Runs the command; what stands before -- is kept for the test to see."""
    end = words.index("--")
    (STATE / "sandbox").write_text("\n".join(words[:end]))
    settings = dict(word.removeprefix("--setenv=").split("=", 1) for word in words[:end] if word.startswith("--setenv="))
    if os.environ.get("FAKE_SANITIZER") and "LD_PRELOAD" in settings:
        settings["LD_PRELOAD"] = os.environ["FAKE_SANITIZER"] + ":" + settings["LD_PRELOAD"]
    if os.environ.get("FAKE_LOADER") == "denies":
        settings.pop("LD_PRELOAD", None)
    program = words[end + 1:]
    if any(word.startswith("--unit=") for word in words[:end]):
        # A unit that stays: systemd-run is back when it was started.
        null = subprocess.DEVNULL
        subprocess.Popen(program, env={"PATH": "/bin", **settings}, stdin=null, stdout=null, stderr=null, start_new_session=True)
        return
    os.execve(program[0], program, {"PATH": "/bin", "LC_ALL": "C", "ASAN_OPTIONS": "detect_leaks=0", **settings})


if pathlib.Path(sys.argv[0]).name == "systemctl":
    systemctl(*sys.argv[1:])
else:
    systemd_run(*sys.argv[1:])
