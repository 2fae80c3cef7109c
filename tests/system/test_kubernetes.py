#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_kubernetes - examples/kubernetes/attach-pods beside a stand-in for the API: which pods are attached, and until when;
and what the manifests have done in a pod, by hand in namespaces. tests/kubernetes/run checks them against the schemas.
"""
import functools
import http.server
import json
import os
import pathlib
import re
import shutil
import threading

import attached
import lab
from attached import PORT, cgroup, client

MANIFESTS = lab.HERE.parent.parent / "examples/kubernetes"
SCRIPT = MANIFESTS / "attach-pods"
NODE = "node-1"


class Api(http.server.BaseHTTPRequestHandler):
    pods, asked = [], []

    def do_GET(self):
        Api.asked.append((self.path, self.headers["Authorization"]))
        body = json.dumps({"items": Api.pods}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def pod(uid, phase="Running", ports="20000-20099", **spec):
    return {"metadata": {"uid": uid, "namespace": "default", "name": f"pod-{uid[:4]}",
                         "labels": {"headroom.dev/own-ports": ports}, "annotations": {}},
            "spec": {"nodeName": NODE, **spec}, "status": {"phase": phase, "podIPs": [{"ip": "127.0.0.1"}]}}


def attaches_by_label():
    lab.needs("curl", "jq")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 8001), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    token = lab.scratch() / "token"
    token.write_text("secret")
    links = lab.scratch() / "bin"
    links.mkdir()
    (links / "headroom").symlink_to(lab.HEADROOM)
    with cgroup() as folder, lab.Hold(PORT):
        attached.attach(folder)  # skips where nothing can be attached
        attached.detach(folder)
        uids = [f"0000000{i}-1111-2222-3333-{os.getpid():012d}" for i in range(3)]
        folders = [folder / f"pod{uids[0]}", folder / f"kubepods-besteffort-pod{uids[1].replace('-', '_')}.slice",
                   folder / f"pod{uids[2]}"]
        Api.pods = [pod(uids[0]), pod(uids[1]), pod(uids[2], hostNetwork=True)]
        for one in folders:
            one.mkdir()
        env = {"NODE_NAME": NODE, "POD_API": f"http://127.0.0.1:{server.server_port}", "POD_TOKEN": str(token), "POD_CA": "",
               "CGROUPS": str(folder), "INTERVAL": "0.05", "PATH": f"{links}:{os.environ['PATH']}"}
        try:
            with lab.Process([str(SCRIPT)], env=env) as script:
                lab.wait_for(lambda: script.stderr().count(": attached") == 2, "two pods to be attached", script)
                lab.equal("attached", [attached.listed(one) is not None for one in folders], [True, True, False])
                with client(folders[0]) as process:
                    lab.equal("own ports, then ephemeral ones", process.go(200), (200, 0, 0))
                    process.wait()
                path, header = Api.asked[0]
                lab.equal("asked with", header, "Bearer secret")
                if f"spec.nodeName%3D{NODE}" not in path or "headroom.dev%2Fown-ports" not in path:
                    raise lab.Failed(path)
                Api.pods = Api.pods[:1]
                lab.wait_for(lambda: attached.listed(folders[1]) is None, "the second to be detached", script)
                script.send(15)
                lab.equal("exit status", script.wait().status, 0)
            lab.equal("detached at the end", attached.listed(folders[0]), None)
        finally:
            for one in folders:
                lab.wait_for(lambda one=one: not (one / "cgroup.procs").read_text(), "an empty cgroup")
                one.rmdir()
    return "2 of 3 pods"


def mistakes():
    done = lab.run([str(SCRIPT), "--once"], env={"NODE_NAME": ""})
    lab.equal("without a node", (done.status, done.stderr), (2, "attach-pods: NODE_NAME is not set\n"))
    return "NODE_NAME"


# What `restricted` comes to: no user but 65534, no right to gain, a root that is read only.
RESTRICTED = ["unshare", "-m", "sh", "-c", 'mount -o remount,bind,ro / && exec "$@"', "sh", "setpriv", "--reuid", "65534", "--regid", "65534",
              "--clear-groups", "--no-new-privs", "--bounding-set=-all"]


def in_a_pod(way):
    """The library gets to the application's container, and the shim works there."""
    lab.not_under_sanitizer("the runtime is not in the pod")
    lab.own_memory_files()
    try:
        os.chown("/dev/shm", 1000, 1000)
        os.chown("/dev/shm", 0, 0)
    except OSError as why:
        raise lab.Skipped("no other user here") from why
    os.chmod("/dev/shm", 0o1777)
    for folder in ("/opt", "/usr/local/lib"):
        lab.call("mount", b"none", folder.encode(), b"tmpfs", 0, b"mode=755")
    image, volume = pathlib.Path("/usr/local/lib/headroom"), pathlib.Path("/opt/headroom")
    image.mkdir()
    volume.mkdir()
    shutil.copy(lab.BUILD / "libheadroom.so", image)
    if way == "an init container":
        lab.call("mount", b"none", str(volume).encode(), b"tmpfs", 0, b"mode=777,size=16m")
        text = (MANIFESTS / "init-container.yaml").read_text()
        command = re.search(r"command: \[(.*)\]", text)[1].split(", ")
        done = lab.run([*RESTRICTED, *command])
        lab.equal(f"the init container: {done}", (done.status, done.stderr), (0, ""))
        preload = re.search(r"name: LD_PRELOAD\n +value: (\S+)", text)[1]
    else:
        lab.call("mount", str(image).encode(), str(volume).encode(), None, 0x1000, None)  # MS_BIND
        lab.call("mount", b"none", str(volume).encode(), None, 0x1000 | 0x20 | 1, None)  # MS_REMOUNT, MS_RDONLY
        preload = re.search(r"name: library\n +expression: \"'(\S+)'\"", (MANIFESTS / "inject.yaml").read_text())[1]
    with lab.Hold(5000, "http"):
        done = lab.run([*RESTRICTED, "env", f"LD_PRELOAD={preload}", lab.client("toggle"), "some", "40"],
                       env={"HEADROOM_SUMMARY": "1", "HEADROOM_STATE_DIR": ""})
    lab.equal("said", (done.status, done.stdout), (0, "38 natural, 0 spread, 0 failed\n"))
    if not re.search(r"^127.0.0.1:5000 +127.0.0.1 +40 ", done.stderr, re.M):
        raise lab.Failed(str(done))


lab.main([("by label", attaches_by_label), ("mistakes", mistakes),
          *((f"in a pod, by {way}", functools.partial(in_a_pod, way)) for way in ("an init container", "an image volume"))])
