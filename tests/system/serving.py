# SPDX-License-Identifier: Apache-2.0
"""serving - what the small servers of several tests have in common: Python to be put before their own, and threads of the test."""
import threading


def each_in_a_thread(listener, serve):
    """In a thread: calls serve(connection) for each, in one of its own, until the listener is shut down."""
    def accept():
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


# Listeners on all addresses, one of each family.
LISTEN = """
import socket
def listen_on(port):
    listeners = []
    for family, any_address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        s = socket.socket(family)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.bind((any_address, port))
        s.listen(4000)
        listeners.append(s)
    return listeners
"""
# Greets and keeps who is let in; resets or closes for who is not.
WELCOME = """
import socket, struct
kept = []
def welcome(s, peer, refused, resets=True):
    if peer in refused:
        if resets:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
        return
    try:
        s.send(b"hello")
    except OSError:
        pass
    kept.append(s)
"""
