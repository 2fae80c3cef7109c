#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""extract.py PAGE - the shell script that a recipe is: its blocks in their order.

```sh                    commands
```sh service            commands for a machine with systemd: left out
```LANG /PATH            a file
<!-- test ... -->        commands that the reader does not see: servers, load, and what has to come of it
"""
import pathlib
import re
import shlex
import sys

BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$|^<!-- test\n(.*?)^-->$", re.M | re.S)


def script(page):
    for number, match in enumerate(BLOCK.finditer(page)):
        language, what, text, hidden = match.groups()
        line = page.count("\n", 0, match.start()) + 2
        yield f"step 'line {line}'\n"
        if hidden is not None:
            yield hidden
        elif what and what.startswith("/"):
            end = f"END_{number}"
            path = shlex.quote(what)
            yield f"mkdir -p $(dirname {path})\ncat >{path} <<'{end}'\n{text}{end}\n"
        elif language == "sh" and what is None:
            yield text
        elif (language, what) != ("sh", "service"):
            sys.exit(f"line {line}: a block of `{language} {what or ''}`: see extract.py")


sys.stdout.write("".join(script(pathlib.Path(sys.argv[1]).read_text())))
