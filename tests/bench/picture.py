# SPDX-License-Identifier: Apache-2.0
"""picture - draws the lines of a result, with gnuplot, as SVG."""
import subprocess

# name: title, x axis, y axis, more commands
PICTURES = {
    "redis": ("redis-benchmark -k 0 over a veth pair: requests/s", "seconds", "requests/s", "set yrange [0:*]"),
    "connect-p50": ("connect(): half are faster", "% of the ports in use", "microseconds", "set logscale y"),
    "connect-p99": ("connect(): 99 % are faster", "% of the ports in use", "microseconds", "set logscale y"),
}


def draw(result, folder):
    """Writes a file per picture of which the result has lines."""
    folder.mkdir(parents=True, exist_ok=True)
    # Of a full run rather than of a quick one, where the result has both.
    runs = sorted(result["runs"].values(), key=lambda run: run["mode"] == "full")
    for name, (title, x, y, more) in PICTURES.items():
        lines = {e["series"]: e["points"] for run in runs for e in run["entries"] if e.get("picture") == name}
        if lines:
            plot(folder / f"{name}.svg", title, x, y, more, lines)


def plot(file, title, x, y, more, lines):
    blocks = [f"$data{i} << END\n" + "\n".join(f"{a} {b}" for a, b in points) + "\nEND"
              for i, points in enumerate(lines.values())]
    curves = ", ".join(f'$data{i} using 1:2 with linespoints pointsize 0.4 linewidth 2 title "{name}"'
                       for i, name in enumerate(lines))
    script = "\n".join(['set terminal svg size 760,380 dynamic background rgb "white" font "sans-serif,13"',
                        f'set output "{file}"', f'set title "{title}"', f'set xlabel "{x}"', f'set ylabel "{y}"',
                        "set key outside right", "set grid", more, *blocks, f"plot {curves}"])
    done = subprocess.run(["gnuplot"], input=script, text=True, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"gnuplot: {done.stderr.strip()}")

