# SPDX-License-Identifier: Apache-2.0
"""fill_blocking - opens COUNT blocking connections, says how many it got and the errno of the rest, holds them"""
import collections
import errno
import socket
import sys

ip, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
held, failed = [], collections.Counter()
for _ in range(count):
    try:
        held.append(socket.create_connection((ip, port)))
    except OSError as why:
        failed[errno.errorcode[why.errno]] += 1
print(f"opened {len(held)}, failed {dict(failed)}", flush=True)
sys.stdin.read()
