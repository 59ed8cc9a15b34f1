# SPDX-License-Identifier: MIT
"""Which stage3 and snapshot a build would take, by the lock or by a mirror's small files. Neither is fetched, nothing
is verified, and nothing is written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from genpack import hashing
from genpack.arch import Arch
from genpack.digests import identity
from genpack.errors import GenpackError
from genpack.fetch import Mirror
from genpack.inputs import LATEST_SNAPSHOT, Resolver, mark_of
from genpack.lock import Lock
from genpack.log import Log
from genpack.store import Wanted
from genpack.trust import Verifier, unwrap


@dataclass(frozen=True)
class Expected:
    """A file that a build would take. `size` (bytes) and `sha256` are None if only fetching it would tell; `mark`: a
    hash of what says which content is meant; `at_hand`: it need not be fetched."""

    name: str
    size: int | None
    sha256: str | None
    mark: str
    locked: bool
    at_hand: bool


class Foresight(Resolver):
    """A resolver that only looks."""

    def __init__(
        self, mirrors: Sequence[Mirror], cache: Path, log: Log, lock: Lock | None, *, offline: bool = False
    ) -> None:
        super().__init__(mirrors, Verifier(None, cache), cache, log=log, lock=lock, offline=offline)

    def expected_stage3(self, arch: Arch) -> Expected:
        """Raises GenpackError if no mirror tells."""
        pin = self.lock.stage3.get(arch.name)
        if pin is not None:
            wanted = Wanted(pin.path, pin.size, pin.sha256)
            return Expected(pin.path, pin.size, pin.sha256, "", True, self._at_hand(wanted) is not None)
        _, name, size = self._pointer(arch)
        sha256 = self._listed_sha256(name)
        signature = self.mirrors.small(f"{name}.asc", seen=True)
        mark = "" if signature is None else mark_of(signature.content)
        path = self._at_hand(Wanted(name, size, sha256, mark))
        return Expected(name, size, sha256 or (self._sha256(path) if path else None), mark, False, path is not None)

    def expected_snapshot(self) -> Expected:
        """Raises GenpackError if no mirror has one."""
        pin = self.lock.snapshot
        if pin is not None:
            path = self._at_hand(Wanted(pin.path, sha256=pin.sha256))
            return Expected(pin.path, path.stat().st_size if path else None, pin.sha256, "", True, path is not None)
        for mirror in self.mirrors.up():
            try:
                beside = [mirror.small(f"{LATEST_SNAPSHOT}.{suffix}") for suffix in ("gpgsig", "md5sum")]
            except GenpackError as error:
                self.mirrors.failed(mirror, error)
                continue
            known = [content for content in beside if content is not None]
            mark = mark_of(*known) if known else ""
            path = mirror.at_hand(Wanted(LATEST_SNAPSHOT, mark=mark))
            if path is not None:
                return Expected(LATEST_SNAPSHOT, path.stat().st_size, self._sha256(path), mark, False, True)
            if known:
                return Expected(LATEST_SNAPSHOT, None, None, mark, False, False)
        raise self.mirrors.nowhere(LATEST_SNAPSHOT)

    def _at_hand(self, wanted: Wanted) -> Path | None:
        return next((path for mirror in self.mirrors.up() if (path := mirror.at_hand(wanted)) is not None), None)

    def _listed_sha256(self, name: str) -> str | None:
        """What the mirror's .sha256 says about a file."""
        small = self.mirrors.small(f"{name}.sha256", seen=True)
        text = "" if small is None else unwrap(small.content).decode(errors="replace")
        sums = {file: value for value, file in re.findall(r"^([0-9a-f]{64}) [ *]?(\S+)$", text, re.MULTILINE)}
        return sums.get(name.rsplit("/", 1)[-1])

    def _sha256(self, path: Path) -> str:
        """As Digests.sha256, without remembering it."""
        match self.digests.known().get(str(path.resolve())):
            case [known, str(value)] if known == list(identity(path)):
                return value
        return hashing.of_file(path)["sha256"]
