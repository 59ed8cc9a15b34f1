# SPDX-License-Identifier: MIT
"""Measure the installed commands against their limits: medians, and ratios within one run.

Every other module of this folder but `common` is an area: its `rows(bench)` measures. Prints a table, writes JSON,
exits with status 1 when a limit is passed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from common import Bench, Hello, Row

AREAS = sorted(p.stem for p in Path(__file__).parent.glob("*.py") if p.stem not in {"common", "measure"})


def show(row: Row) -> None:
    over = "" if row.good else "OVER"
    print(
        f"{row.what:44} {row.value:8.2f} {row.unit:2}{row.limit:7.2f} {row.unit:2} {over:4} {row.note}".rstrip(),
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="ci/bench/run", description="Measure the commands against their limits.")
    parser.add_argument("--cache", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--runs", type=int, default=5, help="runs of which the median is taken (default 5)")
    parser.add_argument("areas", nargs="*", metavar="AREA", help=f"only these: {', '.join(AREAS)}")
    arguments = parser.parse_args()
    if unknown := set(arguments.areas) - set(AREAS):
        parser.error(f"no area {', '.join(sorted(unknown))}; there are {', '.join(AREAS)}")
    bench = Bench(arguments.cache, arguments.runs)
    hello = Hello(bench)
    hello.image.parent.mkdir(parents=True, exist_ok=True)
    hello.genpack("build")
    print(f"{'what':44} {'median':>10} {'limit':>10}")
    rows = []
    for area in arguments.areas or AREAS:
        for row in importlib.import_module(area).rows(bench):
            show(row)
            rows.append(row)
    print(f"({os.cpu_count()} CPUs, {bench.runs} runs)")
    data = {"version": 1, "runs": bench.runs, "rows": [{**asdict(row), "good": row.good} for row in rows]}
    (bench.cache / "bench.json").write_text(json.dumps(data, indent=2) + "\n")
    return 0 if all(row.good for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
