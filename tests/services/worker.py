#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""worker - opens a connection for each request, as workers do."""
import time
import urllib.request

while True:
    try:
        urllib.request.urlopen("http://127.0.0.1:7000/", timeout=10).read()
    except OSError:
        pass
    time.sleep(0.02)
