#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""test_words - what the command prints is English and can be asked about: one port is not "1 ports", and `headroom
explain` knows each word of its pages.
"""
import pathlib
import re

import incident
from incident import FAR, NEAR, TO, UNKNOWN, lab

SOURCES = pathlib.Path(__file__).resolve().parents[2]
NOUNS = ("ports|connections|sockets|processes|segments|programs|sources|destinations|addresses|times|looks|listeners|namespaces|"
         "units|cgroups|calls|rows|retries|files|users|workers|containers|rules")
# Of constants, and of what is printed for two and more only.
NEVER_ONE = ("(%u processes)", ", %u rules", "%llu of %llu connections", "connections in CLOSE_WAIT: some program", "cgroups are called so",
             "%u ports, for all destinations%s")
ONE_OF_MANY = re.compile(rf"(?<![\d.:-])1 (?:more )?(?:(?:{NOUNS})\b|(?:are|have|were|wait|hold)\b)")
# One of each: a range of a few ports, a listener, a connection of each kind, a UDP socket, a reserved port.
MAKES = f"""
server = socket.create_server(("{NEAR}", 40001)); kept.append(server)
connect("{FAR}", 5000)
connect("{FAR}", 5001, "{NEAR}", explicit=True)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.connect(("{FAR}", 53)); kept.append(u)
"""


def sources():
    """No format has a plural behind a number that may be one."""
    found = []
    for wing in ("cli", "pool", "preload", "attach"):
        for path in (SOURCES / wing).rglob("*.c"):
            text = re.sub(r'"\s*\n\s*"', "", path.read_text())
            for hit in re.finditer(rf'%(?:llu|lu|zu|u)(?: more)? (?:{NOUNS})\b[^"\n]*', text):
                if not any(allowed in text[max(0, hit.start() - 8):hit.end()] for allowed in NEVER_ONE):
                    found.append(f"{path.relative_to(SOURCES)}: {hit[0]}")
    lab.equal("plurals", found, [])


def every_page(to=TO):
    """All that the verbs print, whatever their verdict."""
    page = lab.scratch() / "page.html"
    history = lab.scratch() / "history"
    texts = {}
    for words in (["status"], ["status", "--nagios"], ["status", "--all-netns"], ["check", "--sample", "0", to],
                  ["check", "--sample", "0", "--probe", to], ["check", "--all"], ["check", "--all", "--probe"], ["check", "--leaks"],
                  ["ports"], ["ports", "--probe"], ["ports", "--by", "workers"], ["top", "--once", "--delay", "0.1"],
                  ["top", "--once", "--delay", "0.1", "--host"], ["top", "--once", "--delay", "0.1", "--host", "--by", "user"], ["report"],
                  ["report", "--by", "workers"], ["report", "--html", str(page)],
                  ["record", "--once", "--history", str(history)], ["report", "--since", "1h", "--history", str(history)],
                  ["top", "--at", "0s", "--history", str(history)],
                  ["report", "--since", "1h", "--history", str(history), "--html", str(page) + "2"],
                  ["doctor", "--host"], ["export", "--host"], ["attach", "--list"], ["service", "list"], ["disable"], ["config"]):
        done = lab.run([str(lab.HEADROOM), *words])
        if done.status < 0 or done.status > UNKNOWN:
            raise lab.Failed(f"{words}: {done}")
        texts[" ".join(words)] = done.stdout + done.stderr
    for path in (page, pathlib.Path(str(page) + "2")):
        if path.exists():
            texts[path.name] = re.sub(r"<style>.*?</style>", "", path.read_text(), flags=re.S)
    return texts


def no_plurals(texts):
    found = [f"{name}: {hit[0]!r} in {line!r}" for name, text in texts.items() for line in text.splitlines()
             if not line.startswith("#") for hit in ONE_OF_MANY.finditer(line)]
    lab.equal("plurals of one", found, [])


def one_of_each(high, text, shim):
    """One port, one connection, one of each kind, with and without the shim."""
    with incident.network(size=1, servers=(5000, 5001)):
        lab.ports(40000, high)
        with incident.program(text, shim=shim):
            no_plurals(every_page())
        lab.ports(40000, high, "40000")
        no_plurals(every_page())


def logs():
    """Lines of the shim, of its summary at the end too."""
    with incident.network(size=1):
        done = lab.run([lab.PYTHON, "-c", incident.PROGRAM + f"""
connect('{FAR}', 5000)
try:
    connect('{FAR}', 5000)
except OSError:
    pass
"""], {"options": ["--log", "info", "--summary"]})
        incident.has("a line", done.stderr, "headroom")
        no_plurals({"log": done.stderr})


HEADS = ("destination ", "process ", "port ", "namespace ")
# Of other pages than those of numbers, or no words of ours.
PLAIN = {"and", "What to do", "headroom", "What"}


def explained():
    """`headroom explain` knows every verdict, label and head of a column."""
    words = set()
    with incident.network(), incident.program(f"for i in range(170): connect('{FAR}', 5000)", shim={}), \
            incident.program(f"connect('{FAR}', 5000, '{NEAR}', explicit=True)"):
        texts = every_page()
    for name in ("status", f"check --sample 0 {TO}", "check --all", "ports", "top --once --delay 0.1 --host", "report"):
        text = texts[name]
        body = text.split("What to do")[0] if name != "ports" else text.split("\n\n")[0]
        for line in body.splitlines():
            if any(line.lstrip().startswith(head) and "  " in line for head in HEADS):
                words.update(word for word in re.split(r" {2,}| (?=[a-zA-Z%])", line.strip().replace("in use", "in-use")
                                                       .replace("connect us", "connect-us")) if word)
            elif not line.startswith("    "):
                words.update(found.strip() for found in re.findall(r"^ {0,2}([A-Za-z][A-Za-z ]*?)  ", line))
    words |= {"fine", "tight", "slow", "exhausted", "hanging", "unknown", "leaking", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1",
              "FIN_WAIT2", "TIME_WAIT", "CLOSE_WAIT", "LAST_ACK", "CLOSING", "LISTEN", "BOUND", "(no shim)", "reserved", "lost to blockers",
              "insert_failed", "EADDRNOTAVAIL"}
    unknown = [word for word in sorted(words - PLAIN) if lab.run([str(lab.HEADROOM), "explain", word]).status]
    lab.equal("words without an explanation", unknown, [])
    if not {"worst", "shim", "held by", "knee", "others", "failovers", "usable"} <= words:
        raise lab.Failed(f"only these were found: {sorted(words)}")
    return f"{len(words)} words"


lab.main([
    ("sources", sources),
    ("one port", lambda: one_of_each(40000, f"connect('{FAR}', 5000)", None)),
    ("one port, and the shim", lambda: one_of_each(40000, f"connect('{FAR}', 5000)", {})),
    ("one of each", lambda: one_of_each(40003, MAKES, None)),
    ("one of each, and the shim", lambda: one_of_each(40003, MAKES, {})),
    ("log lines", logs),
    ("explained", explained),
])
