# SPDX-License-Identifier: Apache-2.0
"""programs - draws a program for a world: parts one after the other, each a recipe (recipes.py) or operations by chance.

The operations, how often each is taken and what arguments they want is told by the actor itself (`--operations`), so a new
operation is one line of C.
"""
import subprocess

import recipes
import worlds

LOOPS = ("loop", "bound-loop", "marked-loop", "rush")
STACKS = ("16384", "16384", "20480", "65536", "262144")


class Grammar:
    def __init__(self, actor):
        self.operations, self.options = [], []
        for line in subprocess.run([str(actor), "--operations"], capture_output=True, text=True, check=True).stdout.splitlines():
            name, second, third = line.split("\t")
            if name == "option":
                self.options.append((second, third.split("|")))
            else:
                self.operations.append((name, int(second), third.split()))
        self.weights = [weight for _, weight, _ in self.operations]


class Draft:
    """A program under way: its blocks, the slots in use, what the world offers."""

    def __init__(self, random, world, grammar):
        self.random, self.world, self.grammar = random, world, grammar
        self.blocks, self.header = {"main": []}, {"stdio": "null file file", "log": random.choice(("off", "off", "default"))}
        self._next_slot = 0
        self.kinds = {}  # slot -> kind of socket
        self.dests = [words.split() for words in worlds.values(world, "dest")]
        self.locals = worlds.values(world, "local")
        self.low, self.high = worlds.port_range(world)
        self.size = self.high - self.low + 1
        self.bad = bool(worlds.values(world, "bad") or worlds.values(world, "foreign"))
        # Plain Linux waits for each connection of a loop.
        self.natural_is_bad = bool(set(worlds.values(world, "bad"))
                                   & {words.split()[1] for words in worlds.values(world, "natural")})

    def slot(self, kind="-"):
        letters = "abcdefghijklmnopqrstuvwxyz"
        name = letters[self._next_slot % 26]
        self._next_slot += 1
        self.kinds[name] = kind
        return name

    def many(self, count):
        """As many connections of a loop as there is time for."""
        return min(count, 16) if self.natural_is_bad else count

    def block(self, lines):
        name = f"b{len(self.blocks)}"
        self.blocks[name] = list(lines)
        return name

    def dest(self, *names, family=None):
        """A destination of the world, of one of these names; family 4 or 6, mapped ones are 6."""
        fits = [address for name, address in self.dests if (not names or name in names)
                and (family is None or (family == 6) == address.startswith("["))]
        return self.random.choice(fits) if fits else "127.0.0.1:7001" if family != 6 else "[::1]:7001"

    def local(self, family=None):
        fits = [a for a in self.locals if family is None or (family == 6) == a.startswith("[")]
        return self.random.choice(fits) if fits else "127.0.0.1"

    def any_fd(self):
        if self.random.random() < 0.04 or not self.kinds:
            return self.random.choice(("#0", "#1", "#2", "#77", "#3"))
        recent = list(self.kinds)[-6:]
        return self.random.choice(recent)

    def any_dest(self):
        roll = self.random.random()
        if roll < 0.02:
            return "unspec:0"
        if roll < 0.04:
            return self.random.choice(("255.255.255.255:7001", "224.0.0.1:7001", "[ff02::1]:7001", "127.0.0.1:0"))
        return self.dest(*[name for name, _ in self.dests if name != "lost"])

    def any_local(self):
        roll = self.random.random()
        port = self.random.choice((0, 0, 0, 0, 5001, 5002, self.low + 3))
        if roll < 0.15:
            return self.random.choice((f"0.0.0.0:{port}", f"[::]:{port}"))
        if roll < 0.2:
            return self.random.choice(("10.9.9.9:0", "unspec:0", "unspec:5003", "[fd98::1]:0", "127.0.0.1:22"))
        return f"{self.local()}:{port}"

    def argument(self, name, kind, so_far):
        random = self.random
        if kind == "new":
            return self.slot(so_far[0] if so_far else "-")
        if kind == "fd":
            return self.any_fd()
        if kind == "dest":
            # Who waits for an answer is answered.
            return self.dest("echo", "deny") if name in LOOPS else self.any_dest()
        if kind == "local":
            return self.any_local()
        if kind.startswith("int:"):
            low, high = map(int, kind[4:].split("-"))
            return str(random.randint(low, high))
        if kind.startswith("one:"):
            return random.choice(kind[4:].split("|"))
        if kind == "option":
            return random.choice(self.grammar.options)[0]
        if kind == "value":
            return random.choice(dict(self.grammar.options)[so_far[-1]])
        if kind == "stack":
            return random.choice(STACKS)
        if kind in ("ms", "loop-ms"):
            return "150" if kind == "ms" or self.bad or name == "bound-loop" else "0"
        if kind == "block":
            return self.block(self.chance(random.randint(1, 5), inner=True))
        raise ValueError(f"an argument of kind {kind} is not known")

    def chance(self, count, inner=False):
        """Operations by chance."""
        lines = []
        for _ in range(count):
            name, _, kinds = self.random.choices(self.grammar.operations, self.grammar.weights)[0]
            if "block" in kinds and inner or name in LOOPS and self.bad:
                continue
            words = []
            for kind in kinds:
                words.append(self.argument(name, kind, words))
            if name == "socket":
                self.kinds[words[0]] = words[1]
            lines.append(" ".join([name, *words]))
            lines += self.follow(name, words)
        return lines

    def follow(self, name, words):
        """What a program would do next, more often than not."""
        random = self.random
        if name == "socket" and words[1][:3] in ("tcp", "mpt") and random.random() < 0.7:
            family = 6 if words[1].startswith(("tcp6", "mptcp6")) else 4
            lines = []
            if random.random() < 0.2:
                lines.append(f"bind {words[0]} {self.local(family)}:{random.choice((0, 0, 0, 5004))}")
            dest = self.any_dest() if random.random() < 0.2 else self.dest(
                "echo", "close", "reset", "greet", "refused", "unset", "nowhere", "own", "mute", family=family)
            lines.append(f"connect {words[0]} {dest}")
            if "n" in words[2] and random.random() < 0.8:
                lines += [*self.settle(words[0], dest), f"await {words[0]} o 300", f"get {words[0]} SO_ERROR"]
                return lines
            return lines + self.settle(words[0], dest)
        # What goes on beside each other by chance has no order that could be compared.
        if name == "thread":
            return ["join"]
        if name in ("fork", "fork-by", "vfork", "spawn"):
            return ["wait"]
        return []

    @staticmethod
    def settle(slot, dest):
        """What the server does by itself has arrived before the program goes on: else it is a race."""
        return [f"await {slot} ih 250"] if dest.endswith((":7002", ":7003", ":7004")) else []

    def text(self):
        lines = [f"{key} {value}" for key, value in self.header.items()]
        for name, block in self.blocks.items():
            lines += [f"block {name}", *(self._patient(block) if self.bad or "marks" in self.world else block)]
        return lines

    @staticmethod
    def _patient(block):
        """Where a source, or the wrong one of two uplinks, gets no answer no connect() waits for long."""
        for line in block:
            yield line
            words = line.split()
            if words[0] == "socket" and words[2].startswith(("tcp", "mptcp")) and "n" not in words[3]:
                yield f"set {words[1]} SO_SNDTIMEO 200"


def draw(random, world, grammar):
    """A program for the world, as a list of lines."""
    draft = Draft(random, world, grammar)
    main = draft.blocks["main"]
    for _ in range(random.choice((1, 1, 2, 2, 3))):
        if random.random() < 0.72:
            main += recipes.draw(draft)
        else:
            main += draft.chance(random.randint(2, 9))
    return draft.text()
