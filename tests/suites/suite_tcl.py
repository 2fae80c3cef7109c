# SPDX-License-Identifier: Apache-2.0
"""suite_tcl - the tests of Tcl's sockets, channels and processes, from Debian's source package."""
import re
import subprocess

from suite import FAIL, HUNG, PASS, SKIP, Command, Suite

_UNITS = "socket.test http.test http11.test io.test ioCmd.test chanio.test exec.test event.test pid.test".split()
_QUICK = ["http.test", "http11.test"]
_LINE = re.compile(r"^(?:\+\+\+\+|====) (?P<case>\S+) (?P<rest>.*)$", re.MULTILINE)


class Tcl(Suite):
    name = "tcl"
    debian_packages = ("tcl8.6",)
    debian_source = "tcl8.6"
    source_members = ("tests",)

    def version(self):
        done = subprocess.run(["tclsh8.6"], input="puts $tcl_patchLevel", capture_output=True, text=True)
        return f"Tcl {done.stdout.strip()}"

    def units(self, quick):
        return _QUICK if quick else _UNITS

    def command(self, unit, folder, case=None):
        # Some write files to their working folder, look for them there, and remove what is called "output".
        (folder / "files").mkdir(exist_ok=True)
        argv = ["tclsh8.6", str(self.root / "tests" / unit), "-verbose", "body pass skip start error"]
        return Command(argv + (["-match", case] if case else []), folder / "files")

    def cases(self, unit, folder):
        text = (folder / "output").read_text(errors="replace")
        found, last = {}, None
        for match in _LINE.finditer(text):
            case, rest = match["case"], match["rest"]
            last = case
            if rest.startswith("SKIPPED"):
                found[case] = SKIP
            elif rest.startswith("PASSED"):
                found[case] = PASS
            elif rest.endswith("FAILED"):
                found[case] = FAIL
        begun = re.findall(r"^---- (\S+) start", text, re.MULTILINE)
        if begun and begun[-1] not in found:
            found[begun[-1]] = HUNG
        return found
