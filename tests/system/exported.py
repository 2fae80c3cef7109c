# SPDX-License-Identifier: Apache-2.0
"""exported - what the tests of `headroom export` share: its metrics as numbers, and programs to be seen in them."""
import http.client
import re

import lab
from sock_diag import tuples

PORT = 5000
HTTP, PROMETHEUS, NODE = 9816, 9090, 9100
SOURCES = "127.0.0.1-127.0.0.3"


def state():
    if not lab.state():
        raise lab.Skipped("no memory file system at /dev/shm")
    return lab.state()


def fill(count, *ports, sources=SOURCES, program=None, shim=True):
    words = [program or lab.client("fill"), "-c", str(count)]
    for port in ports or (PORT,):
        words += ["127.0.0.9", str(port)]
    process = lab.Process(words, {"sources": sources} if shim else None, stdin=True)
    lab.wait_for(lambda: "held" in process.stdout(), "the connections", process)
    return process


def command(*options):
    state()
    return [str(lab.HEADROOM), "export", *options]


def parse(text):
    """{(name, ((label, value), ...)): number}; a line that is none, or one that comes twice, fails."""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        words = re.fullmatch(r'(\w+)(?:\{((?:\w+="(?:[^"\\\n]|\\.)*",?)*)\})? (\S+)', line)
        if not words:
            raise lab.Failed(f"not a sample: {line}")
        labels = tuple(sorted(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', words[2] or "")))
        if (words[1], labels) in found:
            raise lab.Failed(f"twice: {line}")
        found[words[1], labels] = float(words[3])
    return found


def export(*options):
    done = lab.run(command(*options))
    lab.equal(f"status, errors of {options}", (done.status, done.stderr), (0, ""))
    return parse(done.stdout)


def values(samples, name, label="source", **wanted):
    """{value of the label: number} of the samples of this name with these labels."""
    return {dict(labels).get(label): number for (n, labels), number in samples.items()
            if n == "headroom_" + name and set(wanted.items()) <= set(labels)}


def sums(samples, name, label, **wanted):
    """The same, with those of other labels added up."""
    found = {}
    for (n, labels), number in samples.items():
        if n == "headroom_" + name and set(wanted.items()) <= set(labels):
            found[dict(labels).get(label)] = found.get(dict(labels).get(label), 0) + number
    return found


def left(capacity=100):
    return {source: capacity - taken for source, taken in tuples(PORT).items()}


class Listening(lab.Process):
    def __init__(self, *options, at=str(HTTP)):
        super().__init__(command("--listen", at, *options))
        lab.wait_for(lambda: "listening" in self.stdout(), "the HTTP server", self)

    def get(self, path="/metrics", method="GET"):
        connection = http.client.HTTPConnection("127.0.0.1", HTTP, timeout=lab.PATIENCE_S)
        connection.request(method, path)
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer, body

    def samples(self):
        return parse(self.get()[1])


def lint(text):
    lab.needs("promtool")
    page = lab.scratch() / "metrics"
    page.write_text(text)
    done = lab.run(["sh", "-c", f"promtool check metrics <{page}"])
    lab.equal("promtool check metrics", (done.status, done.stdout + done.stderr), (0, ""))
