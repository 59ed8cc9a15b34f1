# SPDX-License-Identifier: MIT
"""Mirrors in Gentoo's layout: folders, used in place, and http(s) servers, fetched into the cache; and all of them
together, where the next one stands in for one that is down or lacks a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, unquote, urlsplit

from genpack import download
from genpack.errors import GenpackError, TrustError, UsageError
from genpack.log import Log
from genpack.store import Check, Store, Wanted


class Mirror(Protocol):
    """A mirror; `name` is for messages, paths are relative to its top."""

    name: str

    def small(self, path: str, *, seen: bool = False) -> bytes | None:
        """The content of a small file; None if the mirror does not have it. `seen`: what was verified before is as
        good, since a file of this name never changes."""

    def keep(self, path: str, content: bytes) -> None:
        """Remembers a small file that was verified."""

    def large(self, wanted: Wanted, check: Check) -> Path | None:
        """A file of any size as a local path, once `check` accepts it; None if the mirror does not have it."""

    def at_hand(self, wanted: Wanted) -> Path | None:
        """The same file if it is on this machine, as it is there: neither fetched nor checked."""


class FolderMirror:
    """A local folder: nothing is copied, and nothing in it is removed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = str(folder)

    def small(self, path: str, *, seen: bool = False) -> bytes | None:
        file = self.folder / path
        return file.read_bytes() if file.is_file() else None

    def keep(self, path: str, content: bytes) -> None:
        """It is here."""

    def large(self, wanted: Wanted, check: Check) -> Path | None:
        file = self.folder / wanted.path
        if not file.is_file():
            return None
        check(file, str(file))
        return file

    def at_hand(self, wanted: Wanted) -> Path | None:
        file = self.folder / wanted.path
        return file if file.is_file() else None


class HttpMirror:
    """A server. Offline, only what the cache has of it."""

    def __init__(self, url: str, store: Store, log: Log, *, offline: bool = False) -> None:
        self.name = url.rstrip("/")
        self.store = store
        self.log = log
        self.offline = offline

    def small(self, path: str, *, seen: bool = False) -> bytes | None:
        if self.offline or seen:
            content = self.store.seen(self.name, path)
            if content is not None or self.offline:
                return content
        return download.small(f"{self.name}/{quote(path)}", self.log)

    def keep(self, path: str, content: bytes) -> None:
        self.store.keep(self.name, path, content)

    def large(self, wanted: Wanted, check: Check) -> Path | None:
        if (wanted.sha256 or wanted.mark) and (found := self.store.find(wanted)) is not None:
            check(found, f"{self.name}/{wanted.path}")
            return found
        return None if self.offline else self.store.fetch(f"{self.name}/{quote(wanted.path)}", wanted, check)

    def at_hand(self, wanted: Wanted) -> Path | None:
        return self.store.at_hand(wanted)


def mirrors(addresses: Iterable[str], cache: Path, log: Log, *, offline: bool = False) -> list[Mirror]:
    """The mirrors of these addresses. Raises UsageError for what is neither a folder nor a URL."""
    result: list[Mirror] = []
    store = Store(cache, log)
    for address in addresses:
        parts = urlsplit(address)
        if parts.scheme in {"http", "https"} and parts.hostname:
            result.append(HttpMirror(address, store, log, offline=offline))
            continue
        folder = Path(unquote(parts.path)) if parts.scheme == "file" else Path(address)
        if parts.scheme not in {"", "file"} and not folder.is_dir():
            raise UsageError(f"mirror {address}: can't fetch by '{parts.scheme}'", tip="use http, https or a folder")
        if not folder.is_dir():
            raise UsageError(f"mirror {address}: there is no such folder", tip="name a folder or an http(s) URL")
        result.append(FolderMirror(folder.absolute()))
    return result


@dataclass(frozen=True)
class Small:
    """A small file and the mirror that gave it."""

    mirror: Mirror
    path: str
    content: bytes

    @property
    def where(self) -> str:
        return f"{self.mirror.name}/{self.path}"

    def keep(self) -> None:
        """Remembers it: it was verified."""
        self.mirror.keep(self.path, self.content)


class Mirrors:
    """All mirrors, in order. One that fails is told once and not asked again."""

    def __init__(self, members: Sequence[Mirror], log: Log, *, offline: bool = False) -> None:
        self.members = members
        self.log = log
        self.offline = offline
        self.down: dict[str, GenpackError] = {}

    def up(self) -> Iterator[Mirror]:
        """The mirrors that did not fail so far."""
        for member in self.members:
            if member.name not in self.down:
                yield member

    def failed(self, mirror: Mirror, error: GenpackError) -> None:
        """A mirror failed: the next one goes on. With no other left, that is the end."""
        self.down[mirror.name] = error
        rest = [member.name for member in self.up()]
        if not rest:
            raise error
        self.log.note(f"{error.message}; mirrors left: {', '.join(rest)}")

    def small(self, path: str, *, seen: bool = False) -> Small | None:
        """A small file from the first mirror that has it; None if none has."""
        for member in self.up():
            try:
                content = member.small(path, seen=seen)
            except GenpackError as error:
                self.failed(member, error)
                continue
            if content is not None:
                return Small(member, path, content)
        return None

    def large(self, wanted: Wanted, check: Check) -> tuple[Mirror, Path] | None:
        """A file from the first mirror that has it. What `check` refuses is an end: no other mirror is asked."""
        lacking: list[str] = []
        for member in self.up():
            try:
                path = member.large(wanted, check)
            except TrustError:
                raise
            except GenpackError as error:
                self.failed(member, error)
                continue
            if path is not None:
                if lacking and not self.offline:
                    self.log.note(f"{', '.join(lacking)} has no {wanted.file_name}: taken from {member.name}")
                return member, path
            lacking.append(member.name)
        return None

    def nowhere(self, path: str, why: str = "", tip: str = "name a mirror with --mirror") -> GenpackError:
        """The error for a file that no mirror has; `why` says who wants it."""
        if why:
            path = f"{path} ({why})"
        if self.offline:
            what = f"--offline: {path} is neither in the cache nor in a local mirror"
            return GenpackError(what, tip="run 'genpack lock' once without --offline: it fetches what a build needs")
        asked = ", ".join(f"{m.name}, which failed" if m.name in self.down else m.name for m in self.members)
        return GenpackError(f"no mirror has {path} (asked: {asked})", tip=tip)
