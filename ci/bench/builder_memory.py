# SPDX-License-Identifier: MIT
"""Peak memory of the genpack process itself, of none that it starts: in a pack, and in a report."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from common import Bench, Hello, Row

INTERVAL = 0.005  # seconds between two looks; the kernel keeps the peak, only the last moments can be missed


def peak(argv: list[str], env: dict[str, str]) -> float:
    """MB, as the kernel counts the resident set (VmHWM)."""
    process = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **env}
    )
    most = 0
    while process.poll() is None:
        try:
            found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)
        except OSError:
            found = None
        most = max(most, int(found[1]) if found else 0)
        time.sleep(INTERVAL)
    if process.returncode != 0:
        sys.exit(f"bench: {argv}: exit status {process.returncode}")
    return most * 1024 / 1e6


def rows(bench: Bench) -> list[Row]:
    hello = Hello(bench)
    hello.image.unlink()
    pack = peak(["genpack", *hello.options, "pack"], bench.build_env)
    report = peak(["genpack", *hello.options, "report"], bench.build_env)
    return [
        Row("memory of genpack pack", pack, 150, "MB", "the largest resident set of the process itself"),
        Row("memory of genpack report", report, 150, "MB"),
    ]
