# SPDX-License-Identifier: Apache-2.0
"""reuse_requests - COUNT requests by the library of that name, without a session. Exit status 77: not installed."""
import sys

try:
    import requests
except ImportError:
    sys.exit(77)

port, count = int(sys.argv[1]), int(sys.argv[2])
for _ in range(count):
    reply = requests.get(f"http://127.0.0.1:{port}/", timeout=20)
    if reply.status_code != 200 or reply.text != "ok\n":
        sys.exit("a wrong reply")
