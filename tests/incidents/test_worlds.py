#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_worlds - hosts out of the ordinary: hardly any ports, IPv6 alone, no program, a hidden /proc, ranges of a socket's own."""
import os
import pathlib
import socket

import incident
from incident import BAD, FAR, FINE, NEAR, TO, lab

TO_V6 = "[fd09::100]:5000"
OWN_RANGE = f"""
for i in range(50):
    s = socket.socket()
    s.setsockopt(socket.SOL_IP, {incident.IP_LOCAL_PORT_RANGE}, struct.pack("I", 40000 | 40049 << 16))
    s.connect(("{FAR}", 5000))
    kept.append(s)
"""


def every_verb(to, left, status, source=NEAR):
    """What is left is the same in all of them, and as it is."""
    space, text = incident.check("--probe", to=to, status=status)
    lab.equal("check", (space["headroom"], space["exact"]), (left, True))
    [row] = [row for row in incident.as_json("check", "--all", "--probe", status=status)["tuple_spaces"] if row["destination"] == to]
    lab.equal("check --all", row["headroom"], left)
    incident.has("status", incident.headroom("status", status=status).stdout, f"{left} left")
    lab.equal("export", incident.metrics("--host")["headroom_ports_at_least"][f'source="{source}",destination="{to}"'], left)
    lab.equal("top", [row["headroom"] for row in incident.rows_of_top("--host") if row["destination"] == to], [str(left)])
    lab.equal("truth", incident.truth(to), left)
    return text


def ranges():
    """One port, two, an odd number, most of them reserved: percentages are of those that are not."""
    incident.needs_probe()
    for low, high, reserved, taken, left, status in ((40000, 40000, "", 1, 0, BAD), (40010, 40011, "", 2, 0, BAD),
                                                     (40020, 40028, "", 4, 5, FINE), (40100, 40299, "40100-40249", 20, 30, FINE)):
        lab.ports(low, high, reserved)
        with incident.program(f"for i in range({taken}): connect('{FAR}', 5000)"):
            text = every_verb(TO, left, status)
            usable = taken + left
            incident.has("of those that are not reserved", text, f"{left} of {usable} port{'s' if usable > 1 else ''}, {taken * 100 // usable} %")


def in_the_network(case, size=200):
    def play():
        with incident.network(size):
            case()
    return play


def ipv6_only():
    lab.ip("addr", "del", f"{NEAR}/24", "dev", "near0")
    with incident.program("for i in range(180): connect('fd09::100', 5000)") as culprit:
        incident.has("check", every_verb(TO_V6, 20, BAD, "fd09::1"), f"{incident.who(culprit)} 180")


def own_range():
    """A program that keeps to 50 ports fails, but the others have theirs."""
    incident.needs_probe()
    with incident.program(OWN_RANGE):
        every_verb(TO, 150, FINE)


def without_a_port():
    """A program that sets IP_BIND_ADDRESS_NO_PORT itself blocks none."""
    with incident.program(f"for i in range(170): connect('{FAR}', 5000, '{NEAR}')"):
        text = every_verb(TO, 30, BAD)
        incident.has("check", text, "0 blocked")
        lab.equal("another destination", incident.check(to=f"{FAR}:5001")[0]["headroom"], 200)


def multipath():
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).close()
    except OSError as why:
        raise lab.Skipped(f"no MPTCP here: {why.strerror}") from why
    with incident.program(f"for i in range(200): connect('{FAR}', 5000, protocol=262)") as culprit:
        incident.has("check", every_verb(TO, 0, BAD), f"{incident.who(culprit)} 200")


def hidden_proc():
    """Another user, /proc with hidepid=2: the numbers are as before, and what does not show is said."""
    incident.needs_users()
    with incident.program(f"for i in range(199): connect('{FAR}', 5000, '{NEAR}', explicit=True)"):
        for words, status, says in ((["status"], BAD, "199 of 200 ports are lost to every destination"), (["check", "--sample", "0", TO], BAD, "199 blocked"),
                                    (["ports"], BAD, "no process to be seen")):
            done = lab.run(["unshare", "--mount", "sh", "-c", "mount -t proc -o hidepid=2 proc /proc && exec setpriv --reuid 65534 "
                            "--clear-groups \"$@\"", "sh", str(lab.HEADROOM), *words])
            lab.equal(f"{words}\n{done}", done.status, status)
            incident.has(words[0], done.stdout, says)
            incident.has(words[0], done.stderr, "the processes of 199 sockets are not shown: run as root")
        lab.equal("truth", incident.truth(), 1)


def deleted_namespace():
    """A network namespace that no name has any more, but a process: --pid and --all-netns show it."""
    lab.needs("unshare")
    if os.geteuid():
        raise lab.Skipped("needs root, to look into another network namespace")
    text = "echo 40000 40006 >/proc/sys/net/ipv4/ip_local_port_range; echo ready; exec sleep 1000"
    with lab.Process(["unshare", "--net", "sh", "-c", text]) as keeper:
        lab.wait_for(lambda: "ready" in keeper.stdout(), "the namespace", keeper)
        incident.has("--pid", incident.headroom("ports", "--pid", str(keeper.pid)).stdout, "40000-40006: 7 ports")
        done = lab.run([str(lab.HEADROOM), "ports", "--all-netns"])
        incident.has("--all-netns", done.stdout, "40000-40006: 7 ports")
        pathlib.Path(f"/proc/{keeper.pid}/ns/net").stat()


lab.main([
    ("hardly any ports", in_the_network(ranges)),
    ("IPv6 alone", in_the_network(ipv6_only)),
    ("a range of the socket's own", in_the_network(own_range)),
    ("no port by bind()", in_the_network(without_a_port)),
    ("MPTCP alone", in_the_network(multipath)),
    ("a hidden /proc", in_the_network(hidden_proc)),
    ("a namespace without a name", deleted_namespace),
])
