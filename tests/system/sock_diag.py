# SPDX-License-Identifier: Apache-2.0
"""sock_diag - the kernel's own list of TCP sockets, which every count in these tests is checked against.

Layouts: linux/inet_diag.h (struct inet_diag_req_v2, struct inet_diag_msg), man 7 sock_diag.
"""
import collections
import ipaddress
import socket
import struct

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST_DUMP = 0x301
NLMSG_ERROR, NLMSG_DONE = 2, 3

STATES = {
    1: "ESTAB", 2: "SYN-SENT", 3: "SYN-RECV", 4: "FIN-WAIT-1", 5: "FIN-WAIT-2", 6: "TIME-WAIT",
    7: "CLOSE", 8: "CLOSE-WAIT", 9: "LAST-ACK", 10: "LISTEN", 11: "CLOSING",
    13: "BOUND",  # not listening, not connected, has a port: dumped from Linux 6.8
}

Socket = collections.namedtuple("Socket", "state source sport destination dport")


def _address(family, raw):
    if family == socket.AF_INET:
        return str(ipaddress.IPv4Address(raw[:4]))
    address = ipaddress.IPv6Address(raw)
    return str(address.ipv4_mapped or address)


def _messages(netlink):
    while True:
        data = netlink.recv(1 << 20)
        while len(data) >= 16:
            length, kind = struct.unpack_from("=IH", data)
            if kind == NLMSG_DONE:
                return
            if kind == NLMSG_ERROR:
                raise OSError(-struct.unpack_from("=i", data, 16)[0], "sock_diag")
            yield data[16:length]
            data = data[(length + 3) & ~3:]


def tcp_sockets():
    """Every TCP socket of this network namespace, IPv4-mapped addresses shown as IPv4."""
    found = []
    for family in (socket.AF_INET, socket.AF_INET6):
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as netlink:
            request = struct.pack("=BBBxI48x", family, socket.IPPROTO_TCP, 0, 0xffffffff)
            netlink.send(struct.pack("=IHHII", 16 + len(request), SOCK_DIAG_BY_FAMILY,
                                     NLM_F_REQUEST_DUMP, 1, 0) + request)
            for message in _messages(netlink):
                state, (sport, dport) = message[1], struct.unpack_from("!HH", message, 4)
                found.append(Socket(STATES.get(state, str(state)), _address(family, message[8:24]), sport,
                                    _address(family, message[24:40]), dport))
    return found


def tuples(dport, states=None, destination=None):
    """How many local ports are taken towards a destination port: {source: count}.

    All states but LISTEN hold a tuple; a connection both ends of which are in this namespace is counted
    once, at its client's end, because only that end has dport as its remote port.
    """
    return dict(collections.Counter(
        s.source for s in tcp_sockets()
        if s.dport == dport and s.state != "LISTEN" and (states is None or s.state in states)
        and destination in (None, s.destination)))
