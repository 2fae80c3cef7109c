# SPDX-License-Identifier: Apache-2.0
"""players - runs a program in a world, plainly or in a mode, and gives its trace: {key: text}.

A key is (strand, serial number of the line); ("peer", n) is what the n-th connection was to the peer, and ("ended", "") how
the program ended.
"""
import mmap
import os
import pathlib
import pickle
import socket
import struct
import time
import traceback

import counts
import modes
import place
import worlds

LIMIT_MS = 12000
STRANDS_MAX, STRAND_NAME, STRAND_TEXT = 64, 60, 8000
PAGE = STRAND_NAME + 4 + STRAND_TEXT
# What stands before the pages: struct shared of actor.h.
HEAD = 12
ARGUMENTS = ("stdio", "log")


def split(program):
    """The header of a program and its blocks, as the actor reads them."""
    header = {line.split()[0]: line.split(None, 1)[1] for line in program if line.split()[0] in ARGUMENTS}
    return header, [line for line in program if line.split()[0] not in ARGUMENTS]


class Player:
    def __init__(self, world, tools, base):
        """@tools: folder, shim and headroom of the build."""
        self.world, self._tools = world, tools
        self._place = place.Place(world, tools.folder, base)
        self._trace = pathlib.Path(self._place.folder, "trace")
        self._held = counts.kernel(self._place.sockets(), {})

    def _environment(self, mode, header):
        environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C", "LD_BIND_NOW": "1"}
        if self._place.other:
            environment["TWIN_NS_other"] = self._place.other.network()
        environment["TWIN_NS_near"] = f"/proc/{os.getpid()}/ns/net"
        if mode is None or mode.name == "none":
            return environment
        environment["LD_PRELOAD"] = str(self._tools.shim)
        if header.get("log", "off") == "off":
            environment["HEADROOM_LOG"] = "off"
        environment.update(mode.environment(self.world))
        if mode.rules:
            rules = pathlib.Path(self._place.folder, "rules")
            rules.write_text("\n".join(mode.rules(self.world)) + "\n")
            environment["HEADROOM_CONFIG"] = str(rules)
        return environment

    def _command(self, mode, header):
        low, high = worlds.port_range(self.world)
        parity = "" if "knee" in self.world or worlds.value(self.world, "nofile") else "p"
        environment = self._environment(mode, header)
        return [*(f"env {name}={value}" for name, value in environment.items()),
                *(f"arg {word}" for word in (self._tools.folder / "twin-actor", self._trace, self._program,
                                             f"{low}-{high}{parity}")),
                f"folder {self._place.folder}/cwd", f"limit-ms {LIMIT_MS}",
                f"nofile {worlds.value(self.world, 'nofile') or 1024}", f"stdio {header.get('stdio', 'null file file')}", "go"]

    def close(self):
        self._place.close()

    def run(self, program, mode=None):
        """mode: a modes.Mode, or None for plain Linux."""
        self._place.reset()
        header, blocks = split(program)
        folder = pathlib.Path(self._place.folder)
        self._program = folder / "program"
        self._program.write_text("\n".join(blocks) + "\n")
        (folder / "cwd").mkdir()
        with open(self._trace, "wb") as file:
            file.truncate(HEAD + STRANDS_MAX * PAGE)
        stage, peer = self._place.stage, self._place.peer
        begun = time.monotonic()
        stage.send(self._command(mode, header))
        ended = stage.line()
        took = time.monotonic() - begun
        out = stage.bytes(int(stage.line().split()[1]))
        error = stage.bytes(int(stage.line().split()[1]))
        stage.line()
        counted = counts.are_exact(self.world, program)
        judged = counted and mode and mode.counts and counts.are_current(self.world, took)
        if judged:
            by_kernel = counts.kernel(self._place.sockets(), self._held)
            by_shim = counts.shim(self._tools.headroom)
        peer.send(["end"])
        trace = {("ended", ""): ended, ("out", ""): out.decode(errors="replace"), ("err", ""): error.decode(errors="replace")}
        serial = {}
        while (line := peer.line()) != "done":
            name = line.split()[0]
            serial[name] = serial.get(name, 0) + 1
            trace["peer " + name, serial[name]] = " ".join(line.split()[2:])
        trace.update(self._strands())
        if counted:
            trace["counts", ""] = counts.judge(by_kernel, by_shim, trace, program, self.world) if judged else "exact"
        trace[("files", "")] = " ".join(sorted(entry.name for entry in (folder / "cwd").iterdir()))
        return trace

    def _strands(self):
        found = {}
        with open(self._trace, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as memory:
            for index in range(min(struct.unpack_from("=I", memory, 4)[0], STRANDS_MAX)):
                start = HEAD + index * PAGE
                name = memory[start:start + STRAND_NAME].split(b"\0")[0].decode()
                length = struct.unpack_from("=I", memory, start + STRAND_NAME)[0]
                text = memory[start + STRAND_NAME + 4:start + STRAND_NAME + 4 + length].decode(errors="replace")
                for number, line in enumerate(text.split("\n")):
                    found[name, number] = line
        return found


class Theatre:
    """A player in a process of its own, as it changes its namespaces for good. Asked by run(); ends with close()."""

    def __init__(self, world, tools, base):
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self._ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 21)
        self._pid = os.fork()
        if not self._pid:
            self._ours.close()
            self._play(theirs, world, tools, base)
        theirs.close()
        if (said := self._ours.recv(1 << 20).decode()) != "ready":
            self.close()
            raise place.Unbuildable(said)

    def _play(self, told, world, tools, base):
        player = None
        try:
            player = Player(world, tools, base)
            told.send(b"ready")
            while asked := told.recv(1 << 20):
                program, mode = pickle.loads(asked)
                told.send(b"+" + pickle.dumps(player.run(program, modes.MODES[mode] if mode else None)))
        except BaseException as why:
            text = str(why) if isinstance(why, place.Unbuildable) else traceback.format_exc()
            told.send(b"!" + text.encode()[-4000:])
        finally:
            if player:
                player.close()
            os._exit(0)

    def run(self, program, mode=None):
        self._ours.send(pickle.dumps((program, mode)))
        said = self._ours.recv(1 << 21)
        if not said.startswith(b"+"):
            raise place.Unbuildable(said[1:].decode() or "the player ended")
        return pickle.loads(said[1:])

    def close(self):
        self._ours.close()
        # It ends by itself, and takes with it what would stay; one that hangs is ended.
        for _ in range(200):
            if os.waitpid(self._pid, os.WNOHANG)[0]:
                return
            time.sleep(0.005)
        os.kill(self._pid, 9)
        os.waitpid(self._pid, 0)
