# SPDX-License-Identifier: Apache-2.0
"""reuse_http - COUNT requests by http.client, each over a connection of its own."""
import http.client
import sys

port, count = int(sys.argv[1]), int(sys.argv[2])
for _ in range(count):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/")
    reply = connection.getresponse()
    if reply.status != 200 or reply.read() != b"ok\n":
        sys.exit("a wrong reply")
    connection.close()
