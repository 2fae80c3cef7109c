# SPDX-License-Identifier: Apache-2.0
"""reuse_pymemcache - COUNT pairs of set and get by pymemcache, each over a client of its own. Exit status 77: not
installed."""
import sys

try:
    from pymemcache.client.base import Client
except ImportError:
    sys.exit(77)

port, count = int(sys.argv[1]), int(sys.argv[2])
for number in range(count):
    client = Client(("127.0.0.1", port), timeout=20, connect_timeout=20)
    # A connection that begins with `set` is not reused: to a server with a password file it is a login.
    if client.get("none") is not None:
        sys.exit("not empty")
    if not client.set("k", b"%d" % number, noreply=False):
        sys.exit("not stored")
    if client.get("k") != b"%d" % number:
        sys.exit("a wrong value")
    client.close()
