# SPDX-License-Identifier: MIT
"""The cache of binary packages, which builds share: its lock, what is wrong in it, who looks after it."""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from genpack import overlays, process
from genpack.container import INSIDE, Container
from genpack.steps import Steps

#: A package that no build used for so long is removed.
DAYS = 180

#: What Portage says when a binary package is at fault.
_FAULT = re.compile(
    r"Digest verification failed|Error extracting|Invalid binary package|non-existent binary|is not usable"
)


@contextmanager
def shared(folder: Path) -> Iterator[None]:
    """Held while Portage uses the folder: nobody cleans it up meanwhile."""
    with _lock(folder) as fd:
        fcntl.flock(fd, fcntl.LOCK_SH)
        yield


@contextmanager
def alone(folder: Path) -> Iterator[bool]:
    """True if nobody else uses the folder, and then nobody does until the end; else it is shared."""
    with _lock(folder) as fd:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(fd, fcntl.LOCK_SH)
            yield False
        else:
            yield True


@contextmanager
def _lock(folder: Path) -> Iterator[int]:
    path = folder.with_name(f"{folder.name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        yield fd
    finally:
        os.close(fd)


@dataclass(frozen=True)
class Findings:
    """`dropped`: files that are gone. `stale`, `reinstall`: packages (CATEGORY/NAME) whose ebuild changed without a new
    revision: binary packages not to use, installed ones to install again. `masked`: installed packages that a
    package.mask masks; `refused`: installed ones (category/name-version) and their licences that are not accepted;
    `configuration`: files that etc-update has to look at."""

    dropped: Sequence[str] = ()
    stale: Sequence[str] = ()
    reinstall: Sequence[str] = ()
    masked: Sequence[str] = ()
    refused: Sequence[str] = ()
    configuration: Sequence[str] = ()


@dataclass(frozen=True)
class Cache:
    """The folder, and the container that runs Portage on it (as /var/cache/binpkgs). `local`: the name of the
    artifact's own repository, if it has one."""

    folder: Path
    container: Container
    local: str | None = None

    def check(self, steps: Steps, *, deep: bool = False) -> Findings:
        """Drops what is damaged, with a note each; finds what is stale and masked. `deep`: reads every package; else
        only those that do not look as they did when they were listed."""
        with alone(self.folder) as alone_here:
            repositories = [name for name in (overlays.NAME, self.local) if name]
            return self._run(steps, {"do": "check", "alone": alone_here, "deep": deep, "repositories": repositories})

    def used(self, steps: Steps) -> Findings:
        """Marks what is installed as used, and removes what nobody used for long unless another build runs; finds new
        versions of configuration files, and licences that are not accepted."""
        with alone(self.folder) as alone_here:
            return self._run(steps, {"do": "use", "alone": alone_here, "days": DAYS})

    def _run(self, steps: Steps, options: dict[str, object]) -> Findings:
        words = ["python3", "-B", f"{INSIDE}/binpkgs.py", json.dumps(options)]
        argv = self.container.with_programs().argv(words, network=False)
        steps.write(f"$ {process.command_line(argv)}")
        result = process.run(argv)
        text = result.stdout.decode(errors="replace")
        steps.write(text + result.stderr.decode(errors="replace"))
        found = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        for each in found:
            if "dropped" in each:
                steps.log.note(f"binary package {each['dropped']} is dropped: {each['why']}")
        kinds = [field.name for field in fields(Findings)]
        return Findings(**{kind: sorted({each[kind] for each in found if kind in each}) for kind in kinds})


def at_fault(output: str) -> bool:
    """True if emerge's output tells of a binary package that it could not use."""
    return _FAULT.search(output) is not None
