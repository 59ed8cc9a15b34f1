# SPDX-License-Identifier: MIT
"""genpack.lock: what a build takes, and nothing newer. Read, checked, written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from genpack import files, tomlfile
from genpack.arch import ARCHES
from genpack.errors import GenpackError, TrustError, UsageError
from genpack.timestamp import LATEST

FILE_NAME = "genpack.lock"
VERSION = 1
HEADER = "# What genpack builds from; written by 'genpack lock', refreshed by 'genpack lock --update'.\n"
STAMP = re.compile(r"-(\d{8}T\d{6}Z)\.tar")


@dataclass(frozen=True)
class Stage3Pin:
    """`path` on the mirror, `size` in bytes."""

    path: str
    size: int
    sha256: str

    @property
    def stamp(self) -> str:
        """The time in its name (YYYYMMDDTHHMMSSZ, which sorts), "" if there is none."""
        return stamp_of(self.path)


@dataclass(frozen=True)
class SnapshotPin:
    """`path` on the mirror; the `commit` of the ebuild repository and its `time`, seconds since 1970."""

    path: str
    sha256: str
    commit: str
    time: int


@dataclass(frozen=True)
class OverlayPin:
    """Where genpack-overlay came from, for people and for a URL; `sha256` is of its content, not of an archive."""

    source: str
    sha256: str

    @property
    def url(self) -> str | None:
        """The source, if it can be fetched."""
        return self.source if self.source.startswith(("http://", "https://")) else None


@dataclass(frozen=True)
class Lock:
    """A lock, whole or in part. `stage3`: architecture (genpack's name) -> pin."""

    stage3: Mapping[str, Stage3Pin] = field(default_factory=dict)
    snapshot: SnapshotPin | None = None
    overlay: OverlayPin | None = None

    def missing(self, arch: str) -> list[str]:
        """The tables that a build for an architecture needs and that are not here."""
        have = {f"stage3.{arch}": arch in self.stage3, "snapshot": self.snapshot, "overlay": self.overlay}
        return [name for name, there in have.items() if not there]

    def check_overlay(self, sha256: str, folder: Path) -> None:
        """Raises TrustError if the lock pins another genpack-overlay than the one that is there."""
        if self.overlay is None or self.overlay.sha256 == sha256:
            return
        raise TrustError(
            f"{folder} is not the genpack-overlay of {FILE_NAME}: its content is {sha256}, pinned is"
            f" {self.overlay.sha256} ({self.overlay.source})",
            tip="take the pinned one, or pin this one: remove [overlay] from genpack.lock and run 'genpack lock';"
            " 'genpack lock --update' refreshes everything",
        )

    def check_time(self, epoch: int) -> None:
        """Raises UsageError if the lock says another time than the snapshot itself."""
        if self.snapshot is not None and self.snapshot.time != epoch:
            raise UsageError(
                f"{FILE_NAME}: snapshot.time is {self.snapshot.time}, and the snapshot's own time is {epoch}",
                tip="remove [snapshot] and run 'genpack lock': it writes both as they are",
            )


def stamp_of(path: str) -> str:
    """The time in a stage3's name, "" if there is none."""
    found = STAMP.search(path)
    return found[1] if found else ""


def read(folder: Path) -> Lock | None:
    """The lock of an artifact's folder; None if it has none. Raises UsageError with line and key."""
    top = tomlfile.read(folder / FILE_NAME, FILE_NAME)
    if top is None:
        return None
    version = top.value("version", int)
    if version != VERSION:
        raise top.wrong("version", f"is {version}", f"this genpack reads {VERSION}: use one that reads {version}")
    top.only(("version", "stage3", "snapshot", "overlay"))
    stage3: dict[str, Stage3Pin] = {}
    if (table := top.table("stage3")) is not None:
        table.only(ARCHES, "unknown architecture")
        for arch, pin in table.tables():
            pin.only(("path", "size", "sha256"))
            stage3[arch] = Stage3Pin(_path(pin), pin.number("size", 1), _sha256(pin))
    snapshot = overlay = None
    if (table := top.table("snapshot")) is not None:
        table.only(("path", "sha256", "commit", "time"))
        commit = table.text("commit", re.compile(r"[0-9a-f]+").fullmatch, "a commit (hex digits)")
        time = table.number("time", 1)
        if time > LATEST:
            raise table.wrong("time", f"{time} is no time in seconds", "correct it")
        snapshot = SnapshotPin(_path(table), _sha256(table), commit, time)
    if (table := top.table("overlay")) is not None:
        table.only(("source", "sha256"))
        source = table.text("source", lambda text: text and text.isprintable(), "a source")
        overlay = OverlayPin(source, _sha256(table))
    return Lock(stage3, snapshot, overlay)


def _sha256(table: tomlfile.Table) -> str:
    return table.text("sha256", re.compile(r"[0-9a-f]{64}").fullmatch, "a SHA-256 (64 hex digits)")


def _path(table: tomlfile.Table) -> str:
    def inside(text: str) -> bool:
        parts = PurePosixPath(text).parts
        return bool(parts) and parts[0] != "/" and ".." not in parts and text.isprintable() and not text.endswith("/")

    return table.text("path", inside, "a path below the mirror's top")


def render(lock: Lock) -> str:
    """The file's text: the same for the same pins."""
    parts = [f"{HEADER}version = {VERSION}\n"]
    for arch, pin in sorted(lock.stage3.items()):
        parts.append(_table(f"stage3.{arch}", {"path": pin.path, "size": pin.size, "sha256": pin.sha256}))
    if lock.snapshot is not None:
        parts.append(_table("snapshot", vars(lock.snapshot)))
    if lock.overlay is not None:
        parts.append(_table("overlay", vars(lock.overlay)))
    return "\n".join(parts)


def _table(name: str, values: Mapping[str, str | int]) -> str:
    # Strings hold no control character (see read), so that JSON's escapes are TOML's.
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items()]
    return f"[{name}]\n" + "".join(lines)


def write(folder: Path, lock: Lock) -> Path:
    """Replaces the lock: whole or not at all."""
    path = folder / FILE_NAME
    files.write(path, render(lock).encode())
    return path


def require(lock: Lock | None, arch: str) -> Lock:
    """What --locked asks for: a lock that covers a build for the architecture. Raises GenpackError."""
    if lock is None:
        raise GenpackError(f"--locked: there is no {FILE_NAME}", tip="write it with 'genpack lock'")
    if missing := lock.missing(arch):
        what = f"--locked: {FILE_NAME} does not pin {', '.join(missing)}"
        raise GenpackError(what, tip=f"add it with 'genpack lock --arch {arch}'")
    return lock
