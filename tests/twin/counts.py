# SPDX-License-Identifier: Apache-2.0
"""counts - what the shim has counted, beside the kernel's own list, when the program has ended.

The shim's numbers are those of `headroom report`: for each source the ports in use, connections and TIME_WAITs. The kernel's
come from sock_diag. What is still open when the process ends becomes a TIME_WAIT for the shim; it is none if the peer closed
first or there was something to read, so those may be told too many, and none too few.
"""
import json
import re
import subprocess

import worlds

# Where nothing exact is promised: what is not seen, not written down, shared with others, or another network's.
NOT_EXACT = {"filter", "chroot", "unshare", "fill", "limit", "contend", "sendfd", "recvfd", "fork", "vfork", "spawn",
             "exec", "end", "jump", "shm", "filter-netlink", "landlock",
             "fork-by", "brood"}
OTHER_WORLDS = ("sysctl ipv4/tcp_max_tw_buckets", "sysctl ipv4/tcp_tw_reuse 1", "sysctl ipv4/ip_autobind_reuse", "nofile", "shm",
                "rewrite")
# ESTABLISHED, SYN_SENT, FIN_WAIT1, FIN_WAIT2, TIME_WAIT, CLOSING
IN_USE = {1, 2, 4, 5, 6, 11}
EPHEMERAL = 40000
CLOSE_RANGE_UNSHARE = 2


def _parts_numbers(line):
    """A thread that may get fd numbers of its own by it: from then on the shim does nothing more."""
    words = line.split()
    return words[0] == "close-range" and int(words[3], 0) & CLOSE_RANGE_UNSHARE


def are_exact(world, program):
    """Is what the shim counts of this program in this world to be exact?"""
    if any(line.startswith("thread") for line in program) and any(_parts_numbers(line) for line in program):
        return False
    return (not any(line.startswith(OTHER_WORLDS) for line in world)
            and not any(line.split()[0] in NOT_EXACT or "mptcp" in line for line in program))


def are_current(world, took):
    """Is what a program of @took seconds has left still in use? Over loopback the kernel takes a TIME_WAIT again after a second
    (tcp_tw_reuse = 2, as it is by itself), though sock_diag lists it."""
    return took < 0.9 or "sysctl ipv4/tcp_tw_reuse 0" in world


def kernel(sockets, held):
    """{source: ports in use} by who connects, of the sockets of sock_diag (place.Diag), but for what others hold."""
    found = {}
    for _, state, local, port, _, remote_port, *_ in sockets:
        if state in IN_USE and remote_port < EPHEMERAL and not 7001 <= port <= 7009:
            source = local.removeprefix("::ffff:")
            found[source] = found.get(source, 0) + 1
    return {source: number - held.get(source, 0) for source, number in found.items() if number > held.get(source, 0)}


def shim(headroom):
    """The same as the shim tells it; None if it tells nothing."""
    done = subprocess.run([str(headroom), "report", "--json"], capture_output=True, env={"PATH": "/usr/bin"})
    if done.returncode not in (0, 1) or not done.stdout:
        return None
    found = {}
    for process in json.loads(done.stdout)["processes"]:
        for space in process["spaces"]:
            if space["in_use"]:
                found[space["source"]] = found.get(space["source"], 0) + space["in_use"]
    return found


def _told_at_least(number, world, program):
    """Of a source's ports in use: never more than its capacity is told, and ports that the program names may lie outside."""
    low, high = worlds.port_range(world)
    capacity = high - low + 1 - len(list(filter(None, (worlds.value(world, "reserved") or "").split(","))))
    ports = (line.rpartition(":")[2] for line in program if line.startswith("bind "))
    outside = sum(not low <= int(port) <= high for port in ports if port.isdigit() and port != "0")
    return max(number - outside, capacity) if number > capacity else number


def judge(by_kernel, by_shim, trace, program, world):
    """A text that is the same if all is well: "exact"."""
    # Such a server's FIN or RST may come between the look before close() and close() itself.
    # And a listener of the program's own resets those that it did not accept.
    server_ends = any(f":{port}" in line for line in program for port in (7002, 7003, 7004, 7005)) or any(
        line.startswith("listen ") for line in program)
    if by_shim is None:
        return "exact"
    left = sum(int(last or first) - int(first) + 1 for (name, _), text in trace.items()
               if name.startswith("main") and (text or "").startswith("end fds")
               for first, last in re.findall(r" socket\S*=(\d+)(?:-(\d+))?", text))
    if not trace["ended", ""].startswith("status exit") or server_ends:
        left = 1 << 20
    total, told = sum(by_kernel.values()), sum(by_shim.values())
    fits = told <= total + left and all(by_shim.get(source, 0) >= _told_at_least(number, world, program)
                                        for source, number in by_kernel.items())
    return "exact" if fits else (f"{' '.join(f'{s}={n}' for s, n in sorted(by_shim.items()))} of the kernel's "
                                 f"{' '.join(f'{s}={n}' for s, n in sorted(by_kernel.items()))}")
