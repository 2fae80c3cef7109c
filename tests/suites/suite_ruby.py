# SPDX-License-Identifier: Apache-2.0
"""suite_ruby - the tests of Ruby itself, from Debian's source package."""
import re
import subprocess

from suite import FAIL, HUNG, PASS, SKIP, Command, Suite

_UNITS = """test/socket test/net test/openssl/test_ssl.rb test/drb test/open-uri test/resolv test/fiber
    test/ruby/test_io.rb test/ruby/test_process.rb test/ruby/test_signal.rb test/ruby/test_thread.rb
    test/io test/test_open3.rb test/test_pty.rb""".split()
_QUICK = ["test/socket"]
# "[ 1/176] TestSocket#test_bind = 0.00 s"; what did not pass is told again: "  1) Failure:\nTestSocket#test_bind [...".
_BEGUN = re.compile(r"\[ *\d+/\d+\] (?P<case>[\w:]+#\w+[?!]?)")
_TOLD = re.compile(r"^ *\d+\) (?P<kind>Failure|Error|Timeout|Skipped):\n(?P<case>[\w:]+#\w+[?!]?)", re.MULTILINE)


class Ruby(Suite):
    name = "ruby"
    debian_packages = ("ruby", "ruby-webrick", "ruby-dev", "openssl")
    debian_source = "ruby3.1"
    source_members = ("test", "tool")

    def version(self):
        return " ".join(subprocess.run(["ruby", "--version"], capture_output=True, text=True).stdout.split()[:2])

    def units(self, quick):
        return _QUICK if quick else _UNITS

    def command(self, unit, folder, case=None):
        argv = ["ruby", "-Itool/lib", "-Itest/lib", "test/runner.rb", "-v", "--show-skip", "--seed=1", unit]
        return Command(argv + (["-n", case] if case else []), self.root)

    def cases(self, unit, folder):
        text = (folder / "output").read_text(errors="replace")
        began = [match["case"] for match in _BEGUN.finditer(text)]
        found = dict.fromkeys(began, PASS)
        for match in _TOLD.finditer(text):
            found[match["case"]] = SKIP if match["kind"] == "Skipped" else FAIL
        if began and not re.search(r"^\d+ tests, \d+ assertions", text, re.MULTILINE):
            found[began[-1]] = HUNG
        return found
