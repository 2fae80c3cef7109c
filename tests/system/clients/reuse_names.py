# SPDX-License-Identifier: Apache-2.0
"""reuse_names - PORT COUNT NAME...: COUNT times a request to each name in turns, over a connection each. Prints `good` for each
answer that is right."""
import http.client
import sys

for number in range(int(sys.argv[2])):
    for name in sys.argv[3:]:
        connection = http.client.HTTPConnection(name, int(sys.argv[1]), timeout=30)
        connection.request("GET", f"/{number}")
        print("good" if connection.getresponse().read() == f"/{number}".encode() else "wrong")
        connection.close()
