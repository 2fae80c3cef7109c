# SPDX-License-Identifier: Apache-2.0
"""compare - what is the same in two traces, and the few things that need not be.

The masks, each with the exception of docs/users/shim.md ("Exceptions") that it stands for:

  mask          where                        exception
  source        with sources                 "With sources, the source IP": addresses of this host that the program did not bind
  port-after    with sources                 "After a failed connect() from a source of ours, and after connect(AF_UNSPEC) has taken
                                             one apart, getsockname() shows port 0, and of an MPTCP socket the unset address too"
  end           at the peer                  whether a connection that the program closes ends by RST depends on when bytes come;
                                             and two sockets, one of them bound to a device, may have the same port
  no answer     in loops                     the program's own limit of time, EHOSTUNREACH and ETIMEDOUT are one
  to itself     in loops                     "A connect() to a port of the range where nobody listens": one that gets this very port counts as
                                             refused, as which port it gets is not compared (ops_loop.c)
  parity        bound without a port         bind(ip, 0) is deferred, and connect() picks the port ("What it does")
  parity        near the limit of fds, in    "While one of the last 32 fd numbers below RLIMIT_NOFILE is taken the shim opens
                another root                 nothing": not the file that tells the range either (actor.h)
  more          plain runs out of ports      what is asked for: with it there are more. Nothing is compared from there on
  exhausted     plain runs out of ports      "At exhaustion, connect() fails with EADDRNOTAVAIL where bind(ip, 0) would have
                                             failed with EADDRINUSE before it"
  used source   with sources, small range    "A program that binds to a source of the list finds fewer ports there, ... and maybe the one
                                             that it names"
  bind's alone  in loops, bind(ip, 0) too    "where sockets with bind(ip, 0) and sockets without share a range that is used up, those
                                             without may find as many fewer as there are ports that bind() alone can take"
  own source    explicit_source = spread     "also spread sockets that the program bound to a source": what that source could not reach
  bad source    with sources, world has bad  a server that lets one source not in: 3 of the first 40 and 1 in 100 of the rest
  once more     with sources, a server that  "A connect() that fails within 1.5 s, not by a refusal, towards a destination that has
                resets before connect() ends answered none of the list, is made once more"
  stack         depth=N                      1.5 KiB more
  no port       programs with children "In a child, after exec and in who gets an fd, getsockopt(IP_BIND_ADDRESS_NO_PORT) is 1
                                             for a connection that the shim has bound"
  links         two links, a filter before   "There it is not known on which link a source is": nothing is compared
                the start, named sources
  reused        with reuse                   "With reuse, a non-blocking connect() is done at once, getsockname() shows a port
                                             from before, and a parked connection holds an fd with a high number"
  log           standard error               "What it says": whole lines of a log that the program was started with; none where
                                             standard error is a socket or a terminal (stage.c: one that stops who writes)

What differs between two plain runs is not determined, and not compared at all.
"""
import re

import modes
import worlds

STACK_MORE = 1536
# A loss is allowed to a world with a bad source.
LOST_FIRST, FIRST, LOST_LATER = 3, 40, 100
EXHAUSTED = ("EADDRNOTAVAIL", "EADDRINUSE")
NOT_LOADED = "error while loading shared libraries"
# No answer: whether that is said by the program's own limit or the kernel depends on when.
NO_ANSWER = ("EINPROGRESS", "EHOSTUNREACH", "ETIMEDOUT")
# A source of the program's own does not lead there.
NO_WAY = ("EINVAL", "ENETUNREACH")
# A server that resets each connection; whether connect() has ended by then depends on who gets the processor.
RESETS = re.compile(r"^peer .*:7003(/\d+)?$")
LOOPS = ("loop", "bound-loop", "bind-loop", "marked-loop", "rush", "brood")


class Rules:
    def __init__(self, world, program, mode):
        self.named, self.reuses = mode.named, mode.reuses
        self.links_unknown = mode.named and len(worlds.values(world, "veth")) > 1 and any(
            line.startswith(("filter-netlink", "filter socket")) for line in program) and any(
            line.split()[0] in ("exec", "spawn", "vfork") for line in program)
        self.fills = any(line.startswith("fill ") for line in program)
        # Half of the limit of fds (preload/parking.c).
        limits = [int(line.split()[2]) for line in program if line.startswith("limit nofile ")]
        self.parked_from = min(limits + [int(worlds.value(world, "nofile") or 1024)]) // 2
        self.own_sources = mode.name == "own"
        low, high = worlds.port_range(world)
        self.fills_sources = mode.named and high - low < 60 and any(line.split()[0] in LOOPS for line in program)
        ports = [int(line.rpartition(":")[2]) for line in program if re.match(r"bind .*:\d+$", line)]
        self.names_port = self.fills_sources and any(low <= port <= high for port in ports)
        addresses = sorted(worlds.local_addresses(world), key=len, reverse=True)
        addresses = [re.escape(address) for address in addresses] + [r"127\.\d+\.\d+\.\d+"]
        self._source = re.compile("|".join(r"(?<![\w.:])" + address + r"(?![\w.:])" for address in addresses))
        bad = worlds.values(world, "bad") + ([] if mode.name.startswith("auto") else worlds.values(world, "foreign"))
        excluded = modes.excluded(world) if mode.name == "except" else []
        held = [line for line in worlds.values(world, "hold") if line.startswith(("hold-listen", "hold-bind"))]
        held += [line for line in program if line.startswith("listen ")]
        self.binds_alone = len(held) if any(re.match(r"(bound-loop|bind-loop|bind) .*:0$", line) for line in program) else 0
        self.bad = mode.named and bool(set(bad) - set(excluded))
        # A program may bind to it by itself, and plain Linux may have had no port there.
        out = [re.escape(address) for address in excluded]
        out = [address for address in out if not any(re.search(rf"[ \[]{address}[\]:]", line) for line in program)]
        self.excluded = re.compile("|".join(rf"(?<![\w.:]){address}(?![\w.:])" for address in out)) if out else None
        self.inherits = any(line.split()[0] in ("fork", "fork-by", "exec", "spawn", "vfork", "recvfd") for line in program)
        # Where fds are few, what the others had more of them is missing there.
        self.moves = not worlds.value(world, "nofile") and any(line in ("setns other", "unshare net") for line in program) and not any(
            line in ("unshare files", "unshare fs", "setns near") for line in program)
        self.killed_for_bind = mode.named and any("filter bind kill" in line for line in program) and any(
            line.split()[0] in ("exec", "spawn", "vfork") for line in program)
        # Such a socket and one without a device may have the same port, and the server then knows one of them only.
        self.of_device = any("SO_BINDTODEVICE" in line for line in program)
        self.log_allowed = "log default" in program
        self.streams = next((line.split()[1:] for line in program if line.startswith("stdio ")), ["null", "file", "file"])

    def mask(self, key, text):
        """The text with what may differ taken out."""
        if key[0] == "err":
            return self._without_log(text)
        if key[0] in ("out", "files", "ended", "counts"):
            return text
        text = text.replace("|port", "|any") if self.own_sources else text
        if self.inherits and text.split()[1:2] in (["dump"], ["get"]):
            text = text.replace("IP_BIND_ADDRESS_NO_PORT=1", "IP_BIND_ADDRESS_NO_PORT=0")
        if key[0].startswith("peer ") and ("7004" in key[0] or " got=0 " not in text or self.of_device):
            # Closed before or after the server's bytes were there: FIN or RST.
            text = re.sub(r" (fin|rst)$", " end", text)
        if self.reuses:
            text = _as_reused(text, self.parked_from)
        if self.named and (key[0].startswith("peer ") or text.split()[1:2] in (["name"], ["accept"])):
            text = self._source.sub("SOURCE", text.replace("::ffff:", ""))
            if text.endswith(" failed"):
                text = re.sub(r"\|(?!own )\w+ failed", "|any failed", text)
            if self.own_sources:
                text = text.replace(" own|", " SOURCE|")
            text = re.sub(r" (?!own)\S+\|(?!own )\w+ failed-mptcp$", " any failed-mptcp", text)
        if self.own_sources:
            text = text.replace(" own|", " SOURCE|")
        return text

    def _without_log(self, text):
        if self.streams[2] in ("socket", "pty", "closed") or not self.log_allowed:
            return text
        return re.sub(r"headroom time=\S+ level=\w+ .*event=\w+.*\n", "", text)

    def same(self, key, plain, shim):
        """Is what the shim's run has at a key as good as what the plain one has?"""
        if plain == shim:
            return True
        if key and key[0] == "err" and NOT_LOADED in plain:
            # Where the loader finds no libc it finds us neither, and says so.
            shim = re.sub(r"ERROR: ld\.so: object .* from LD_PRELOAD cannot be preloaded .*\n", "", shim)
        words = plain.split()
        name = words[1] if len(words) > 1 else ""
        if name == "contend" and " refused" in plain:
            # Without the shim there was an fd too few as well.
            return True
        if name in LOOPS and shim.split()[:2] == words[:2]:
            return self._loop(plain, shim)
        if "depth=" in plain and "depth=" in shim and re.sub(r"depth=\d+", "", plain) == re.sub(r"depth=\d+", "", shim):
            depths = [list(map(int, re.findall(r"depth=(\d+)", text))) for text in (plain, shim)]
            return all(more <= less + STACK_MORE for less, more in zip(*depths))
        return self.mask(key, plain) == self.mask(key, shim)

    def _loop(self, plain, shim):
        before, after = _tally(plain), _tally(shim)
        odd_before, odd_after = before.pop("odd", 0), after.pop("odd", 0)
        if self.own_sources and any(error in before for error in NO_WAY + NO_ANSWER):
            return True
        if self.fills_sources and plain.split()[1] == "bound-loop" and set(after) <= {"ok", *EXHAUSTED}:
            return True
        losses = sum(number for error, number in after.items() if error not in before and error not in ("ok", *EXHAUSTED))
        if self.bad:
            # What plain Linux had no port for is not lost.
            allowed = _losses_allowed(sum(before.values())) + sum(before.get(error, 0) for error in EXHAUSTED)
            return losses <= allowed and after.get("ok", 0) >= before.get("ok", 0) - allowed
        if any(error in before for error in EXHAUSTED):
            losses -= after.get("EMFILE", 0) if "EMFILE" not in before and after.get("ok", 0) > before.get("ok", 0) else 0
            fewer = self.binds_alone if plain.split()[1] == "loop" else 0
            return after.get("ok", 0) >= before.get("ok", 0) - fewer and not losses
        return before == after and not (odd_after and not odd_before)

    def parts(self, plain, shim):
        """Do the two go different ways here as they may: plain Linux has run out of ports, or a bad source was met?"""
        words = plain.split()
        name = words[1] if len(words) > 1 else ""
        if name in LOOPS:
            elsewhere = self.own_sources and any(error in plain for error in NO_WAY + NO_ANSWER)
            return (self.bad or elsewhere or any(error in plain for error in EXHAUSTED)) and self.same(None, plain, shim)
        if self.fills_sources and name == "name" and " own|port" in plain and shim.split()[-1].endswith("|0"):
            # bind(ip, 0) to a source whose ports were spread over: it was deferred, and there is none.
            return True
        if self.names_port and name == "bind" and "r=0" in plain and "e=EADDRINUSE" in shim:
            return True
        if self.own_sources and name == "connect" and " e=" in plain:
            # A source of the program's own that does not lead there is replaced, as was asked for.
            return ("r=0" in shim or "e=EINPROGRESS" in shim
                    or any(f"e={error}" in plain for error in NO_WAY + NO_ANSWER))
        if self.bad and name in ("connect", "await", "fast-open", "talk", "get"):
            return True
        if name in ("connect", "bind", "listen", "fast-open", "cancelled") and any(f"e={e}" in plain for e in EXHAUSTED):
            # With a port it is the destination that answers.
            return "r=0" in shim or any(f"e={error}" in shim for error in (*EXHAUSTED, *NO_ANSWER, "ECONNREFUSED"))
        return False


def _as_reused(text, parked_from):
    """What a connection from before shows: "a non-blocking connect() is done at once, getsockname() shows a port from before,
    and a parked connection holds an fd with a high number"."""
    name = text.split()[1:2]
    if name in (["connect"], ["cancelled"]):
        return text.replace("e=EINPROGRESS", "r=0")
    if name == ["name"]:
        return re.sub(r"\|(even|odd|port)\b", "|any", text)
    if name == ["select"]:
        # It leaves numbers out that lie past the end of the kernel's table (core_sys_select(), fs/select.c).
        return text.replace("e=EBADF", "r=0")
    if text.startswith("end fds"):
        # The program's own that are as high have other numbers for it.
        return re.sub(r" socket\S*=(\d+)(-\d+)?", lambda found: _below(parked_from, found), text)
    return text


def _below(limit, numbers):
    """Of ` socket=3-22`, what is below a limit."""
    first, last = int(numbers[1]), int((numbers[2] or "-" + numbers[1])[1:])
    name = numbers[0].partition("=")[0]
    if first >= limit:
        return ""
    return f"{name}={first}-{min(last, limit - 1)}" if min(last, limit - 1) > first else f"{name}={first}"


def _losses_allowed(total):
    return LOST_FIRST + max(0, total - FIRST) // LOST_LATER


def _tally(text):
    tally = {}
    for name, number in re.findall(r"(\w+)=(\d+)", text):
        name = "EINPROGRESS" if name in NO_ANSWER else name
        tally[name] = tally.get(name, 0) + int(number)
    return tally


# What wait(), a crowd and the stage say of SIGSEGV and the like.
_CRASH = re.compile(r" (signal=(SEGV|BUS|ILL|FPE|ABRT)|killed=\d+)|^status signal (4|6|7|8|11)\b")


def _order(trace):
    """Keys in the order in which differences matter: the program's strands, then the rest."""
    return sorted(trace, key=lambda key: (not key[0].startswith("main"), key[0], str(type(key[1])), key[1]))


def _step(text):
    """The number of the step that a line is of; none at a strand's end, or in a handler's line."""
    number = re.match(r"(\d+) ", text or "")
    return int(number[1]) if number else None


class Parting:
    """From where on strands are not compared: one went another way, as it may, and what comes after is about more
    connections, or others. Those that it began go with it, and those that began it from that step on, and what those begin
    then, as they share fds; but not the loops of one that has gone to another network: its ports are others."""

    def __init__(self, rules, plains, shim):
        self._from, self._while, self._elsewhere = {}, {}, {}
        for key in _order(plains[0]):
            texts = [plain[key] for plain in plains if key in plain]
            if rules.moves and texts[0].split()[1:] in (["setns", "r=0"], ["unshare", "r=0"]):
                self._elsewhere.setdefault(key[0], key[1])
            if key in shim and key[0] not in self._from and any(rules.parts(text, shim[key]) for text in texts):
                self._from[key[0]] = key[1]
                for above, step in self._above(key[0]):
                    self._while[above] = min(step, self._while.get(above, step))

    @staticmethod
    def _above(name):
        """The strands above one, each with its step by which the one of this name came to be."""
        parents = name.split(".")
        return [(".".join(parents[:depth]), int(re.sub(r"\D", "", parents[depth]) or 0)) for depth in range(1, len(parents))]

    def began(self):
        return bool(self._from)

    def covers(self, key, text):
        name, line = key
        if not self._from:
            return False
        if not name.startswith("main"):
            return name.startswith("peer")
        if line > self._elsewhere.get(name, line) and text and text.split()[1:2] and text.split()[1] in LOOPS:
            return False
        if name in self._from and line >= self._from[name]:
            return True
        if any(name.startswith(strand + ".") for strand in self._from):
            return True
        if any(step >= self._while.get(above, step + 1) for above, step in self._above(name)):
            return True
        step = _step(text)
        return name in self._while and (step is None or step >= self._while[name])


def never(rules, plains, shim):
    """As differences(), of those lines alone that tell of what no plain run tells of, and that is no chance where it is seen
    once: a crash, an address that was taken out of the list."""
    found = []
    for what in filter(None, (_CRASH, rules.excluded)):
        if not any(what.search(text or "") for plain in plains for text in plain.values()):
            found += [(key, plains[0].get(key), shim[key]) for key in _order(shim) if what.search(shim[key] or "")]
    return found


def _were_reset(trace):
    """How many connect()s ended so themselves."""
    texts = [text for (name, _), text in trace.items() if name.startswith("main") and set(text.split()[1:2]) & {"connect", *LOOPS}]
    return sum(text.count(" e=ECONNRESET") + sum(map(int, re.findall(r" ECONNRESET=(\d+)", text))) for text in texts)


def differences(rules, plains, shim):
    """The keys at which shim's trace differs from the plain ones, which agree there: [(key, plain, shim)]."""
    if rules.reuses and rules.fills or rules.links_unknown:
        # The numbers of files go round the parked ones; or sources are used for another link's peers.
        return []
    first, parting = plains[0], Parting(rules, plains, shim)
    once_more = _were_reset(first) if rules.named else 0
    found = []
    for key in _order(set(first) | set(shim)):
        before, after = first.get(key), shim.get(key)
        if rules.reuses and key[0].startswith("peer "):
            continue
        if before == after or any(plain.get(key) != before for plain in plains[1:]):
            continue
        if shim.get(("ended", ""), "").endswith("signal 31") and rules.killed_for_bind:
            # "one that kills for bind() kills a program with sources"
            continue
        if key[0] == "ended" and parting.began() and "status signal 13" in (before, after):
            # Who writes to a connection that plain Linux had no port for.
            continue
        if once_more and before is None and RESETS.match(key[0]):
            once_more -= 1
            continue
        if parting.covers(key, before or after) or before is not None and after is not None and rules.same(key, before, after):
            continue
        found.append((key, before, after))
    return found
