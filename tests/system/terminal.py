# SPDX-License-Identifier: Apache-2.0
"""terminal - a terminal of tmux, to look at what `headroom top` draws."""
import lab


def state():
    if not lab.state():
        raise lab.Skipped("no memory file system at /dev/shm")
    return lab.state()


class Terminal:
    """A terminal of tmux, a server of its own, that runs one shell command line."""

    _count = 0

    def __init__(self, command, width=80, height=24, env=None):
        lab.needs("tmux")
        state()
        # One each: a server that is about to end would take the next one's client.
        Terminal._count += 1
        self._socket = str(lab.scratch() / f"tmux{Terminal._count}")
        line = " ".join(f"{name}={value}" for name, value in (env or {}).items())
        self._do("new-session", "-d", "-x", str(width), "-y", str(height), f"env {line} {command}; echo ended $?; "
                 "stty -a; exec sleep 1000")

    def _do(self, *words):
        done = lab.run(["tmux", "-S", self._socket, "-f", "/dev/null", *words])
        lab.equal(f"tmux {' '.join(words)}: {done.stderr}", done.status, 0)
        return done.stdout

    def keys(self, *keys):
        self._do("send-keys", *keys)

    def resize(self, width, height):
        self._do("resize-window", "-x", str(width), "-y", str(height))

    def lines(self):
        return self._do("capture-pane", "-p").splitlines()

    def ask(self, what):
        return self._do("display-message", "-p", f"#{{{what}}}").strip()

    def colours(self):
        return self._do("capture-pane", "-p", "-e")

    def until(self, holds, what):
        """Waits until holds(lines) is true. Return: what it gave."""
        try:
            return lab.wait_for(lambda: holds(self.lines()), what)
        except lab.Failed as why:
            raise lab.Failed(f"{why}\n" + "\n".join(self.lines())) from None

    def text(self, wanted):
        return self.until(lambda lines: any(wanted in line for line in lines) and lines, f"`{wanted}`")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        lab.run(["tmux", "-S", self._socket, "kill-server"])


def top(*options):
    return " ".join([str(lab.HEADROOM), "top", "--delay", "0.2", *options])
