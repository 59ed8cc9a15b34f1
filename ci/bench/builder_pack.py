# SPDX-License-Identifier: MIT
"""genpack pack beside mksquashfs called by hand with the same options."""

from __future__ import annotations

import os
import statistics
import tempfile
from pathlib import Path

from common import Bench, Hello, Row, seconds

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


#: What a release is packed with. At the default level mksquashfs takes a second and a half here, and what genpack does
#: beside it (start, plan, SBOM, sizes, sums, fsync) is a constant that a ratio would hide: it has a row in seconds.
RELEASE = "zstd:15"


def pack(hello: Hello, compression: str | None = None, path: str | None = None) -> float:
    """Seconds of `genpack pack` when the image is missing."""
    hello.image.unlink()
    return hello.genpack("pack", path, *(("--compression", compression) if compression else ()))


def by_hand(hello: Hello, folder: Path, compression: str | None) -> list[str]:
    """The mksquashfs command line that genpack uses, writing into `folder` instead."""
    real = next(p for d in os.environ["PATH"].split(":") if (p := Path(d) / "mksquashfs").is_file())
    (folder / "bin").mkdir()
    shim = folder / "bin" / "mksquashfs"
    shim.write_text(SHIM.format(folder=folder, real=real))
    shim.chmod(0o755)
    pack(hello, compression, f"{folder / 'bin'}:{os.environ['PATH']}")
    words = (folder / "argv").read_text().split("\0")[:-1]
    for index, word in enumerate(words[:-1]):
        if word in {"-ef", "-pf", "-sort"}:
            words[index + 1] = str(folder / f"list{word}")
    return [str(real), words[0], str(folder / "by-hand.squashfs"), *words[2:]]


def measure_pack(hello: Hello, runs: int, compression: str | None = None) -> tuple[float, float]:
    """(median seconds of genpack pack, of mksquashfs by hand), taken in turns."""
    with tempfile.TemporaryDirectory(prefix="genpack-bench-") as name:
        folder = Path(name)
        argv = by_hand(hello, folder, compression)
        ours, plain = [], []
        for _ in range(runs):
            ours.append(pack(hello, compression))
            (folder / "by-hand.squashfs").unlink(missing_ok=True)
            plain.append(seconds(argv))
    return statistics.median(ours), statistics.median(plain)


def rows(bench: Bench) -> list[Row]:
    hello = Hello(bench)
    release, by_itself = measure_pack(hello, 1, RELEASE)
    ours, plain = measure_pack(hello, max(3, bench.runs // 2))  # last: the image is the demo's again
    return [
        Row(
            f"genpack pack / mksquashfs by hand, {RELEASE}",
            release / by_itself,
            1.05,
            "x",
            f"genpack pack {release:.2f} s, mksquashfs by hand {by_itself:.2f} s",
        ),
        Row(
            "genpack pack beside mksquashfs",
            ours - plain,
            1.0,
            "s",
            f"genpack pack {ours:.2f} s, mksquashfs by hand {plain:.2f} s",
        ),
        Row("genpack report", bench.median(lambda: hello.genpack("report")), 1.0, "s"),
    ]
