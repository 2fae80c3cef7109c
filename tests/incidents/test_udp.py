#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_udp - a program holds all UDP ports: TCP's verdicts stay right, and the UDP view says whose they are."""
import errno
import socket

import incident
from incident import BAD, FAR, TO, lab

LEAK = """
while True:
    s = socket.socket({family}, socket.SOCK_DGRAM)
    try:
        s.connect(("{to}", 53))
    except OSError as why:
        break
    kept.append(s)
    if len(kept) == int(sys.argv[1]):
        break
"""


ONE = f"""
import socket, struct
s = socket.create_connection(("{FAR}", {incident.PORT}))
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
"""


def udp_truth():
    held, why = [], None
    while why is None:
        held.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        try:
            held[-1].connect((FAR, 53))
        except OSError as error:
            why = error.errno
    for s in held:
        s.close()
    return len(held) - 1, why


def leaking_resolver(family, to, source):
    with incident.network(), incident.program(LEAK.format(family=family, to=to), 10000) as culprit:
        ports = incident.as_json("ports", status=BAD)
        lab.equal("ports", (ports["verdict"], ports["udp"]["verdict"], ports["udp"]["headroom"]), ("fine", "exhausted", 0))
        lab.equal("who", [(p["pid"], p["sockets"]) for p in ports["udp"]["processes"]], [(culprit.pid, 200)])
        lab.equal("from where", ports["udp"]["sources"], [{"source": source, "ports": 200}])
        incident.has("ports", incident.headroom("ports", status=BAD).stdout, "0 of 200 ports left: connect()",
                     "EAGAIN", f"{incident.who(culprit)} 200")
        space, text = incident.check()
        lab.equal("TCP", (space["verdict"], space["headroom"]), ("fine", 200))
        incident.has("check", text, "UDP: 0 of 200", incident.who(culprit), "explain udp")
        incident.check("--from", "auto")
        incident.has("--all", incident.headroom("check", "--all", status=BAD).stdout, "UDP: 0 of 200", incident.who(culprit))
        incident.has("top", incident.headroom("top", "--once", "--host", "--delay", "0.1").stdout, "UDP has 0")
        lab.equal("metric", incident.metrics("--host")["headroom_host_udp_in_use_ports"][""], 200)
        for options in ((), ("--sources", "auto")):
            done = lab.run([lab.PYTHON, "-c", ONE],
                           shim={"options": options})
            lab.equal(f"a program under the shim {options}", (done.status, done.stderr), (0, ""))
        lab.equal("truth", (udp_truth(), incident.truth(TO)), ((0, errno.EAGAIN), 200))


def some():
    with incident.network(), incident.program(LEAK.format(family="socket.AF_INET", to=FAR), 40) as culprit:
        udp = incident.as_json("ports")["udp"]
        lab.equal("UDP", (udp["headroom"], [p["pid"] for p in udp["processes"]]), (160, [culprit.pid]))
        incident.lacks("check", incident.check()[1], "UDP")
        lab.equal("truth", udp_truth()[0], 160)


lab.main([
    ("a leaking resolver", lambda: leaking_resolver("socket.AF_INET", FAR, "10.9.0.1")),
    ("by IPv6", lambda: leaking_resolver("socket.AF_INET6", "fd09::100", "fd09::1")),
    ("some ports", some),
])
