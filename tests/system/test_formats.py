#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_formats - what a release has written the next one reads, and the JSON it wrote has lost no field.

tests/formats has it: a usage segment for each USAGE_VERSION (base64 of gzip), with the report of it; and for each schema
of JSON its fields, a line "VERB: PATH TYPE" each, but for those that are there only at times.
HEADROOM_WRITE_FORMATS=1 writes those of this version: after a change of a version, and never over those of a release. Until
the first release a line of a field that was renamed may be taken out."""
import base64
import gzip
import json
import os
import pathlib
import re

import lab
import sock_diag

FORMATS = lab.HERE.parent / "formats"
SOURCE = lab.HERE.parent.parent
PORT = 4712
WRITE = os.environ.get("HEADROOM_WRITE_FORMATS")
CLIENT = f"""
import socket, sys, time
held = [socket.create_connection(('127.0.0.1', {PORT})) for _ in range(5)]
held.pop().close()
print('held', flush=True)
sys.stdin.read()
"""


def number(pattern, path):
    return int(re.search(pattern, (SOURCE / path).read_text())[1])


def run_json(*words):
    done = lab.run([str(lab.HEADROOM), *words])
    if done.status not in (0, 1, 3):
        raise lab.Failed(f"{' '.join(words)}\n{done}")
    return json.loads(done.stdout)


def told(report):
    """What must come back: nothing that depends on when and where it is read."""
    return [{"name": process["name"], "spaces": sorted(
        [space["destination"], space["source"], space["opened"]] for space in process["spaces"])}
            for process in report["processes"]]


def write_segment(version):
    state = lab.state()
    with lab.Hold(PORT):
        lab.run([lab.PYTHON, "-c", CLIENT], {"sources": "127.0.0.2"})
    (file,) = [path for path in state.iterdir() if path.name != "recent.1"]
    (FORMATS / f"segment-{version}").write_bytes(base64.encodebytes(gzip.compress(file.read_bytes(), mtime=0)))
    (FORMATS / f"segment-{version}.json").write_text(json.dumps({"file": file.name, "report": told(run_json("report", "--json"))}, indent=1) + "\n")


def segments():
    """Of this version, and of the one before it, if there is one."""
    version = number(r"USAGE_VERSION = (\d+)", "pool/segment/layout.h")
    if WRITE:
        write_segment(version)
    for one in {max(version - 1, 1), version}:
        expected = json.loads((FORMATS / f"segment-{one}.json").read_text())
        folder = lab.scratch() / f"segments-{one}"
        folder.mkdir(mode=0o700)
        file = folder / expected["file"]
        file.write_bytes(gzip.decompress(base64.decodebytes((FORMATS / f"segment-{one}").read_bytes())))
        file.chmod(0o400)
        lab.equal(f"a segment of version {one}", told(run_json("report", "--json", "--state-dir", str(folder))), expected["report"])


def kind(value):
    return {bool: "bool", int: "number", float: "number", str: "text", list: "list", dict: "object", type(None): "null"}[type(value)]


def paths(value, path=""):
    """{path: kinds}; the elements of a list are one."""
    found = {}
    if path:
        found.setdefault(path, set()).add(kind(value))
    for name, inner in value.items() if isinstance(value, dict) else [("[]", inner) for inner in value] if isinstance(value, list) else []:
        step = path + name if name == "[]" else f"{path}.{name}".lstrip(".")
        for where, kinds in paths(inner, step).items():
            found.setdefault(where, set()).update(kinds)
    return found


def outputs():
    with lab.Hold(PORT), lab.Process([lab.PYTHON, "-c", CLIENT], {"sources": "127.0.0.2-127.0.0.3"}, stdin=True) as client:
        lab.wait_for(lambda: "held" in client.stdout(), "the client", client)
        # The answer to the last one's FIN may still be under way.
        lab.wait_for(lambda: {"FIN-WAIT-2", "CLOSE-WAIT"} <= {s.state for s in sock_diag.tcp_sockets()}, "the end of one of them", client)
        place = f"127.0.0.1:{PORT}"
        return {"status": run_json("status", "--json"), "ports": run_json("ports", "--json"), "report": run_json("report", "--json"),
                "check": run_json("check", "--json", place), "check --from": run_json("check", "--json", "--from", "127.0.0.2", place),
                "check --all": run_json("check", "--all", "--json"), "check --leaks": run_json("check", "--leaks", "--sample", "0.1", "--json"),
                "service list": run_json("service", "list", "--json")}


def fields():
    """A field that was there is there, where what it is in is there; and is of the same kind, if it is not null."""
    seen = {verb: paths(output) for verb, output in outputs().items()}
    for verb, output in seen.items():
        lab.equal(f"{verb}: has a schema", "schema" in output, True)
    file = FORMATS / "json-1"
    if WRITE:
        file.write_text("".join(f"{verb}: {path} {'|'.join(sorted(kinds))}\n" for verb, found in seen.items() for path, kinds in sorted(found.items())))
    wrong = []
    for line in file.read_text().splitlines():
        verb, path, kinds = re.fullmatch(r"(.*): (\S+) (\S+)", line).groups()
        inside = path.rpartition(".")[0] if not path.endswith("[]") else ""
        here = seen[verb]
        if path.endswith("[]") or inside and "object" not in here.get(inside, ()):
            continue
        if path not in here:
            wrong.append(f"{verb}: {path} is gone")
        elif not (here[path] - {"null"} <= set(kinds.split("|")) or set(kinds.split("|")) == {"null"}):
            wrong.append(f"{verb}: {path} was {kinds}, and is {'|'.join(sorted(here[path]))}")
    lab.equal("fields", wrong, [])


def version():
    """--version tells these numbers, the build and the kernel's ways."""
    said = lab.run([str(lab.HEADROOM), "--version"]).stdout
    wanted = (f"headroom {number_text()}\n", f"usage segment {number(r'USAGE_VERSION = ([0-9]+)', 'pool/segment/layout.h')}, JSON schema 1\n",
              f"Linux {os.uname().release}", "libbpf", "no knee", "attach --own-ports")
    lab.equal("missing", [text for text in wanted if text not in said], [])
    lab.equal("-V is the same", lab.run([str(lab.HEADROOM), "-V"]).stdout, said)


def number_text():
    return re.search(r"^project\(headroom VERSION ([\d.]+)", (SOURCE / "CMakeLists.txt").read_text(), re.MULTILINE)[1]


lab.main([
    ("segments of this version and the last", segments),
    ("fields of JSON", fields),
    ("--version", version),
])
