#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_valgrind - memcheck finds nothing of the shim's in short runs of real programs.

Each program runs under valgrind with the shim preloaded. Errors whose stack goes through the shim, and memory that it
has lost, are failures; what the programs do on their own is theirs.
"""
import functools
import xml.etree.ElementTree

import lab

PORT = 5000
CONNECTING = f"""
import os, socket, threading
def once(i):
    s = socket.socket(socket.AF_INET6 if i % 4 == 0 else socket.AF_INET)
    if i % 3 == 0:
        s.bind(("::1" if i % 4 == 0 else "127.0.0.1", 0))
    s.settimeout(60 if i % 2 else None)
    s.connect(("::1" if i % 4 == 0 else "127.0.0.1", {PORT}))
    t = s.dup()
    s.close()
    t.close()
threads = [threading.Thread(target=lambda n=n: [once(n * 10 + i) for i in range(10)]) for n in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
if os.fork() == 0:
    once(1)
    os._exit(0)
os.wait()
refused = socket.socket()
print(refused.connect_ex(("127.0.0.1", 5999)))
held = []
while True:
    held.append(socket.socket())
    if held[-1].connect_ex(("127.0.0.1", {PORT})):
        break
os.system("true")
print("done")
"""
SETTINGS = {
    "no sources": {},
    "even": {"HEADROOM_SOURCES": "127.0.0.1-127.0.0.3"},
    "spill": {"HEADROOM_SOURCES": "127.0.0.1-127.0.0.3", "HEADROOM_SPREAD": "spill"},
    "auto": {"HEADROOM_SOURCES": "auto"},
}


def of_ours(report):
    """Return: kinds and places of the errors whose stack goes through the shim."""
    found = []
    for error in xml.etree.ElementTree.parse(report).iter("error"):
        frames = [(frame.findtext("obj") or "", frame.findtext("fn") or "?", frame.findtext("line") or "")
                  for frame in error.iter("frame")]
        if any("libheadroom" in where for where, _, _ in frames):
            found.append(f"{error.findtext('kind')}: {', '.join(f'{fn}:{line}' for _, fn, line in frames[:6])}")
    return found


def memcheck(command, says, *which_settings):
    lab.needs("valgrind")
    lab.not_under_sanitizer("valgrind and a sanitizer want the same memory")
    rules = lab.scratch() / "rules"
    rules.write_text("[headroom]\nsummary = yes\n[to 10.0.0.0/8]\nshim = off\n")
    runs = 0
    for which in which_settings:
        settings = SETTINGS[which]
        lab.new_network()
        lab.ports(40000, 40049)
        folder = lab.scratch() / which.replace(" ", "-")
        folder.mkdir()
        env = {"LD_PRELOAD": str(lab.BUILD / "libheadroom.so"), "HEADROOM_CONFIG": str(rules),
               "HEADROOM_LOG": f"file:{folder}/log", **settings}
        with lab.Hold(PORT, "http"):
            done = lab.run(["valgrind", "-q", "--leak-check=full", "--show-leak-kinds=definite,indirect", "--xml=yes",
                            f"--xml-file={folder}/%p.xml", *command], env=env, limit_s=300)
        lab.equal(f"{which}: exit status, end of output", (done.status, done.stdout.split()[-1:]), (0, [says]))
        # A child that was replaced by another program leaves half a report: that program has its own.
        for report in sorted(folder.glob("*.xml")):
            if "</valgrindoutput>" in report.read_text():
                lab.equal(f"{which}: errors in the shim", of_ours(report), [])
                runs += 1
    return f"{runs} processes, no error in the shim"


lab.CASE_LIMIT_S = 900
lab.main([
    ("curl", functools.partial(memcheck, ["curl", "-s", f"http://127.0.0.1:{PORT}/"], "ok", *SETTINGS)),
    ("python: threads, fork, full, system()", functools.partial(memcheck, [lab.PYTHON, "-c", CONNECTING], "done",
                                                                 "no sources", "spill")),
])
