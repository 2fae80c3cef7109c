#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""measure_proxy - nginx as a proxy without keepalive towards an upstream over a veth pair, wrk as load.

The upstream leaves closing to the proxy, so each request leaves a TIME_WAIT here. Beside headroom stands what nginx's
own manual offers: proxy_bind with split_clients."""
import re

import bench
import lab

LOW, HIGH = 32768, bench.pick(32768 + 1999, 60999)
TIMES = bench.pick([1], [1, 5])
SECONDS = TIMES[-1]
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


def proxy(shim, spread, seconds):
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
    variants = {"without": (None, ""), "proxy_bind": (None, RECIPE), "8 sources": (bench.EIGHT_SOURCES, "")}
    for variant in variants.values():
        proxy(*variant, TIMES[0])  # warm-up
    both = bench.interleave({(name, seconds): lambda v=variant, s=seconds: proxy(*v, s)
                             for name, variant in variants.items() for seconds in TIMES}, rounds=5, warm_up=0)
    bench.growths("growth", "a good answer of nginx, by seconds of load", "us", TIMES, both,
                  lambda found: 1e6 / max(found["rate"], 1))
    taken = {name: both[name, SECONDS] for name in variants}
    bench.record("errors", f"answers of nginx in {SECONDS} s that were errors", "%", bench.part(taken, "wrong"))
    return bench.record("requests", f"nginx to an upstream, {SECONDS} s, {HIGH - LOW + 1:,} ports: good answers",
                        "requests/s", bench.part(taken, "rate"), better="more")


if __name__ == "__main__":
    lab.main([("requests", bench.reported("requests", "nginx to an upstream", requests))])
