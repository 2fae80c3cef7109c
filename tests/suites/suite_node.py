# SPDX-License-Identifier: Apache-2.0
"""suite_node - the tests of Node.js's network, process and cluster modules, from Debian's source package."""
import re
import subprocess

from suite import PROCESS, SKIP, Command, Suite

_KINDS = ("net-", "cluster-", "dgram-", "http-agent", "http-client", "http-keep", "https-agent", "tls-",
          "child-process-")
_QUICK = ("net-connect",)
_FLAGS = re.compile(r"^// Flags: (.*)$", re.MULTILINE)


class Node(Suite):
    name = "node"
    debian_packages = ("nodejs", "openssl")
    debian_source = "nodejs"
    source_members = ("test",)
    limit_s = 60

    def version(self):
        return "Node.js " + subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()

    def units(self, quick):
        return [f"{folder}/{file.name}" for kind in (_QUICK if quick else _KINDS)
                for folder in ("parallel", "sequential")
                for file in sorted((self.root / "test" / folder).glob(f"test-{kind}*.js"))]

    def command(self, unit, folder, case=None):
        file = self.root / "test" / unit
        flags = _FLAGS.search(file.read_text(errors="replace"))
        return Command(["node", *(flags[1].split() if flags else []), str(file)], self.root,
                       {"NODE_TEST_DIR": str(folder)})

    def cases(self, unit, folder):
        # A file is one case, and the end of its process its result.
        skipped = (folder / "output").read_bytes().startswith(b"1..0 # Skipped")
        return {PROCESS: SKIP} if skipped else {}
