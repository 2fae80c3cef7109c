#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_export_prometheus - the real Prometheus and node_exporter take what `headroom export` says, and what they then tell
of headroom is what the kernel counts; the rules and the dashboard of examples/prometheus.
"""
import http.client
import json
import re
import signal
import socket
import urllib.parse

import lab
from exported import command, fill, HTTP, left, Listening, NODE, PORT, PROMETHEUS

EXAMPLES = lab.HERE.parent.parent / "examples/prometheus"
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
    ("Prometheus", scraped),
    ("dashboard", dashboard),
    ("its schema", dashboard_schema),
    ("node_exporter", textfile),
    ("alert rules", alerts),
])
