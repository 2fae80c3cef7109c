# SPDX-License-Identifier: Apache-2.0
"""worlds - what a machine's network may be like: drawn from a seed, written as lines, one subject each.

    range LOW HIGH            ip_local_port_range          reserved LIST        ip_local_reserved_ports
    sysctl NAME VALUE         of the program's namespace   ip WORDS             ip(8) there; far-ip WORDS: at the peer
    veth NEAR FAR             a pair to the peer           other                a third namespace, for setns
    servers WHERE             near, far or other: a server of each kind on each address there, see KINDS
    deny ADDRESS              a source that servers of kind deny reset
    hold COMMAND...           what others hold here, see peer.c
    sources LIST              HEADROOM_SOURCES where sources are named
    bad ADDRESS               a source from which some destination cannot be used (losses are counted, see compare.py)
    foreign ADDRESS           such a one of another subnet: `auto` has no business with it
    rewrite SERVICE A B       a cgroup sends connections to SERVICE to A or B, see rewrite.py
    delay MS                  on the links, where the kernel has netem
    marks                     a mark chooses the route
    knee                      others hold so much that parity is not determined
    nofile N, shm SIZE        the limit of fds, the size of /dev/shm
    dest NAME ADDRESS         a destination for programs; local ADDRESS: an address to bind to
    natural FAMILY ADDRESS    the source that the kernel chooses
"""
import random as chance
import re

KINDS = (("echo", 7001), ("close", 7002), ("reset", 7003), ("greet", 7004), ("deny", 7005), ("mute", 7006))
REFUSED = 7009


def value(lines, key):
    """The rest of the first line that begins with key; None if there is none."""
    return next((line[len(key) + 1:] for line in lines if line.split()[0] == key), None)


def values(lines, key):
    return [line[len(key) + 1:] for line in lines if line.split()[0] == key]


def port_range(lines):
    low, high = (value(lines, "range") or "40000 40099").split()
    return int(low), int(high)


def local_addresses(lines):
    """Every address that the world gives the program's side, for the mask of sources."""
    found = set()
    for words in values(lines, "ip"):
        match = re.match(r"addr add (\S+?)/", words)
        if match:
            found.add(match.group(1))
    for listed in values(lines, "sources"):
        found.update(listed.split(","))
    found.update(words.split()[1] for words in values(lines, "natural"))
    return found


def servers():
    """The commands for peer.c that start servers of each kind on each address of a namespace."""
    lines = ["udp 0.0.0.0:7007", "udp [::]:7007"]
    for kind, port in KINDS:
        lines += [f"listen 0.0.0.0:{port} {kind}", f"listen [::]:{port} {kind}"]
    return lines


def _dests(host, few=False):
    """Destinations at a host, by the kind of server."""
    kinds = KINDS[:1] if few else KINDS
    lines = [f"dest {kind} {host}:{port}" for kind, port in kinds]
    if not few:
        lines.append(f"dest refused {host}:{REFUSED}")
    return lines


def _loopback(random):
    count = random.choice((1, 2, 3, 3, 4))
    lines = ["servers near"]
    lines += [f"ip addr add fd00::{i}/64 dev lo nodad" for i in range(1, 6)]
    sources = [f"127.0.0.{i + 2}" for i in range(count)] + [f"fd00::{i + 2}" for i in range(count)]
    if random.random() < 0.15:
        sources.append(random.choice(("10.99.99.99", "fd99::1", "192.0.2.77")))
    lines.append("sources " + ",".join(sources))
    lines += ["natural 4 127.0.0.1", "natural 6 fd00::1", "natural 6 ::1"]
    lines += _dests("127.0.0.1") + _dests("[fd00::1]") + _dests("127.0.0.9", few=True)
    lines += _dests("[::1]", few=True) + _dests("[::ffff:127.0.0.1]", few=True)
    lines += ["dest unset 0.0.0.0:7001", "dest unset [::]:7001", "dest unset [::ffff:0.0.0.0]:7001",
              f"dest refused 0.0.0.0:{REFUSED}"]
    lines += [f"local {a}" for a in ("127.0.0.1", "127.0.0.7", "[fd00::1]", "[fd00::5]", "[::1]", "127.0.0.2")]
    return lines


def _one_subnet(random):
    count = random.choice((1, 2, 3, 4))
    lines = ["veth c0 s0"]
    for i in range(2, 7):
        lines += [f"ip addr add 10.1.0.{i}/24 dev c0", f"ip addr add 2001:db8:1::{i}/64 dev c0 nodad"]
    lines += ["far-ip addr add 10.1.0.1/24 dev s0", "far-ip addr add 2001:db8:1::1/64 dev s0 nodad",
              "far-ip addr add fe80::1/64 dev s0 nodad", "far-ip addr add 192.0.2.1/32 dev lo",
              "far-ip addr add 2001:db8:9::1/128 dev lo nodad",
              "ip route add default via 10.1.0.1", "ip route add default via 2001:db8:1::1"]
    lines += ["servers far", "servers near"]
    lines.append("sources " + ",".join([f"10.1.0.{i + 2}" for i in range(count)]
                                       + [f"2001:db8:1::{i + 2}" for i in range(count)]))
    lines += ["natural 4 10.1.0.2", "natural 6 2001:db8:1::6", "natural 4 127.0.0.1"]
    lines += _dests("10.1.0.1") + _dests("[2001:db8:1::1]") + _dests("192.0.2.1", few=True)
    lines += _dests("[2001:db8:9::1]", few=True) + _dests("[::ffff:10.1.0.1]", few=True)
    lines += ["dest echo [fe80::1%c0]:7001", "dest echo 10.1.0.2:7001", "dest unset 0.0.0.0:7001", "dest unset [::]:7001",
              "dest own 10.1.0.3:7001", "dest lost 192.0.2.9:7001", "dest echo 127.0.0.1:7001"]
    lines += [f"local {a}" for a in ("10.1.0.2", "10.1.0.4", "[2001:db8:1::3]", "127.0.0.1", "10.1.0.6")]
    if random.random() < 0.3:
        lines += ["ip route add unreachable 198.51.100.1", "ip route add prohibit 198.51.100.2",
                  "ip route add blackhole 198.51.100.3", "dest nowhere 198.51.100.1:7001",
                  "dest nowhere 198.51.100.2:7001", "dest nowhere 198.51.100.3:7001"]
    bad = random.random()
    if count > 1 and bad < 0.45:
        victim = random.choice((2, 3)) if count > 2 else 3
        lines.append(f"bad 10.1.0.{victim}")
        if bad < 0.2:
            lines.append(f"far-ip route add blackhole 10.1.0.{victim}/32")
        elif bad < 0.32:
            lines.append(f"far-ip rule add from 10.1.0.{victim} prohibit")
        else:
            lines.append(f"deny 10.1.0.{victim}")
    return lines


def _two_subnets(random):
    """An uplink knows a way back to one of two subnets (and one of two prefixes) only."""
    lines = ["veth c0 s0", "ip addr add 10.1.0.2/24 dev c0", "ip addr add 10.2.0.2/24 dev c0",
             "ip addr add 2001:db8:1::2/64 dev c0 nodad", "ip addr add fd00:1::2/64 dev c0 nodad",
             "far-ip addr add 10.1.0.1/24 dev s0", "far-ip addr add 2001:db8:1::1/64 dev s0 nodad",
             "far-ip addr add 192.0.2.1/32 dev lo", "far-ip addr add 2001:db8:9::1/128 dev lo nodad",
             "ip route add default via 10.1.0.1", "ip route add default via 2001:db8:1::1"]
    if random.random() < 0.5:
        lines += ["ip addr add 10.1.0.3/24 dev c0", "ip addr add 2001:db8:1::3/64 dev c0 nodad"]
    lines += ["servers far", "servers near"]
    lines += ["sources 10.1.0.2,10.2.0.2,2001:db8:1::2,fd00:1::2", "foreign 10.2.0.2", "foreign fd00:1::2",
              "natural 4 10.1.0.2", "natural 6 2001:db8:1::2", "natural 4 127.0.0.1"]
    lines += _dests("192.0.2.1") + _dests("[2001:db8:9::1]") + _dests("10.1.0.1", few=True)
    lines += ["dest unset 0.0.0.0:7001", "dest echo 127.0.0.1:7001"]
    return lines + ["local 10.1.0.2", "local [2001:db8:1::2]"]


def _two_uplinks(random):
    """Each uplink lets its own sources in only, and a mark chooses the uplink."""
    lines = ["veth c0 s0", "veth c1 s1", "ip addr add 10.1.0.2/24 dev c0", "ip addr add 10.1.0.3/24 dev c0",
             "ip addr add 10.5.0.2/24 dev c1", "far-ip addr add 10.1.0.1/24 dev s0",
             "far-ip addr add 10.5.0.1/24 dev s1", "far-ip addr add 192.0.2.1/32 dev lo",
             "far-sysctl ipv4/conf/all/rp_filter 1", "far-sysctl ipv4/conf/s0/rp_filter 1",
             "far-sysctl ipv4/conf/s1/rp_filter 1", "ip route add default via 10.1.0.1",
             "ip route add default via 10.5.0.1 table 100", "ip rule add fwmark 1 table 100",
             "ip rule add tos 0x10 table 100", "sysctl ipv4/conf/all/rp_filter 2", "sysctl ipv4/conf/c0/rp_filter 2",
             "sysctl ipv4/conf/c1/rp_filter 2"]
    lines += ["servers far", "servers near"]
    lines += ["sources 10.1.0.2,10.1.0.3", "natural 4 10.1.0.2", "natural 4 10.5.0.2", "natural 4 127.0.0.1"]
    lines += _dests("192.0.2.1") + _dests("10.1.0.1", few=True) + _dests("10.5.0.1", few=True)
    return lines + ["marks", "local 10.1.0.2", "local 10.5.0.2", "dest echo 127.0.0.1:7001"]


def _another_uplink(random):
    """The destinations are behind the gateway of another interface than the sources', and have no way back to these, or a
    firewall there rejects them, or the servers turn them away."""
    lines = ["veth c0 s0", "veth c1 s1"]
    for i in (2, 3):
        lines += [f"ip addr add 10.1.0.{i}/24 dev c0", f"ip addr add 2001:db8:1::{i}/64 dev c0 nodad"]
    lines += ["ip addr add 10.5.0.2/24 dev c1", "ip addr add 2001:db8:5::2/64 dev c1 nodad",
              "far-ip addr add 10.1.0.1/24 dev s0", "far-ip addr add 2001:db8:1::1/64 dev s0 nodad",
              "far-ip addr add 10.5.0.1/24 dev s1", "far-ip addr add 2001:db8:5::1/64 dev s1 nodad",
              "far-ip addr add 192.0.2.1/32 dev lo", "far-ip addr add 2001:db8:9::1/128 dev lo nodad",
              "ip route add default via 10.5.0.1", "ip route add default via 2001:db8:5::1"]
    lines += [f"sysctl ipv4/conf/{name}/rp_filter 2" for name in ("all", "c0", "c1")]
    lines += ["servers far", "servers near"]
    sources = [f"10.1.0.{i}" for i in (2, 3)] + [f"2001:db8:1::{i}" for i in (2, 3)]
    sources = [a for a in sources if a[-1] != "3"] if random.random() < 0.4 else sources
    lines.append("sources " + ",".join(sources))
    lines += [f"bad {address}" for address in sources]
    how = random.random()
    if how < 0.7:
        if how < 0.45:
            lines.append("far-ip rule add from 192.0.2.1 to 10.1.0.0/24 blackhole")
        else:
            # As a firewall that rejects: an ICMP error for each SYN, of which connect() tells at once.
            lines += ["far-sysctl ipv4/conf/all/forwarding 1", "far-ip rule add pref 1 lookup local", "far-ip rule del pref 0",
                      "far-ip rule add pref 0 from 10.1.0.0/24 to 192.0.2.1 prohibit"]
        lines += [f"far-ip route add blackhole {address}/128" for address in sources if ":" in address]
    else:
        lines += [f"deny {address}" for address in sources]
    lines += ["natural 4 10.5.0.2", "natural 6 2001:db8:5::2", "natural 4 127.0.0.1"]
    lines += _dests("192.0.2.1") + _dests("[2001:db8:9::1]") + _dests("10.5.0.1", few=True)
    return lines + ["dest echo 127.0.0.1:7001", "dest unset 0.0.0.0:7001", "local 10.5.0.2", "local [2001:db8:5::2]"]


def _tunnel(random):
    """A peer behind a tunnel, as WireGuard has it: addresses without a prefix, routes by the device, one address let in."""
    lines = ["veth c0 s0", "veth c1 s1", "ip addr add 10.1.0.2/24 dev c0", "ip addr add 10.1.0.3/24 dev c0",
             "ip addr add 2001:db8:1::2/64 dev c0 nodad", "ip addr add 10.8.0.2/32 dev c1",
             "ip addr add 2001:db8:8::2/128 dev c1 nodad", "far-ip addr add 10.1.0.1/24 dev s0",
             "far-ip addr add 2001:db8:1::1/64 dev s0 nodad", "far-ip addr add 10.8.0.1/32 dev s1",
             "far-ip addr add 2001:db8:8::1/128 dev s1 nodad", "ip route add 10.8.0.0/24 dev c1",
             "ip route add 2001:db8:8::/64 dev c1", "far-ip route add 10.8.0.2/32 dev s1",
             "far-ip route add 2001:db8:8::2/128 dev s1", "far-sysctl ipv4/conf/s1/rp_filter 1",
             "far-ip route add blackhole 2001:db8:1::2/128"]
    lines += [f"sysctl ipv4/conf/{name}/rp_filter 2" for name in ("all", "c0", "c1")]
    lines += ["servers far", "servers near"]
    lines += [f"sources 10.1.0.{random.choice((2, 3))},2001:db8:1::2" if random.random() < 0.4
              else "sources 10.1.0.2,10.1.0.3,2001:db8:1::2"]
    lines += ["natural 4 10.8.0.2", "natural 6 2001:db8:8::2", "natural 4 10.1.0.2", "natural 4 127.0.0.1"]
    lines += _dests("10.8.0.1") + _dests("[2001:db8:8::1]") + _dests("10.1.0.1", few=True)
    return lines + ["dest echo 127.0.0.1:7001", "local 10.8.0.2", "local 10.1.0.2"]


def _held(random, lines):
    """Others hold ports of the range: listeners, old binds, or a source's whole range."""
    low, high = port_range(lines)
    reserved = set(map(int, filter(None, (value(lines, "reserved") or "").split(","))))
    every = [port for port in range(low, high + 1) if port not in reserved]
    what = random.random()
    if what < 0.25:
        return [f"hold hold-listen 127.0.0.66:{port}" for port in random.sample(every, random.randint(1, 3))]
    if what < 0.4:
        ports = random.sample(every, min(len(every), random.choice((1, 5, 10))))
        return [f"hold hold-bind 127.0.0.66:{port}" for port in ports]
    if what < 0.72 and len(every) <= 60:
        return [f"hold hold-bind 127.0.0.66:{port}" for port in every] + ["knee"]
    dest = value(lines, "dest").split()[1]
    if len(every) > 60:
        return []
    listed = [a for a in (value(lines, "sources") or "").split(",") if "." in a and not a.startswith("10.99")]
    listed = [a for a in listed if a not in values(lines, "bad") + values(lines, "foreign") and not a.startswith("192.0.2.77")]
    natural = value(lines, "natural").split()[1]
    listed = [a for a in listed if a != natural]
    if dest.startswith("127.") != (listed or ["1"])[0].startswith("127."):
        return []
    return [f"hold hold-spare {source}:0 {dest}" for source in listed for _ in every] + ["knee"]


def _kind(kind):
    return _loopback if kind < 0.5 else _one_subnet if kind < 0.76 else _two_subnets if kind < 0.88 else _two_uplinks


def drawn(seed, index):
    """The world of an index. Newer kinds have a chance of their own, so that most of old seeds stay as they were."""
    beside = chance.Random(f"beside {seed} {index}")
    if beside.random() < 0.12:
        return draw(beside, beside.choice((_another_uplink, _another_uplink, _tunnel)))
    return draw(chance.Random(f"world {seed} {index}"))


def draw(random, build=None):
    """A world, as a list of lines."""
    low = 40000 + random.choice((0, 0, 1))
    size = random.choice((20, 30, 50, 50, 60, 101, 200, 400))
    lines = [f"range {low} {low + size - 1}"]
    kind = random.random()
    build = build or _kind(kind)
    lines += build(random)
    if build is _loopback and random.random() < 0.12:
        lines += ["rewrite 127.0.0.99 127.0.0.1 127.0.0.9", "dest service 127.0.0.99:7001"]
    elif build in (_one_subnet, _two_uplinks, _another_uplink) and random.random() < 0.15:
        lines += [f"delay {random.choice((1, 5))}"]
    if random.random() < 0.2:
        ports = sorted(random.sample(range(low, low + size), random.choice((1, 3, 8))))
        lines.append("reserved " + ",".join(map(str, ports)))
    for chance, line in ((0.3, f"sysctl ipv4/tcp_tw_reuse {random.choice((0, 1))}"), (0.05, "sysctl ipv4/ip_autobind_reuse 1"),
                         (0.05, "sysctl ipv4/ip_nonlocal_bind 1"), (0.07, "sysctl ipv4/tcp_timestamps 0"),
                         (0.06, "sysctl ipv4/tcp_max_tw_buckets 5"), (0.05, "sysctl ipv4/tcp_syncookies 0"),
                         (0.05, "sysctl ipv6/bindv6only 1"), (0.04, "sysctl ipv4/tcp_fastopen 0"),
                         (0.2, "other"), (0.06, "nofile 40"), (0.15, "shm 1m")):
        if random.random() < chance:
            lines.append(line)
    if random.random() < 0.35:
        lines += _held(random, lines)
    if "other" in lines:
        lines.append("servers other")
    if build is _loopback:
        # A port of the range where nobody listens, of the parity that connect() takes late.
        lines.append(f"dest odd-port 127.0.0.1:{low + 1}")
    return lines
