#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""measure_proxy - nginx as a proxy without keepalive towards an upstream over a veth pair, wrk as load.

The upstream leaves closing to the proxy, so each request leaves a TIME_WAIT here. Beside headroom stands what nginx's
own manual offers: proxy_bind with split_clients."""
import re

import bench
import lab

LOW, HIGH = 32768, bench.pick(32768 + 1999, 60999)
SECONDS, LONGER = bench.pick(1, 10), bench.pick(2, 20)
SPREAD = "split_clients $request_id $source {{ {parts} * {last}; }} proxy_bind $source;"
CONF = """
daemon off;
user root root;
worker_processes 1;
error_log stderr crit;
pid nginx.pid;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    {spread}
    server {{
        listen unix:front;
        listen 127.0.0.1:8080;
        location / {{ proxy_pass http://{far}:5000; proxy_set_header Connection close; }}
    }}
}}
"""
RECIPE = SPREAD.format(parts=" ".join(f"12.5% {address};" for address in bench.NEAR[:7]), last=bench.NEAR[7])


def proxy(shim, spread="", seconds=SECONDS):
    lab.needs("nginx", "wrk")
    lab.new_network()
    lab.ports(LOW, HIGH)
    folder = lab.scratch()
    (folder / "front").unlink(missing_ok=True)
    (folder / "nginx.conf").write_text(CONF.format(spread=spread, far=bench.FAR))
    command = ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with bench.far_network() as far, lab.Hold(5000, "http", inside=far), lab.Process(command, shim) as nginx:
        lab.wait_for(lambda: lab.listening(0, folder / "front"), "nginx to listen", nginx)
        done = lab.run(["wrk", "-t", "1", "-c", "32", "-d", f"{seconds}s", "http://127.0.0.1:8080/"])
    total = int(re.search(r"(\d+) requests in", done.stdout)[1])
    wrong = int((re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout) or [0, 0])[1])
    return {"rate": (total - wrong) / seconds, "wrong": 100 * wrong / total if total else 100}


def requests():
    taken = bench.interleave({"without": lambda: proxy(None), "proxy_bind": lambda: proxy(None, RECIPE),
                              "8 sources": lambda: proxy(bench.EIGHT_SOURCES)}, rounds=5, warm_up=bench.pick(0, 1))
    bench.record("errors", f"answers of nginx in {SECONDS} s that were errors", "%", bench.part(taken, "wrong"))
    return bench.record("requests", f"nginx to an upstream, {SECONDS} s, {HIGH - LOW + 1:,} ports: good answers",
                        "requests/s", bench.part(taken, "rate"), better="more")


def growth():
    for name, shim in (("without", None), ("8 sources", bench.EIGHT_SOURCES)):
        taken = bench.interleave({"small": lambda s=shim: 1e6 / max(proxy(s)["rate"], 1),
                                  "large": lambda s=shim: 1e6 / max(proxy(s, seconds=LONGER)["rate"], 1)}, rounds=2,
                                 warm_up=0)
        bench.growth(f"growth-{name.replace(' ', '-')}", f"a good answer of nginx, by seconds of load, {name}", "us",
                     (SECONDS, LONGER), taken)


if __name__ == "__main__":
    title = "nginx to an upstream"
    lab.main([("requests", bench.reported("requests", title, requests)), ("growth", bench.full_only(bench.reported("growth", title, growth)))])
