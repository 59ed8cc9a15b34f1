# SPDX-License-Identifier: MIT
"""Package scripts: what a package has done to an image beyond its files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import ProgsError
from .log import say
from .process import explain, run

FOLDER = Path("/usr/lib/genpack/package-scripts")
VERSION = re.compile(r"-[0-9][^-]*(-r[0-9]+)?$")


@dataclass(frozen=True)
class Script:
    """A script and the installed package it is run for."""

    path: Path
    cpv: str


def find(folder: Path, packages: Iterable[str]) -> Iterator[Script]:
    """Yield the scripts of the packages (cpvs, in closure order), each package's in byte order of their names.

    A file that is not executable is a script's data. Raises ProgsError for one that looks like a script.
    """
    for cpv in packages:
        own = folder / VERSION.sub("", cpv)
        if not own.is_dir():
            continue
        for path in sorted(own.iterdir(), key=lambda p: os.fsencode(p.name)):
            if not path.is_file():
                continue
            if os.access(path, os.X_OK):
                yield Script(path, cpv)
            elif path.read_bytes()[:2] == b"#!":
                raise ProgsError(f"the package script {path} is not executable", tip=f"chmod +x {path}")


def execute(scripts: Iterable[Script], environment: Mapping[str, str]) -> int:
    """Run the scripts in turn; return how many. The first that fails ends it with a ProgsError."""
    count = 0
    for script in scripts:
        say(f"package script {script.path.parent.parent.name}/{script.path.parent.name}/{script.path.name}")
        status = run([os.fspath(script.path)], env={**environment, "CPV": script.cpv})
        if status != 0:
            raise ProgsError(f"package script {script.path} of {script.cpv} {explain(status)}")
        count += 1
    return count
