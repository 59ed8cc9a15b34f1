# SPDX-License-Identifier: MIT
"""What the areas share: a row of the table, the stop-watch, the surroundings of a run."""

from __future__ import annotations

import os
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Row:
    """One line of the table. `limit` is in the unit of `value`; `note` says what a ratio was made of."""

    what: str
    value: float
    limit: float
    unit: str
    note: str = ""

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


@dataclass(frozen=True)
class Bench:
    """One run: the cache root (with the mirror and the demo's image) and how many runs a median has."""

    cache: Path
    runs: int

    @property
    def mirror_options(self) -> list[str]:
        """What `genpack` needs to build from the local mirror."""
        mirror = self.cache / "mirror"
        words = [
            "--mirror",
            mirror,
            "--keyring",
            mirror / "keyring.asc",
            "--overlay-override",
            mirror / "genpack-overlay",
        ]
        return [str(word) for word in words]

    @property
    def build_env(self) -> dict[str, str]:
        """The environment of builds: the cache that the end-to-end tests and the demo use."""
        return {"XDG_CACHE_HOME": str(self.cache / "build-cache"), "GENPACK_PARALLEL": "1"}

    def median(self, measure: Callable[[], float]) -> float:
        return statistics.median(measure() for _ in range(self.runs))


class Hello:
    """The demo's build of hello."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.image = bench.cache / "images" / "hello-x86_64.squashfs"
        self.work = bench.cache / "work" / "hello" / "x86_64"
        self.options = ["-C", str(REPO / "genpack-artifacts" / "hello"), *bench.mirror_options]
        self.options += ["--work-dir", str(bench.cache / "work" / "hello"), "--output-dir", str(self.image.parent)]

    def genpack(self, command: str, path: str | None = None, *options: str) -> float:
        """Seconds of one genpack command. `path`: PATH in place of ours."""
        env = {**self.bench.build_env, **({"PATH": path} if path else {})}
        return seconds(["genpack", *self.options, command, *options], env)
