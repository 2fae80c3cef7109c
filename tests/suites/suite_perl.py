# SPDX-License-Identifier: Apache-2.0
"""suite_perl - the tests of Perl's core sockets, processes and network modules, from Debian's source package."""
import re
import subprocess

from suite import FAIL, PASS, SKIP, Command, Suite

_FOLDERS = ("cpan/Socket", "cpan/IO-Socket-IP", "dist/IO", "cpan/libnet", "cpan/HTTP-Tiny")
_QUICK = ("cpan/Socket", "cpan/IO-Socket-IP", "dist/IO")
_CORE = """io/socket.t io/socketpair.t io/dup.t io/pipe.t io/open.t io/openpid.t io/closepid.t io/eintr.t op/fork.t
    op/exec.t op/alarm.t op/kill0.t op/die_exit.t op/sselect.t op/select.t""".split()
_LINE = re.compile(r"^(?P<not>not )?ok\b *(?P<number>\d*)(?P<rest>.*)$", re.MULTILINE)


class Perl(Suite):
    name = "perl"
    debian_packages = ("perl",)
    debian_source = "perl"
    # Without lib and ext beside it the core's t/test.pl takes the modules of the perl that runs it.
    source_members = ("t", *_FOLDERS)
    limit_s = 120

    def version(self):
        return "Perl " + subprocess.run(["perl", "-e", "print $^V"], capture_output=True, text=True).stdout

    def units(self, quick):
        folders = _QUICK if quick else _FOLDERS
        files = [str(file.relative_to(self.root)) for folder in folders
                 for file in sorted((self.root / folder / "t").glob("*.t"))]
        return files + [f"t/{name}" for name in (["io/socket.t"] if quick else _CORE)]

    def command(self, unit, folder, case=None):
        where, _, name = unit.partition("/t/") if not unit.startswith("t/") else ("", "", unit[2:])
        if not where:
            return Command(["perl", name], self.root / "t")
        return Command(["perl", "-It/lib", "-I.", f"t/{name}"], self.root / where)

    def cases(self, unit, folder):
        text = (folder / "output").read_text(errors="replace")
        if re.match(r"1\.\.0\b", text):
            return {"(all)": SKIP}
        found = {}
        for count, match in enumerate(_LINE.finditer(text), 1):
            skipped = re.search(r"# *(skip|todo)\b", match["rest"], re.IGNORECASE)
            found[match["number"] or str(count)] = SKIP if skipped else FAIL if match["not"] else PASS
        return found
