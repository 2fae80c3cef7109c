#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_usage - usage segments and `headroom report`: what they say is what the kernel counts, whatever happens to the
process, and no trouble with the files becomes the program's.
"""
import contextlib
import json
import os
import pathlib
import re
import shlex
import signal
import struct
import tempfile
import time

import lab
from sock_diag import tuples

PORT = 5000
CLIENT = [lab.PYTHON, str(lab.HERE / "clients/steered.py")]


class Steered(lab.Process):
    """A client that does what it is told (clients/steered.py)."""

    def __init__(self, wrap=(), command=CLIENT, **shim):
        self.answers = 0
        super().__init__([*wrap, *command], shim, stdin=True, env=shim.get("env"))

    def do(self, order, answer="ok"):
        self._stdin.write(f"{order}\n".encode())
        self._stdin.flush()
        self.answers += 1
        lines = lab.wait_for(lambda: len(self.stdout().splitlines()) >= self.answers and self.stdout().splitlines(),
                             f"an answer to `{order}`", self)
        lab.equal(order, lines[self.answers - 1], answer)

    def kill(self):
        self.send(signal.SIGKILL)
        self._popen.wait()


def report(*options, state=None, status=0):
    """What `headroom report --json` says."""
    done = lab.run([str(lab.HEADROOM), "report", "--json", *options],
                   env={"HEADROOM_STATE_DIR": str(state or needs_state())})
    lab.equal("exit status", (done.status, done.stderr), (status, ""))
    return json.loads(done.stdout)


def needs_state():
    if not lab.state():
        raise lab.Skipped("no memory file system at /dev/shm")
    return lab.state()


def process(pid, **how):
    found = [p for p in report(**how)["processes"] if p["pid"] == pid]
    lab.equal(f"segments of process {pid}", len(found), 1)
    return found[0]


def total(spaces, name):
    return sum(space[name] for space in spaces)


def by_source(spaces, name="in_use"):
    return {space["source"]: space[name] for space in spaces if space[name]}


# What it says

def live():
    with lab.Hold(PORT), Steered(sources="127.0.0.1-127.0.0.3") as client:
        client.do(f"open {PORT} 30")
        client.do("close 9")
        seen = process(client.pid)
        spaces = seen["spaces"]
        lab.equal("running", seen["running"], True)
        lab.equal("by source", by_source(spaces), tuples(PORT))
        lab.equal("opened, open, TIME_WAIT", [total(spaces, n) for n in ("opened", "open", "time_wait")], [30, 21, 9])
        lab.equal("closed by us", sum(s["closed"]["by_us"] for s in spaces), 9)
        lab.equal("calls in the histograms", sum(b["count"] for s in spaces for b in s["connect"]["histogram"]), 30)
        lab.equal("capacity", {s["capacity"] for s in spaces}, {100})
        lab.equal("headroom", {s["headroom"] + s["in_use"] for s in spaces}, {100})
        lab.equal("peaks", total(spaces, "peak"), 30)


def behind_chroot():
    """What shuts itself in before its first connection, as HAProxy does, is seen all the same."""
    empty = lab.scratch() / "empty"
    empty.mkdir()
    with lab.Hold(PORT), Steered() as client:
        client.do(f"chroot {empty}")
        client.do(f"open {PORT} 5")
        lab.equal("by source", by_source(process(client.pid)["spaces"]), tuples(PORT))


def killed():
    with lab.Hold(PORT), Steered() as client:
        client.do(f"open {PORT} 12")
        client.do("close 5")
        client.kill()
        seen = process(client.pid)
        lab.equal("running, ended", (seen["running"], seen["ended"]), (False, None))
        lab.equal("opened", total(seen["spaces"], "opened"), 12)
        lab.equal("open", total(seen["spaces"], "open"), 0)
        lab.equal("in use: TIME_WAITs, with those of what was open", total(seen["spaces"], "in_use"),
                  sum(tuples(PORT).values()))
        lab.equal("as many as there are", total(seen["spaces"], "time_wait"), 12)


def leave(client):
    client._stdin.write(b"leave\n")
    client._stdin.flush()
    client._popen.wait()


def none_to_accept(port):
    """Of a listening socket the receive queue is what waits for accept() (get_tcp4_sock(), net/ipv4/tcp_ipv4.c)."""
    rows = [row.split() for row in pathlib.Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    return [row[4].split(":")[1] for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "0A"] == ["00000000"]


def left_open():
    """_exit() with connections open, some of which the peer has closed."""
    with lab.Hold(PORT), Steered() as client:
        client.do(f"open {PORT} 7")
        client.do("close 2")
        with lab.Hold(PORT + 1):
            client.do(f"open {PORT + 1} 3")
            # Of what it did not accept its end makes resets.
            lab.wait_for(lambda: none_to_accept(PORT + 1), "the server to accept")
        lab.wait_for(lambda: lab.total(tuples(PORT + 1, {"CLOSE-WAIT"})) == 3, "the ends of the server's side")
        leave(client)
        spaces = process(client.pid)["spaces"]
        lab.equal("TIME_WAIT", {s["destination"]: s["time_wait"] for s in spaces},
                  {f"127.0.0.1:{PORT}": sum(tuples(PORT).values()), f"127.0.0.1:{PORT + 1}": 0})
        lab.equal("closed", [(s["closed"]["by_us"], s["closed"]["by_peer"]) for s in sorted(
            spaces, key=lambda s: s["destination"])], [(7, 0), (0, 3)])


def left_to_a_child():
    """What a living child still holds is open, and no TIME_WAIT."""
    with lab.Hold(PORT), Steered() as client:
        client.do(f"open {PORT} 5")
        client.do(f"fork {PORT} 2")
        leave(client)
        spaces = process(client.pid)["spaces"]
        lab.equal("TIME_WAIT", total(spaces, "time_wait"), 0)
        lab.equal("closed", sum(sum(s["closed"].values()) for s in spaces), 0)


def ended():
    with lab.Hold(PORT), Steered() as client:
        client.do(f"open {PORT} 2")
        client.wait()
        seen = process(client.pid)
        lab.equal("running", seen["running"], False)
        lab.equal("has a time of its end", bool(seen["ended"]), True)


def few_time_waits():
    lab.sysctl("ipv4/tcp_max_tw_buckets", 20)
    with lab.Hold(PORT), lab.Hold(PORT + 1), Steered() as client:
        client.do(f"open {PORT} 60")
        client.do("close 50")
        client.do(f"open {PORT + 1} 10")
        client.do("close 10")
        # The kernel holds the port until it would make a TIME_WAIT: when the other end has acknowledged.
        lab.wait_for(lambda: not any(tuples(port, {"FIN-WAIT-1"}) for port in (PORT, PORT + 1)), "the last acknowledgement")
        spaces = process(client.pid)["spaces"]
        for port in (PORT, PORT + 1):
            kernel = sum(tuples(port).values())
            lab.equal(f"port {port}: in use", total((s for s in spaces if s["destination"].endswith(f":{port}")), "in_use"),
                      kernel)


def none_without_connections():
    lab.equal("status", lab.run(["true"], {}).status, 0)
    lab.equal("files", os.listdir(needs_state()), [])


def forked():
    with lab.Hold(PORT), Steered() as client:
        client.do(f"open {PORT} 3")
        client.do(f"fork {PORT} 4")
        client.do("close 1")
        opened = {p["pid"] == client.pid: (total(p["spaces"], "opened"), total(p["spaces"], "open"))
                  for p in report()["processes"]}
        lab.equal("opened and open, by parent and child", opened, {True: (3, 2), False: (4, 4)})


def execs():
    """The same pid and start time: what it did before is another process's as far as counts go."""
    with lab.Hold(PORT), Steered() as client:
        client.do(f"open {PORT} 3")
        client.do("exec")
        client.do(f"open {PORT} 2")
        seen = [(p["running"], total(p["spaces"], "opened")) for p in report()["processes"] if p["pid"] == client.pid]
        lab.equal("segments", sorted(seen), [(False, 3), (True, 2)])


def exhausted():
    lab.ports(40000, 40009)
    with lab.Hold(PORT), Steered(options=["--log", "off"]) as client:
        client.do(f"open {PORT} 11", "Cannot assign requested address")
        seen = report(status=1)["processes"][0]
        lab.equal("headroom", [s["headroom"] for s in seen["spaces"]], [0])
        lab.equal("failures", seen["spaces"][0]["failures"], {"EADDRNOTAVAIL": 1})
        lab.equal("exhausted", seen["spaces"][0]["exhausted"], 1)
        lab.equal("last event", seen["events"][-1]["event"], "exhausted")


def private_memory(process):
    text = pathlib.Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    return 1024 * int(re.search(r"Private_Dirty: *(\d+)", text)[1])


def fill_many(count, shim, rounds=1):
    """One connection to each of so many destinations, closed by us before the next; the last stays open."""
    to = [word for i in range(count) for word in (f"127.1.{i >> 8}.{i & 255}", str(PORT))]
    process = lab.Process([lab.client("fill"), "-e", "-c", "1", *to * rounds], shim, stdin=True)
    lab.wait_for(lambda: "held" in process.stdout(), "the connections", process)
    return process


def folded():
    """Destinations are folded and come back; TIME_WAITs are those that the kernel has, and memory is bounded."""
    lab.sysctl("ipv4/tcp_tw_reuse", "0")
    with lab.Hold(PORT), fill_many(1800, {"options": ["--summary"]}, rounds=2) as process:
        spaces = report()["processes"][0]["spaces"]
        lab.equal("in use", total(spaces, "time_wait") + total(spaces, "open"), lab.total(tuples(PORT)))
        # The last stays open.
        lab.equal("opened, closed by us", (total(spaces, "opened"), sum(s["closed"]["by_us"] for s in spaces)), (3600, 3599))
        said = process.wait().stderr
    rows = re.findall(r"^127\.1\.\S+ +\S+ +(\d+) +0 +(\d+) ", said, re.M)
    lab.equal("opened, TIME_WAITs of each in the summary", set(rows), {("2", "2")})
    lab.equal("rows left out", re.search(r"lower peaks not shown: (\d+)", said)[1], str(1800 - len(rows)))


def memory():
    """10,000 destinations take 2 MB, wherever they are counted."""
    lab.not_under_sanitizer("its memory is not ours")
    lab.ports(20000, 60999)
    taken = {}
    for name, shim in (("without", None), ("headroom", {}), ("8 sources", {"sources": "127.0.0.1-127.0.0.8"}),
                       ("no segment", {"env": {"HEADROOM_STATE_DIR": "off"}})):
        lab.new_network()
        lab.ports(20000, 60999)
        with lab.Hold(PORT), fill_many(10000, shim) as process:
            taken[name] = private_memory(process)
    added = {name: size - taken["without"] for name, size in taken.items()}
    lab.equal("within 2 MB", [f"{name}: {size}" for name, size in added.items() if size > 2 << 20], [])
    return ", ".join(f"{name} {size >> 10} KiB" for name, size in added.items() if size)


def many_destinations():
    """The busiest keep their entry; nothing is lost from the sum."""
    with lab.Hold(PORT), Steered() as client:
        client.do(f"open {PORT} 20")
        client.do("refused 10000")
        client.do(f"open {PORT} 1")
        seen = process(client.pid)
        lab.equal("failed", total(seen["spaces"], "failed"), 10000)
        lab.equal("some are added up", sum(s["destination"] is None for s in seen["spaces"]), 1)
        busiest = [s["open"] for s in seen["spaces"] if s["destination"] == f"127.0.0.1:{PORT}"]
        lab.equal("the busiest", busiest, [21])
        size = os.stat(seen["segment"]).st_blocks * 512
        lab.equal("within 2 MB", size <= 2 << 20, True)
        return f"{size // 1024} KiB for {len(seen['spaces'])} rows"


# Siblings

def siblings():
    """Forty workers spread as one; what the dead had open are TIME_WAITs, and count as such."""
    four = "127.0.0.1-127.0.0.4"
    lab.ports(40000, 40199)
    lab.sysctl("ipv4/tcp_tw_reuse", 0)
    with lab.Hold(PORT):
        workers = [Steered(sources="127.0.0.1-127.0.0.2" if i < 20 else "127.0.0.3-127.0.0.4") for i in range(39)]
        try:
            for worker in workers:
                worker.do(f"open {PORT} 3")
            first, second, *others = [count for _, count in sorted(tuples(PORT).items())]
            # Which of two equals comes first is left to chance.
            lab.equal("by source", (first, second, sorted(others)), (30, 30, [28, 29]))
        finally:
            for worker in workers[:20]:
                worker.kill()
        with Steered(sources=four) as late:
            late.do(f"open {PORT} 23")
            lab.equal("with a worker that comes when half are dead", sorted(tuples(PORT).values()), [35] * 4)
        for worker in workers[20:]:
            worker.stop()


def knee_of_all():
    """No worker is past the knee by itself; together they are."""
    with lab.Hold(PORT):
        workers = [Steered(sources="127.0.0.1-127.0.0.4", spread="spill") for _ in range(9)]
        for worker in workers:
            worker.do(f"open {PORT} 10")
        lab.reaches(PORT, {"127.0.0.1": 50, "127.0.0.2": 40})
        for worker in workers:
            worker.stop()


# Trouble with the files

def segment_bytes():
    with lab.Hold(PORT), Steered() as client:
        client.do(f"open {PORT} 3")
        return pathlib.Path(process(client.pid)["segment"]).read_bytes()


def bad_files():
    good = segment_bytes()
    folder = needs_state() / "bad"
    folder.mkdir(mode=0o700)
    changed = {
        1: good[:100], 2: good[:5000], 3: b"", 4: os.urandom(len(good)), 5: b"\0" * len(good),
        6: good[:8] + struct.pack("=I", 99) + good[12:],               # of another version
        7: good[:12] + struct.pack("=I", 0) + good[16:],               # never completed
        8: good[:160] + struct.pack("=I", 1 << 31) + good[164:],       # more entries than there can be
        9: good[:16] + struct.pack("=III", 1, 1, 1) + good[28:],       # of other sizes
    }
    for number, data in changed.items():
        (folder / f"00000000000.{number}.00000000").write_bytes(data)
        os.chmod(folder / f"00000000000.{number}.00000000", 0o400)
    (folder / "00000000000.10.00000000").symlink_to("/etc/passwd")
    os.mkfifo(folder / "00000000000.11.00000000", 0o400)
    (folder / "00000000000.12.00000000").mkdir(mode=0o500)
    (folder / "00000000000.13.00000000").write_bytes(good)
    os.chmod(folder / "00000000000.13.00000000", 0o444)
    (folder / "00000000000.14.00000000").write_bytes(good)
    os.chmod(folder / "00000000000.14.00000000", 0o400)
    seen = report(state=folder)
    lab.equal("taken", [p["segment"][-11:-9] for p in seen["processes"]], ["14"])
    lab.equal("skipped", sorted(int(s["path"].split(".")[-2]) for s in seen["skipped"]), list(range(1, 14)))
    text = lab.run([str(lab.HEADROOM), "report"], env={"HEADROOM_STATE_DIR": str(folder)})
    lab.equal("status", text.status, 0)
    lab.equal("lines", len(text.stderr.splitlines()), 13)


def one_works(folder, expected, wrap=(), made=False):
    """The program does what it does; at most one line says why there is no segment."""
    env = {"HEADROOM_STATE_DIR": str(folder), "HEADROOM_LOG_LEVEL": "info"}
    with lab.Hold(PORT), Steered(wrap=wrap, env=env) as client:
        client.do(f"open {PORT} 3")
        client.do(f"fork {PORT} 2")
        said = re.findall(r"event=no_usage.*", client.stderr())
        lab.equal("lines", len(said), 0 if made else 1)
        if not made and expected not in said[0]:
            raise lab.Failed(f"{said[0]!r} does not say {expected!r}")
        client.wait()


@contextlib.contextmanager
def folder_on_disk():
    """A folder that is in no memory file system: /tmp is one on some machines."""
    for place in ("/var/tmp", lab.BUILD):
        if os.access(place, os.W_OK) and lab.run(["stat", "-f", "-c", "%T", str(place)]).stdout.strip() != "tmpfs":
            with tempfile.TemporaryDirectory(prefix="headroom-test-", dir=place) as folder:
                yield pathlib.Path(folder)
            return
    raise lab.Skipped("no file system here but those in memory")


def bad_places():
    good = needs_state()
    (good / "mine").mkdir(mode=0o700)
    (good / "link").symlink_to(good / "mine")
    (good / "open").mkdir()
    os.chmod(good / "open", 0o777)
    (good / "file").write_text("")
    if os.geteuid() == 0:
        (good / "foreign").mkdir(mode=0o700)
        os.chown(good / "foreign", 65534, 65534)
        one_works(good / "foreign", "belongs to another user")
    one_works(good / "link", "symbolic link")
    one_works(good / "open", "can be written by others")
    one_works(good / "file", "no directory")
    one_works(good / "no" / "such", "No such file")
    with folder_on_disk() as folder:
        one_works(folder, "memory file system")
    lab.equal("nothing was put where it should not", os.listdir(good / "mine"), [])


def observer():
    """A user of its own with CAP_DAC_READ_SEARCH, as of headroom-exporter.service, reads what root can read."""
    lab.needs("setpriv")
    nobody = ["setpriv", "--reuid", "65534", "--clear-groups"]
    if lab.run([*nobody, "true"]).status or lab.run([*nobody, str(lab.HEADROOM), "--version"]).status:
        raise lab.Skipped("no other user here, or headroom is not to be run by others")
    if lab.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/run"]).status:
        raise lab.Skipped("no mount namespace")
    report = f"{shlex.join(nobody)} %s {lab.HEADROOM} report --json"
    script = ('mount -t tmpfs -o mode=755 none /run; mount -t tmpfs -o mode=1777 none /dev/shm; "$@"; '
              f"{report % '--inh-caps -all'}; echo; "
              f"{report % '--inh-caps +dac_read_search --ambient-caps +dac_read_search'}")
    client = f"import socket; [socket.create_connection(('127.0.0.1', {PORT})) for _ in range(3)]"
    with lab.Hold(PORT):
        done = lab.run(["unshare", "-m", "sh", "-c", script, "sh", lab.PYTHON, "-c", client], shim={},
                       env={"HEADROOM_STATE_DIR": "", "XDG_RUNTIME_DIR": ""})
    seen = [len(json.loads(text)["processes"]) for text in done.stdout.split("\n\n")]
    lab.equal("processes seen, without the capability and with it", seen, [0, 1])


def full_place():
    folder = lab.scratch() / "small"
    folder.mkdir()
    if lab.run(["unshare", "-m", "true"]).status:
        raise lab.Skipped("no mount namespace")
    script = f'mount -t tmpfs -o size=8k,mode=700 none {folder}; exec "$@"'
    one_works(folder, "no room to spare", wrap=["unshare", "-m", "sh", "-c", script, "sh"])
    script = f'mount -t tmpfs -o mode=700 none {folder}; mount -o remount,ro {folder}; exec "$@"'
    one_works(folder, "Read-only", wrap=["unshare", "-m", "sh", "-c", script, "sh"])


def file_limit():
    """ftruncate() past the limit would be SIGXFSZ."""
    one_works(needs_state(), "ulimit", wrap=["sh", "-c", 'ulimit -f 8; exec "$@"', "sh"])


def umask():
    one_works(needs_state(), "", wrap=["sh", "-c", 'umask 0777; exec "$@"', "sh"], made=True)
    # Many processes of the user add to recent.1, and to the board, on which whoever was slow writes.
    modes = {(f.name in ("recent.1", "board"), os.stat(f).st_mode & 0o777) for f in needs_state().iterdir()}
    lab.equal("modes", modes - {(True, 0o600)}, {(False, 0o400)})


def old_ones_go():
    """Of ended ones no more than 100 stay; those that run stay."""
    data = segment_bytes()
    for i in range(300):
        path = needs_state() / f"{i:011x}.{i + 1}.00000000"
        path.write_bytes(data)
        os.chmod(path, 0o400)
    with lab.Hold(PORT), Steered() as client:
        client.do(f"open {PORT} 3")
        report()
        # Besides segments there is recent.1, if the one before ended within 100 ms.
        files = [f for f in os.listdir(needs_state()) if f.count(".") >= 2]
        lab.equal(f"files, of {sorted(os.listdir(needs_state()))[-5:]}", len(files), 100)
        lab.equal("the running one's", sum(f".{client.pid}." in f for f in files), 1)


def a_day_later():
    """What has ended goes a day after somebody found it ended; the times of the files stand for those days."""
    data, now, day = segment_bytes(), time.time(), 24 * 3600
    for path in needs_state().iterdir():
        path.unlink()
    def put(number, made_s, found_s):
        path = needs_state() / f"{int(made_s):011x}.{number}.00000000"
        path.write_bytes(data)
        os.chmod(path, 0o400)
        os.utime(path, (found_s, found_s))
        return path
    with lab.Hold(PORT), Steered() as client:
        client.do(f"open {PORT} 3")
        [running] = needs_state().iterdir()
        aged = needs_state() / running.name.replace(running.name.split(".")[0], f"{int(now - 9 * day):011x}")
        running.rename(aged)
        os.utime(aged, (now - 8 * day, now - 8 * day))
        gone = put(1, now - 3 * day, now - day - 60)
        stays = put(2, now - 3 * day, now - day + 60)
        unseen = put(3, now - 3 * day, now - 3 * day)
        report()
        lab.equal("files", sorted(needs_state().iterdir()), sorted([aged, stays, unseen]))
        lab.equal("found ended just now", abs(unseen.stat().st_mtime - now) < 600, True)
        # A day on.
        for path in (stays, unseen):
            os.utime(path, (now - day - 60, now - day - 60))
        report()
        lab.equal("files a day later", list(needs_state().iterdir()), [aged])
        lab.equal("the first was old", gone.exists(), False)


# The ways to show it

def options():
    with lab.Hold(PORT), Steered() as one, Steered() as two:
        # The one whose rate is to be the lower begins first.
        two.do(f"open {PORT} 9")
        one.do(f"open {PORT} 5")
        one.do("refused 3")
        pids = lambda *o: [p["pid"] for p in report(*o)["processes"]]
        lab.equal("by headroom", pids(), [two.pid, one.pid] if two.pid else None)
        lab.equal("by failures", pids("--sort", "failures"), [one.pid, two.pid])
        lab.equal("by pid", pids("--sort", "pid"), sorted([one.pid, two.pid]))
        lab.equal("by peak", pids("--sort", "peak"), [two.pid, one.pid])
        one.do(f"open {PORT} 10")
        one.do("close 10")
        # It opened more, and began later; no rate is told of less than a tenth of a second.
        lab.wait_for(lambda: pids("--sort", "rate") == [one.pid, two.pid], "the order by rate", one)
        lab.equal("by peak, changed", pids("--sort", "peak"), [one.pid, two.pid])
        rows = report("--sort", "failures", str(one.pid))["processes"][0]["spaces"]
        lab.equal("rows by failures", [row["failed"] for row in rows], [1, 1, 1, 0])
        lab.equal("both pids", sorted(pids(str(one.pid), str(two.pid))), sorted([one.pid, two.pid]))
        lab.equal("a name", sorted(pids("--name", pathlib.Path(lab.PYTHON).name)), sorted([one.pid, two.pid]))
        lab.equal("a name and a pid", pids("--name", pathlib.Path(lab.PYTHON).name, str(two.pid)), [two.pid])
        only = report("--to", f"*:{PORT}")["processes"]
        lab.equal("rows of one port", {row["destination"] for p in only for row in p["spaces"]}, {f"127.0.0.1:{PORT}"})
        lab.equal("one pid", pids(str(one.pid)), [one.pid])
        lab.equal("another name", pids("--name", "nobody"), [])
        lab.equal("destination", pids("--to", "127.1.0.0/16:1"), [one.pid])
        two.kill()
        lab.equal("running", pids("--running"), [one.pid])
        text = lab.run([str(lab.HEADROOM), "report"], env={"HEADROOM_STATE_DIR": str(needs_state())}).stdout
        if not re.search(rf"^  127\.0\.0\.1:{PORT} +127\.0\.0\.1 +15 +15 +\S+ +\S+ +15 +0 +0 +\d+$", text, re.M):
            raise lab.Failed(f"no row for the five connections:\n{text}")


def mistakes():
    for arguments, place in ((["--sort", "size"], "--sort"), (["--to", "x:y"], "--to"), (["abc"], "abc"),
                             (["--nonsense"], "--nonsense"), (["--html", "/no/such/file"], "/no/such/file"),
                             (["--json", "--sort"], "--sort")):
        done = lab.run([str(lab.HEADROOM), "report", *arguments], env={"HEADROOM_STATE_DIR": str(needs_state())})
        lab.equal(f"{arguments}: status and lines", (done.status, len(done.stderr.splitlines())), (2, 1))
        if place not in done.stderr:
            raise lab.Failed(f"{done.stderr!r} does not name {place}")


def browser():
    lab.needs("chromium")
    page, picture = lab.scratch() / "report.html", lab.scratch() / "report.png"
    lab.ports(40000, 40009)
    with lab.Hold(PORT), Steered(options=["--log", "off"], sources="127.0.0.1-127.0.0.2") as client:
        client.do(f"open {PORT} 21", "Cannot assign requested address")
        done = lab.run([str(lab.HEADROOM), "report", "--html", str(page)],
                       env={"HEADROOM_STATE_DIR": str(needs_state())})
        lab.equal("status", done.status, 1)
    chromium = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={lab.scratch()}/profile"]
    dom = lab.run([*chromium, "--dump-dom", page.as_uri()]).stdout
    for wanted, count in ((r"<section>", 1), (r'<rect class="gone" width="400', 2), (r'class="latency"', 1),
                          (r"<td>exhausted</td>", 1)):
        lab.equal(f"{wanted} in the page", len(re.findall(wanted, dom)), count)
    if re.search(r"(src|href)=|url\(|<script", dom):
        raise lab.Failed("the page wants something from elsewhere")
    for width in (390, 1200):
        lab.run([*chromium, f"--window-size={width},900", f"--screenshot={picture}", page.as_uri()])
        lab.equal("a PNG", picture.read_bytes()[:8], b"\x89PNG\r\n\x1a\n")
        # An empty page of this size takes some 3 KB.
        lab.equal("with something in it", picture.stat().st_size > 10000, True)


lab.main([
    ("a running process", live),
    ("a process in a chroot", behind_chroot),
    ("a killed process", killed),
    ("a process that ended", ended),
    ("_exit() with connections open", left_open),
    ("what a child holds", left_to_a_child),
    ("no connection, no segment", none_without_connections),
    ("fork", forked),
    ("exec", execs),
    ("no more TIME_WAITs than the kernel makes", few_time_waits),
    ("exhausted", exhausted),
    ("10,000 destinations", many_destinations),
    ("folded destinations", folded),
    ("memory of 10,000 destinations", memory),
    ("siblings: forty workers, half of them killed", siblings),
    ("siblings: the knee of all together", knee_of_all),
    ("bad files are skipped", bad_files),
    ("bad places", bad_places),
    ("who may read what is anyone's", observer),
    ("full, read-only", full_place),
    ("limit of file sizes", file_limit),
    ("umask", umask),
    ("old ones go", old_ones_go),
    ("a day later", a_day_later),
    ("filters and order", options),
    ("mistakes", mistakes),
    ("the page in a browser", browser),
])
