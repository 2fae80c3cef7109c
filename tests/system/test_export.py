#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_export - `headroom export`: the real Prometheus and node_exporter take what it says, and what they then tell of
headroom is what the kernel counts. Label sets are bounded, counters never fall, bad requests do no harm.
"""
import concurrent.futures
import errno
import http.client
import json
import re
import shutil
import signal
import socket
import struct
import urllib.parse

import lab
from sock_diag import tuples

PORT = 5000
HTTP, PROMETHEUS, NODE = 9816, 9090, 9100
SOURCES = "127.0.0.1-127.0.0.3"
EXAMPLES = lab.HERE.parent.parent / "examples/prometheus"


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


# What it says

def counts():
    """Headroom of each source, after all processes; with --host those without the shim too."""
    with lab.Hold(PORT), fill(40), fill(20), fill(10, shim=False):
        ours = export()
        lab.equal("without the third", sum(values(ours, "in_use_ports").values()), 60)
        seen = export("--host")
        lab.equal("headroom", values(seen, "ports"), left())
        lab.equal("in use", values(seen, "in_use_ports"), tuples(PORT))
        lab.equal("of the processes", sum(values(seen, "process_in_use_ports").values()), 60)
        lab.equal("processes", values(seen, "processes", "process"), {"fill": 2})
        lab.equal("opened", sum(values(seen, "connections_opened_total").values()), 60)
        lab.equal("calls in the histograms", sum(values(seen, "connect_duration_seconds_count").values()), 60)
        lab.equal("+Inf", sum(values(seen, "connect_duration_seconds_bucket", le="+Inf").values()), 60)
        lab.equal("host", [values(seen, f"host_{n}_ports")[None] for n in ("range", "reserved", "capacity")],
                  [100, 0, 100])


def bounded():
    """60 destinations, --top 5: five with labels of their own; sums are the same."""
    with fill(1, *range(6000, 6060), sources="127.0.0.1"):
        everything, some = export("--top", "500"), export("--top", "5")
        opened = values(some, "connect_failures_total", "destination", errno="ECONNREFUSED")
        lab.equal("label sets", (len(opened), "other" in opened), (6, True))
        lab.equal("sum", sum(opened.values()), 60)
        lab.equal("all", len(values(everything, "connect_failures_total", "destination", errno="ECONNREFUSED")), 60)
        lab.equal("lines", len(some) < 6 * 50 + 20, True)


def per_pid():
    with lab.Hold(PORT), fill(10) as one, fill(20) as other:
        seen = export("--per-pid")
        lab.equal("processes", values(seen, "processes", "pid"), {str(one.pid): 1, str(other.pid): 1})
        lab.equal("opened", sum(values(seen, "connections_opened_total", pid=str(other.pid)).values()), 20)


def many_programs():
    """210 programs: 200 have labels of their own, the rest are `other`; the sums are whole."""
    with lab.Hold(PORT), fill(7, sources="127.0.0.1"):
        [segment] = state().iterdir()
        data = segment.read_bytes()
    segment.unlink()
    for i in range(210):
        # Its pid, so that it is a process of its own, and its name: struct usage_header.
        copy = bytearray(data)
        struct.pack_into("=I", copy, 36, 1000 + i)
        struct.pack_into("=64s", copy, 256, f"program{i:03}".encode())
        path = state() / f"00000000001.{1000 + i}.00000000"
        path.write_bytes(copy)
        path.chmod(0o400)
    seen = export()
    opened = sums(seen, "connections_opened_total", "process")
    lab.equal("programs with labels", (len(opened), "other" in opened), (201, True))
    lab.equal("opened by the rest", opened.pop("other"), 10 * 7)
    lab.equal("opened by each", set(opened.values()), {7})
    processes = values(seen, "processes", "process")
    lab.equal("groups of processes", (len(processes), "other" in processes), (201, True))


def networks():
    """A program in another network namespace: its rows say so, by the inode of the namespace; ours do not."""
    script = 'ip link set lo up; stat -Lc %i /proc/self/ns/net; exec "$@"'
    with lab.Hold(PORT), fill(10, sources="127.0.0.1"), \
            lab.Process(["unshare", "-n", "sh", "-c", script, "sh", lab.client("fill"), "-c", "1", "127.0.0.9", str(PORT)],
                        {}, stdin=True) as other:
        lab.wait_for(lambda: "held" in other.stdout(), "its connection", other)
        inode = other.stdout().split()[0]
        seen = export()
        lab.equal("opened here", sums(seen, "connections_opened_total", "netns"), {None: 10, inode: 0})
        lab.equal("failed", sums(seen, "connect_failures_total", "netns", errno="ECONNREFUSED"), {inode: 1})
        lab.equal("in use", sums(seen, "in_use_ports", "netns"), {None: 10, inode: 0})


def never_fall():
    """A destination that gets labels of its own, a process that ends, a segment that goes: counters only rise."""
    def opened(**expected):
        equal = {name.replace("to", "127.0.0.9:"): number for name, number in expected.items()}
        lab.equal("opened", values(server.samples(), "connections_opened_total", "destination"), equal)

    with lab.Hold(PORT), lab.Hold(PORT + 1), Listening("--top", "1") as server:
        with fill(10, PORT, PORT + 1, sources="127.0.0.1"):
            opened(to5000=10, other=10)
            with fill(30, PORT + 1, sources="127.0.0.1"):
                opened(to5001=30, other=10)  # 5000 has lost its labels, to the fuller one
            opened(to5001=30, other=10)
        for segment in state().iterdir():
            segment.unlink()
        opened()
        with fill(5, PORT, sources="127.0.0.1"):
            opened(to5000=15, other=10)


def names():
    """A program's name with quotes and a backslash; segments that are none."""
    name = lab.scratch() / 'a"b\\c'
    shutil.copy(lab.client("fill"), name)
    with lab.Hold(PORT), fill(5, program=str(name)):
        (state() / "00000000001.1.00000001").write_bytes(b"x" * 5000)
        (state() / "00000000001.1.00000001").chmod(0o400)
        done = lab.run(command())
        lab.equal("status, lines", (done.status, done.stderr.count("\n")), (0, 1))
        seen = parse(done.stdout)
        lab.equal("name", values(seen, "processes", "process"), {'a\\"b\\\\c': 1})
        lab.equal("skipped", values(seen, "export_skipped_segments")[None], 1)
        lint(done.stdout)


def lint(text):
    lab.needs("promtool")
    page = lab.scratch() / "metrics"
    page.write_text(text)
    done = lab.run(["sh", "-c", f"promtool check metrics <{page}"])
    lab.equal("promtool check metrics", (done.status, done.stdout + done.stderr), (0, ""))


def linted():
    with lab.Hold(PORT), fill(40):
        lint(lab.run(command("--host", "--per-pid")).stdout)
        lint(lab.run(command()).stdout)
    lint(lab.run(command()).stdout)


# HTTP

def http_answers():
    # Of some of the 200 connections the client closes first, if the server does not get to it: a port each.
    lab.ports(10000, 59999)
    with lab.Hold(PORT), fill(10), Listening() as server:
        answer, body = server.get()
        lab.equal("type", answer.getheader("Content-Type"), "text/plain; version=0.0.4; charset=utf-8")
        lab.equal("samples", sum(values(parse(body), "in_use_ports").values()), 10)
        for method, path, status in (("GET", "/", 200), ("HEAD", "/metrics", 200), ("HEAD", "/", 200),
                                     ("GET", "/metrics?x=y", 200), ("GET", "/x", 404), ("GET", "/metrics/", 404),
                                     ("POST", "/metrics", 405), ("DELETE", "/", 405), ("PUT", "/x", 405)):
            answer, body = server.get(path, method)
            lab.equal(f"{method} {path}", answer.status, status)
            lab.equal(f"body of {method} {path}", bool(body), method != "HEAD")
            if status == 405:
                lab.equal("Allow", answer.getheader("Allow"), "GET, HEAD")
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            for answer, body in pool.map(lambda _: server.get(), range(200)):
                lab.equal("status", answer.status, 200)
                parse(body)
        server.send(signal.SIGTERM)
        lab.equal("status at the end", server.wait().status, 0)


def bad_requests():
    with Listening() as server:
        for request in (b"\0" * 1000, b"GET\r\n\r\n", b"GET /metrics HTTP/9.9\r\n\r\n", b"\r\n" * 100,
                        b"GET " + b"/" * 100000, b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 20000,
                        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\nx", b"\xff\xfe GET / \x80\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", HTTP), timeout=lab.PATIENCE_S) as one:
                try:
                    one.sendall(request)
                    one.shutdown(socket.SHUT_WR)
                    while one.recv(65536):
                        pass
                except OSError as why:  # it may hang up on us
                    if why.errno not in (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN):
                        raise
        idle = [socket.create_connection(("127.0.0.1", HTTP)) for _ in range(20)]
        lab.equal("still answers", server.get()[0].status, 200)
        for one in idle:
            one.close()


def other_addresses():
    """[::1], every address, a port of the kernel's choice; loopback if no address is given."""
    for at, listens in (("[::1]:9816", "[::1]:9816"), ("0.0.0.0:9816", "0.0.0.0:9816"), ("9816", "127.0.0.1:9816")):
        with Listening(at=at) as server:
            lab.equal(f"--listen {at}", server.stdout(), f"listening on http://{listens}/metrics\n")
    with Listening(at="127.0.0.1:0") as server:
        lab.equal("a port", int(re.search(r":(\d+)/", server.stdout())[1]) > 0, True)


def bad_input():
    with socket.create_server(("127.0.0.1", HTTP)):
        wrong = [["--listen", str(HTTP)], ["--listen", "192.0.2.1:1"]]
        wrong += [["--listen", text] for text in ("", "x", ":9816", "127.0.0.1", "127.0.0.1:99999", "::1:80",
                                                  "1.2.3.4:-1", "[1.2.3.4]:80", "localhost:80", "127.0.0.1:80x")]
        wrong += [["--textfile", path] for path in ("", "/nonexistent/x.prom", "/proc/x.prom", str(lab.scratch()))]
        wrong += [["--frob"], ["x"], ["--top"], ["--top", "0"], ["--top", "x"], ["--interval", "5"],
                  ["--state-dir", ""], ["--listen", "9817", "--textfile", "x"], ["--textfile", "x", "--interval", "0"]]
        for options in wrong:
            done = lab.run(command(*options))
            lab.equal(f"status, lines of {options}: {done.stderr}", (done.status, done.stderr.count("\n"), done.stdout),
                      (2, 1, ""))
    left_over = [p.name for p in lab.scratch().iterdir() if not p.name.startswith("std")]
    lab.equal("files left over", left_over, [])
    done = lab.run(["sh", "-c", f"{lab.HEADROOM} export >/dev/full"])
    lab.equal("a full device", (done.status, done.stderr.count("\n")), (2, 1))


# Prometheus

_asking = {}


def query(expression, port=PROMETHEUS):
    """What Prometheus answers: [(labels, number)]; None while it does not answer.

    Over one connection: the namespace has 100 ports, and a connection for each question leaves a TIME_WAIT."""
    connection = _asking.setdefault(port, http.client.HTTPConnection("127.0.0.1", port, timeout=lab.PATIENCE_S))
    try:
        connection.request("GET", "/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        answer = connection.getresponse()
        body = answer.read().decode()
    except (OSError, http.client.HTTPException):
        connection.close()
        return None
    if answer.status == 503:  # it is starting
        return None
    if answer.status != 200:
        raise lab.Failed(f"{expression}: {body}")
    result = json.loads(body)
    return [(sample["metric"], float(sample["value"][1])) for sample in result["data"]["result"]]


def prometheus(targets, rules=()):
    """@targets: {port: seconds between scrapes}"""
    lab.needs("prometheus")
    lab.not_under_sanitizer("Prometheus is not ours")
    folder = lab.scratch() / "prometheus"
    folder.mkdir()
    (folder / "prometheus.yml").write_text(json.dumps({
        "global": {"evaluation_interval": "1s"}, "rule_files": [str(rule) for rule in rules],
        "scrape_configs": [{"job_name": str(port), "scrape_interval": f"{every_s}s", "scrape_timeout": f"{every_s}s",
                            "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
                           for port, every_s in targets.items()]}))
    return lab.Process(["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                        f"--web.listen-address=127.0.0.1:{PROMETHEUS}", "--log.level=warn"])


def asked_back(process, which=""):
    """Waits until Prometheus tells the headroom that the kernel counts."""
    seen = None

    def same():
        nonlocal seen
        seen = query(f'headroom_ports{{destination="127.0.0.9:{PORT}"{which}}}')
        return seen is not None and {labels["source"]: number for labels, number in seen} == left()
    try:
        lab.wait_for(same, "", process)
    except lab.Failed as why:
        raise lab.Failed(f"Prometheus says {seen}, the kernel {left()} {why}\n"
                         f"{query('up')} {process.stderr()}") from None


def scraped():
    """The real Prometheus scrapes, and tells headroom as the kernel counts it, while it changes; the alert fires."""
    with lab.Hold(PORT), fill(70), Listening(), prometheus({HTTP: 1}, [EXAMPLES / "alerts.yml"]) as server, \
            socket.create_connection(("127.0.0.1", HTTP), timeout=lab.PATIENCE_S) as unfinished:
        unfinished.sendall(b"GET /")
        asked_back(server)
        with fill(60):
            asked_back(server)
        lab.wait_for(lambda: [number for _, number in query("up") or ()] == [1], "a scrape in time", server)
        firing = 'ALERTS{alertname="HeadroomExhausted",alertstate="firing"}'
        lab.wait_for(lambda: query(firing) == [], "no alert", server)
        with fill(300):
            lab.wait_for(lambda: query(firing), "the alert", server)
        lab.equal("the answer to a request that goes no further", unfinished.recv(1), b"")


def dashboard():
    """With --host: every panel asks for metrics that are there, and Prometheus takes the question."""
    # The kernel's list takes seconds while others on this machine have a million sockets: a rare scrape.
    with lab.Hold(PORT), fill(40), fill(10, shim=False), Listening(), Listening("--host", at=str(HTTP + 1)), \
            prometheus({HTTP: 1, HTTP + 1: 10}) as server:
        asked_back(server, f',instance="127.0.0.1:{HTTP + 1}"')
        known = {labels["__name__"] for labels, _ in query('{__name__=~"headroom_.+"}')}
        board = json.loads((EXAMPLES / "dashboard.json").read_text())
        lab.equal("panels without a question", [p["title"] for p in board["panels"] if not p["targets"]], [])
        questions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
        for question in [*questions, (EXAMPLES / "alerts.yml").read_text()]:
            unknown = set(re.findall(r"headroom_[a-z_]+", question)) - known
            lab.equal(f"unknown in {question}", unknown, set())
        for question in questions:
            for variable, value in (("$__rate_interval", "1m"), ("$__range", "1h"), ("$instance", ".*"),
                                    ("$netns", ".*"), ("$process", ".*"), ("$unit", ".*")):
                question = question.replace(variable, value)
            lab.wait_for(lambda q=question: query(q), f"an answer to {question}", server)
    return f"{len(questions)} questions"


# What Grafana's documentation says of these ("Dashboard JSON model", "Visualizations", "Standard options").
PANELS = {"timeseries", "stat", "bargauge", "gauge", "table", "row", "text"}
UNITS = {"short", "percentunit", "percent", "cps", "s", "none"}
CALCULATIONS = {"lastNotNull", "last", "min", "max", "mean", "sum"}


def panel_schema(panel, variables):
    title = panel["title"]
    lab.equal(f"type of {title}", panel["type"] in PANELS, True)
    place, defaults = panel["gridPos"], panel["fieldConfig"]["defaults"]
    lab.equal(f"place of {title}", all(isinstance(place[n], int) for n in "xywh") and place["x"] + place["w"] <= 24, True)
    lab.equal(f"unit of {title}", defaults["unit"] in UNITS, True)
    steps = defaults.get("thresholds", {"steps": []})["steps"]
    lab.equal(f"thresholds of {title}: the first is the base, the rest rise",
              [step["value"] for step in steps[:1]] in ([], [None]) and
              sorted(step["value"] for step in steps[1:]) == [step["value"] for step in steps[1:]], True)
    options = panel["options"]
    lab.equal(f"calculations of {title}", set((options.get("reduceOptions") or options.get("legend"))["calcs"]) - CALCULATIONS,
              set())
    ids = [target["refId"] for target in panel["targets"]]
    lab.equal(f"names of the queries of {title}", (len(set(ids)), all(re.fullmatch("[A-Z]", i) for i in ids)), (len(ids), True))
    for one in (panel, *panel["targets"]):
        lab.equal(f"data source of {title}", one["datasource"], {"type": "prometheus", "uid": "${datasource}"})
    for target in panel["targets"]:
        used = set(re.findall(r"\$\{?(\w+)", target["expr"]))
        lab.equal(f"variables of {title}", used - variables - {"__rate_interval", "__range"}, set())
        labels = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        kept = re.match(r"sum by \((.*?)\)", target["expr"])
        if kept:
            lab.equal(f"labels in the legend of {title} that the sum keeps", labels - set(kept[1].split(", ")), set())


def dashboard_schema():
    """The dashboard is made as Grafana wants it, as far as can be told without one."""
    board = json.loads((EXAMPLES / "dashboard.json").read_text())
    lab.equal("members", {"title", "uid", "schemaVersion", "panels", "templating", "time", "refresh"} - set(board), set())
    lab.equal("uid", bool(re.fullmatch(r"[\w-]{1,40}", board["uid"])), True)
    lab.equal("no id: Grafana gives one", board.get("id"), None)
    variables = {variable["name"]: variable["type"] for variable in board["templating"]["list"]}
    lab.equal("variables", variables, {"datasource": "datasource", "instance": "query", "netns": "query", "unit": "query",
                                       "process": "query"})
    panels = board["panels"]
    lab.equal("ids", len({panel["id"] for panel in panels}), len(panels))
    cells = [(panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y) for panel in panels
             for x in range(panel["gridPos"]["w"]) for y in range(panel["gridPos"]["h"])]
    lab.equal("places that two panels want", len(cells) - len(set(cells)), 0)
    for panel in panels:
        panel_schema(panel, set(variables))
    return f"{len(panels)} panels"


def documented():
    """docs/users/metrics.md lists each metric with its type, and no other. Those of attached cgroups: test_attach.py."""
    with lab.Hold(PORT), fill(10):
        text = lab.run(command("--host")).stdout
    page = (lab.HERE.parent.parent / "docs/users/metrics.md").read_text()
    listed = dict(re.findall(r"^\| `(headroom_\w+)` \| (\w+) \|", page, re.M))
    seen = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M))
    listed, seen = ({name: kind for name, kind in of.items() if not name.startswith("headroom_attach_")}
                    for of in (listed, seen))
    lab.equal("types", listed, seen)
    return f"{len(listed)} metrics"


def textfile():
    """node_exporter shows the file, Prometheus scrapes node_exporter; the file is written anew, whole each time."""
    lab.needs("prometheus-node-exporter")
    folder = lab.scratch() / "textfile"
    folder.mkdir()
    page = folder / "headroom.prom"
    with lab.Hold(PORT), fill(70):
        done = lab.run(command("--host", "--textfile", str(page)))
        lab.equal("status, output", (done.status, done.stdout, done.stderr), (0, "", ""))
        lab.equal("files", [p.name for p in folder.iterdir()], ["headroom.prom"])
        lab.equal("mode", page.stat().st_mode & 0o777, 0o644)
        with lab.Process(command("--textfile", str(page), "--interval", "0.1")) as writer, \
                lab.Process(["prometheus-node-exporter", "--collector.disable-defaults", "--collector.textfile",
                             f"--collector.textfile.directory={folder}", f"--web.listen-address=127.0.0.1:{NODE}"]), \
                prometheus({NODE: 1}) as server:
            asked_back(server)
            with fill(60):
                asked_back(server)
            lab.wait_for(lambda: [number for _, number in query("node_textfile_scrape_error") or ()] == [0],
                         "no error of node_exporter", server)
            inode = page.stat().st_ino
            for _ in range(5):
                lab.wait_for(lambda: page.stat().st_ino != inode, "a new file", writer)
                inode = page.stat().st_ino
                lab.equal("its end", "headroom_build_info" in page.read_text().splitlines()[-1], True)
            writer.send(signal.SIGTERM)
            lab.equal("status at the end", writer.wait().status, 0)
            lab.equal("files", [p.name for p in folder.iterdir()], ["headroom.prom"])


def alerts():
    lab.needs("promtool")
    for words in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"],
                  ["check", "config", "prometheus.yml"]):
        done = lab.run(["sh", "-c", f"cd {EXAMPLES} && promtool {' '.join(words)}"])
        lab.equal(f"promtool {' '.join(words)}\n{done}", done.status, 0)


lab.main([
    ("counts", counts),
    ("label sets", bounded),
    ("per process", per_pid),
    ("200 programs", many_programs),
    ("network namespaces", networks),
    ("counters never fall", never_fall),
    ("names from outside", names),
    ("promtool check metrics", linted),
    ("HTTP", http_answers),
    ("bad requests", bad_requests),
    ("other addresses", other_addresses),
    ("bad input", bad_input),
    ("Prometheus", scraped),
    ("dashboard", dashboard),
    ("its schema", dashboard_schema),
    ("node_exporter", textfile),
    ("alert rules", alerts),
    ("documented", documented),
])
