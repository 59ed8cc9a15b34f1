# SPDX-License-Identifier: MIT
"""Measure the installed commands against their limits: medians, and ratios within one run.

Prints a table, writes JSON, exits with status 1 when a limit is passed.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]

#: Stands in for mksquashfs once, to see with which options genpack calls it; the lists that it is given are kept.
SHIM = """\
#!/bin/bash
set -euo pipefail
printf '%s\\0' "$@" > {folder}/argv
while [ $# -gt 0 ]; do
    case $1 in -ef | -pf | -sort) cp "$2" {folder}/list"$1" ;; esac
    shift
done
mapfile -d '' words < {folder}/argv
exec {real} "${{words[@]}}"
"""


@dataclass(frozen=True)
class Row:
    """One line of the table. `limit` is in the unit of `value`."""

    what: str
    value: float
    limit: float
    unit: str

    @property
    def good(self) -> bool:
        return self.value <= self.limit


def seconds(argv: list[str], env: dict[str, str] | None = None) -> float:
    """Wall-clock seconds of a command that must succeed."""
    start = time.monotonic()
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, env={**os.environ, **(env or {})}, check=False
    )
    if done.returncode != 0:
        sys.exit(f"bench: {shlex.join(argv)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return time.monotonic() - start


def median(runs: int, measure: Callable[[], float]) -> float:
    return statistics.median(measure() for _ in range(runs))


class Hello:
    """The demo's build of hello."""

    def __init__(self, cache: Path) -> None:
        mirror = cache / "mirror"
        self.cache = cache
        self.image = cache / "images" / "hello-x86_64.squashfs"
        self.work = cache / "work" / "hello"
        self.options = ["-C", REPO / "genpack-artifacts" / "hello", "--mirror", mirror]
        self.options += ["--keyring", mirror / "keyring.asc", "--overlay-override", mirror / "genpack-overlay"]
        self.options += ["--work-dir", self.work, "--output-dir", self.image.parent]

    def genpack(self, command: str, path: str | None = None) -> float:
        """Seconds of one genpack command."""
        env = {"XDG_CACHE_HOME": str(self.cache / "build-cache"), **({"PATH": path} if path else {})}
        return seconds(["genpack", *map(str, self.options), command], env)

    def pack(self, path: str | None = None) -> float:
        """Seconds of `genpack pack` when the image is missing."""
        self.image.unlink()
        return self.genpack("pack", path)


def by_hand(hello: Hello, folder: Path) -> list[str]:
    """The mksquashfs command line that genpack uses, writing into `folder` instead."""
    real = next(p for d in os.environ["PATH"].split(":") if (p := Path(d) / "mksquashfs").is_file())
    (folder / "bin").mkdir()
    shim = folder / "bin" / "mksquashfs"
    shim.write_text(SHIM.format(folder=folder, real=real))
    shim.chmod(0o755)
    hello.pack(f"{folder / 'bin'}:{os.environ['PATH']}")
    words = (folder / "argv").read_text().split("\0")[:-1]
    for index, word in enumerate(words[:-1]):
        if word in {"-ef", "-pf", "-sort"}:
            words[index + 1] = str(folder / f"list{word}")
    return [str(real), words[0], str(folder / "by-hand.squashfs"), *words[2:]]


def measure_pack(hello: Hello, runs: int) -> tuple[float, float]:
    """(median seconds of genpack pack, of mksquashfs by hand), taken in turns."""
    with tempfile.TemporaryDirectory(prefix="genpack-bench-") as name:
        folder = Path(name)
        argv = by_hand(hello, folder)
        ours, plain = [], []
        for _ in range(runs):
            ours.append(hello.pack())
            (folder / "by-hand.squashfs").unlink(missing_ok=True)
            plain.append(seconds(argv))
    return statistics.median(ours), statistics.median(plain)


def main() -> int:
    parser = argparse.ArgumentParser(prog="ci/bench/run", description="Measure genpack and vm against their limits.")
    parser.add_argument("--cache", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--runs", type=int, default=5, help="runs of which the median is taken (default 5)")
    arguments = parser.parse_args()
    cache, runs = arguments.cache, arguments.runs
    hello = Hello(cache)
    hello.image.parent.mkdir(parents=True, exist_ok=True)
    hello.genpack("build")
    ours, plain = measure_pack(hello, max(3, runs // 2))
    rows = [
        Row("genpack build, nothing changed", median(runs, lambda: hello.genpack("build")), 1.0, "s"),
        Row("genpack --help", median(runs, lambda: seconds(["genpack", "--help"])), 0.25, "s"),
        Row("vm --help", median(runs, lambda: seconds(["vm", "--help"])), 0.25, "s"),
        Row("genpack pack / mksquashfs by hand", ours / plain, 1.1, "x"),
        Row("hello image", hello.image.stat().st_size / 1e6, 130, "MB"),
    ]
    print(f"{'what':36} {'median':>10} {'limit':>10}")
    for row in rows:
        print(f"{row.what:36} {row.value:8.2f} {row.unit:2}{row.limit:7.2f} {row.unit:2} {'' if row.good else 'OVER'}")
    print(f"(genpack pack {ours:.2f} s, mksquashfs by hand {plain:.2f} s; {os.cpu_count()} CPUs, {runs} runs)")
    data = {"version": 1, "rows": [{**asdict(row), "good": row.good} for row in rows]}
    (cache / "bench.json").write_text(json.dumps(data, indent=2) + "\n")
    return 0 if all(row.good for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
