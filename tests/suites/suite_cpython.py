# SPDX-License-Identifier: Apache-2.0
"""suite_cpython - the tests of CPython, as Debian ships them (libpython3.11-testsuite)."""
import os
import pathlib
import re
import subprocess
import xml.etree.ElementTree

from suite import FAIL, HUNG, PASS, SKIP, Command, Suite

# Another one, such as one for musl, is taken where it is named.
_PYTHON = os.environ.get("HEADROOM_SUITES_PYTHON", "/usr/bin/python3.11")
_MODULES = """test_socket test_asyncio test_selectors test_ssl test_httplib test_urllib2_localnet test_ftplib
    test_smtplib test_imaplib test_poplib test_xmlrpc test_socketserver test_subprocess test_multiprocessing_fork
    test_multiprocessing_spawn test_signal test_threading""".split()
_QUICK = "test_socket test_urllib2_localnet test_poplib".split()
# "name (id) ... result", where what the test prints may stand between.
_LINE = re.compile(r"^\w+ \((?P<case>test\.[\w.]+)\)(?:\n[^\n]*)? \.\.\. ?(?P<result>ok|FAIL|ERROR|skipped|expected)?",
                   re.MULTILINE)


class CPython(Suite):
    name = "cpython"
    debian_packages = ("python3.11", "libpython3.11-testsuite", "openssl")
    limit_s = 900

    def missing(self):
        found = subprocess.run([_PYTHON, "-c", "import test.test_socket"], capture_output=True, check=False).returncode == 0
        return None if found else "libpython3.11-testsuite is not installed"

    def version(self):
        return subprocess.run([_PYTHON, "--version"], capture_output=True, text=True).stdout.strip()

    def units(self, quick):
        return _QUICK if quick else _MODULES

    def command(self, unit, folder, case=None):
        # test_socketserver asks for the network and uses loopback; others that ask for it go to the internet.
        resources = "all,-largefile,-cpu,-urlfetch,-gui,-audio,-curses"
        resources += "" if unit == "test_socketserver" else ",-network"
        argv = [_PYTHON, "-m", "test", "-v", "-u", resources]
        # The VSOCK cases hang on machines with a vsock device and no peer, with the shim and without.
        argv += ["--ignore", "*VSOCK*", "--junit-xml", str(folder / "junit.xml")]
        return Command(argv + (["--match", self._pattern(case)] if case else []) + [unit], folder)

    @staticmethod
    def _pattern(case):
        # "setUpClass (test.test_x.Class)" fails for all of its class.
        holder = re.search(r"\(([\w.]+)\)", case)
        return holder[1] + ".*" if holder else case

    def cases(self, unit, folder):
        report = folder / "junit.xml"
        if report.exists():
            return self._from_report(report)
        return self._from_lines((folder / "output").read_text(errors="replace"))

    @staticmethod
    def _from_report(report):
        found = {}
        for case in xml.etree.ElementTree.parse(report).iter("testcase"):
            failed = case.find("error") is not None or case.find("failure") is not None
            result = FAIL if failed or case.get("outcome") else SKIP if case.find("skipped") is not None else PASS
            name = case.get("name")
            # A subtest is reported under the name of its case with the parameters, which hold port numbers.
            name = re.sub(r" [\[(].*", "", name) if name and name.startswith("test.") else name
            if name and found.get(name) != FAIL:
                found[name] = result
        return found

    @staticmethod
    def _from_lines(text):
        results = {"ok": PASS, "expected": PASS, "skipped": SKIP, "FAIL": FAIL, "ERROR": FAIL}
        found = {match["case"]: results.get(match["result"], PASS) for match in _LINE.finditer(text)}
        if found:
            found[list(found)[-1]] = HUNG
        return found
