# SPDX-License-Identifier: Apache-2.0
"""cases - a difference as a file that can be read, kept and played again."""


def brief(key, plain, shim):
    """A difference in two lines; of long ones the words that differ."""
    plain, shim = ("(nothing)" if text is None else text for text in (plain, shim))
    words, others = plain.split(), shim.split()
    if len(words) > 12 and len(words) == len(others):
        differ = [i for i in range(len(words)) if words[i] != others[i]]
        plain, shim = (" ".join(all_words[:2] + ["..."] + [all_words[i] for i in differ]) for all_words in (words, others))
    for who, text in (("plain", plain), ("shim", shim)):
        for part in text.splitlines()[:8] or [""]:
            yield f"{key[0]}: {who + ':':6} {part[:300]}"


def write(path, finding, tools):
    lines = [f"# A difference between plain Linux and mode {finding.mode}, seed {finding.seed}."]
    for key, plain, shim in finding.differences[:6]:
        lines += [f"# {line}" for line in brief(key, plain, shim)]
    lines.append(f"# again: tests/twin/run {path.name}")
    lines += [f"seed {finding.seed}", f"mode {finding.mode}"]
    # What only drawing a program needs is left out.
    lines += [f"world {line}" for line in finding.world if line.split()[0] not in ("dest", "local")]
    lines += finding.program
    path.write_text("\n".join(lines) + "\n")


def read(path):
    """Return: (modes, world, program); no mode in the file: all."""
    modes, world, program = [], [], []
    for line in path.read_text().splitlines():
        if not line.strip() or line.startswith("#") or line.startswith("seed "):
            continue
        if line.startswith("mode "):
            modes += line.split()[1:]
        elif line.startswith("world "):
            world.append(line[6:])
        else:
            program.append(line)
    return modes, world, program
