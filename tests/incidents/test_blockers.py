#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_blockers - one program binds its ports explicitly, so that the others get none: no verb says that all is well."""
import incident
from incident import BAD, FAR, NEAR, TO, lab

OTHER = f"{FAR}:5001"
BINDS = f"for i in range(int(sys.argv[1])): connect('{FAR}', 5000, '{NEAR}', explicit=True)"
BINDS_TWENTY = f"for i in range(int(sys.argv[1])): connect('{FAR}', 5100 + i % 20, '{NEAR}', explicit=True)"

ANY = f"""
for i in range(120):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("0.0.0.0", 0))
    s.connect(("{FAR}", 5000))
    kept.append(s)
"""


def every_verb(culprit, left, status):
    """check, check --all, ports, top and export beside the truth of a destination that nobody uses."""
    space, text = incident.check(to=OTHER, status=status)
    lab.equal("check", (space["headroom"], space["headroom_at_least"], space["exact"]), (left, left, True))
    lab.equal("blockers", [(p["pid"], p["sockets"]) for p in space["blocked"]["processes"]], [(culprit.pid, 200 - left)])
    incident.has("check", text, f"{(200 - left) // 2} % lost to blockers")
    if status:
        incident.has("first advice", incident.advice(text), incident.who(culprit), "IP_BIND_ADDRESS_NO_PORT")
        incident.lacks("advice of what is not", text, "TIME_WAIT, 60 s")
    every = incident.as_json("check", "--all", status=status)
    lab.equal("check --all", (every["capacity"], every["capacity_at_least"]), (left, left))
    incident.has("check --all", incident.headroom("check", "--all", status=status).stdout, incident.who(culprit))
    ports = incident.as_json("ports", status=status)
    lab.equal("ports", (ports["usable"], ports["usable_at_least"], ports["exact"]), (left, left, True))
    lab.equal("owners", {run["pid"] for run in ports["blocked_ports"]}, {culprit.pid})
    incident.has("top", incident.headroom("top", "--once", "--host", "--delay", "0.1").stdout,
                 f"{200 - left} blocked; {left} for each")
    metrics = incident.metrics("--host")
    lab.equal("metrics", [metrics[f"headroom_host_{name}_ports"][""] for name in ("capacity", "doubtful", "blocked")],
              [left, 0, 200 - left])
    lab.equal("truth", incident.truth(OTHER), left)


def all_of_them():
    incident.needs_probe()
    with incident.network(servers=(5000, 5001)), incident.program(BINDS, 200) as culprit:
        every_verb(culprit, 0, BAD)


def most_of_them():
    """170 of 200: the threshold counts what is lost, not only what is in use."""
    incident.needs_probe()
    with incident.network(servers=(5000, 5001)), incident.program(BINDS, 170) as culprit:
        every_verb(culprit, 30, BAD)


def some_of_them():
    """Nothing is wrong at 30 of 200, and it is not asked about: both bounds say so."""
    incident.needs_probe()
    with incident.network(servers=(5000, 5001)), incident.program(BINDS, 30):
        space, _ = incident.check(to=OTHER)
        lab.equal("both bounds", (space["headroom_at_least"], space["headroom"], space["verdict"]), (170, 200, "fine"))
        space, _ = incident.check("--probe", to=OTHER)
        lab.equal("asked", (space["headroom"], space["lost_percent"]), (170, 15))
        probed = incident.as_json("check", "--all", "--probe")
        lab.equal("check --all --probe", (probed["capacity"], probed["doubtful"]), (170, 0))
        lab.equal("truth", incident.truth(OTHER), 170)


def of_many_destinations():
    """The binder's connections are spread, so that none of its own rows looks full."""
    incident.needs_probe()
    with incident.network(servers=(5000, 5001, *range(5100, 5120))), incident.program(BINDS_TWENTY, 200) as culprit:
        every_verb(culprit, 0, BAD)


def innocent():
    """The same number of connections, whose ports connect() picked: they are nobody's loss."""
    incident.needs_probe()
    with incident.network(servers=(5000, 5001)), \
            incident.program(f"for i in range(200): connect('{FAR}', 5000, '{NEAR}')"):
        space, _ = incident.check(to=OTHER)
        lab.equal("another destination", (space["headroom"], space["exact"], space["verdict"]), (200, True, "fine"))
        space, _ = incident.check(status=BAD)
        lab.equal("this one", (space["headroom"], space["verdict"]), (0, "exhausted"))
        lab.equal("ports", incident.as_json("ports")["usable"], 200)
        lab.equal("truth", (incident.truth(OTHER), incident.truth(TO)), (200, 0))


def towards_one():
    """All towards the destination that is asked about: another source would give it one port more, so that is no advice."""
    with incident.network(), incident.program(f"for i in range(199): connect('{FAR}', 5000, '{NEAR}', explicit=True)") as culprit:
        space, text = incident.check(status=BAD)
        lab.equal("check", (space["headroom"], space["exact"], space["blocked"]["all"]),
                  (1, True, 199))
        incident.has("who", text, f"{incident.who(culprit)} 199")
        incident.has("first advice", incident.advice(text), f"{incident.who(culprit)} has bound 199 of the ports explicitly")
        incident.lacks("advice", text, "Add a source", "Use more sources")
        lab.equal("truth", incident.truth(), 1)


def of_any_address():
    """SO_REUSEADDR, and bound to all addresses: as lost as the others. The news is not bad yet; what sources give is not overstated."""
    with incident.network(), incident.program(ANY):
        space, text = incident.check()
        lab.equal("check", (space["verdict"], space["headroom"]), ("fine", 80))
        incident.has("advice", incident.advice(text), "each gives at most 200 ports more")
        space, text = incident.check("--probe")
        lab.equal("probed", space["headroom"], 80)
        incident.has("first advice", incident.advice(text), "has bound 120 of the ports explicitly")
        lab.equal("truth", incident.truth(), 80)


def cannot_be_asked():
    """Where the kernel does not tell and cannot be asked, that is the verdict, with an exit status of its own."""
    with incident.network(servers=(5000, 5001)), incident.program(BINDS, 200):
        for words in (("check", "--sample", "0", OTHER), ("check", "--all"), ("ports",)):
            # A seccomp filter stands for a kernel before 6.3.
            done = lab.run([lab.PYTHON, "-c", NO_PORT_RANGE, str(lab.HEADROOM), *words])
            expected = BAD if words[1:] == ("--all",) else incident.UNKNOWN
            lab.equal(f"exit status of {words}\n{done}", done.status, expected)
            incident.has("the reason", done.stderr, "the kernel cannot be asked about single ports")
            if expected == incident.UNKNOWN:
                incident.has("the verdict", done.stdout, "unknown")


NO_PORT_RANGE = """
import ctypes, os, struct, sys
# setsockopt() with the option IP_LOCAL_PORT_RANGE gets ENOPROTOOPT: load the number of the call, then that of the option.
numbers = {"x86_64": 54, "aarch64": 208}
steps = [(0x20, 0, 0, 0), (0x15, 0, 3, numbers[os.uname().machine]), (0x20, 0, 0, 32), (0x15, 0, 1, 51),
         (0x06, 0, 0, 0x00050000 | 92), (0x06, 0, 0, 0x7fff0000)]
code = b"".join(struct.pack("HBBI", *step) for step in steps)
held = ctypes.create_string_buffer(code)
program = struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(held))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0, ctypes.get_errno()
os.execv(sys.argv[1], sys.argv[1:])
"""


lab.main([
    ("all ports bound explicitly", all_of_them),
    ("most of them", most_of_them),
    ("some of them", some_of_them),
    ("towards many destinations", of_many_destinations),
    ("as many that connect() picked", innocent),
    ("towards one destination", towards_one),
    ("of any address", of_any_address),
    ("a kernel that cannot be asked", cannot_be_asked),
])
