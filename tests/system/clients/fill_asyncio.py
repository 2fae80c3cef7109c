# SPDX-License-Identifier: Apache-2.0
"""fill_asyncio - the same as fill_blocking, all at once with asyncio"""
import asyncio
import collections
import errno
import sys


async def main(ip, port, count):
    done = await asyncio.gather(*(asyncio.open_connection(ip, port) for _ in range(count)), return_exceptions=True)
    failed = collections.Counter(errno.errorcode[r.errno] for r in done if isinstance(r, OSError))
    print(f"opened {count - failed.total()}, failed {dict(failed)}", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
