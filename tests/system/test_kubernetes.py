#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_kubernetes - examples/kubernetes/attach-pods beside a stand-in for the API: which pods are attached, and until when."""
import http.server
import json
import os
import threading

import attached
import lab
from attached import PORT, cgroup, client

SCRIPT = lab.HERE.parent.parent / "examples/kubernetes/attach-pods"
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


lab.main([("by label", attaches_by_label), ("mistakes", mistakes)])
