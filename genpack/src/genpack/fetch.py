# SPDX-License-Identifier: MIT
"""Mirrors in Gentoo's layout: folders, used in place, and http(s) servers, fetched into the cache."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, unquote, urlsplit

from genpack import download
from genpack.errors import UsageError
from genpack.log import Log


class Mirror(Protocol):
    """A mirror; `name` is for messages, paths are relative to its top."""

    name: str

    def small(self, path: str) -> bytes | None:
        """The content of a small file; None if the mirror does not have it."""

    def large(self, path: str, cache_name: str) -> Path | None:
        """A file of any size as a local path; None if the mirror does not have it. `cache_name` is unique for the
        content and names it in the cache."""

    def discard(self, path: Path) -> None:
        """Forgets a fetched file that turned out to be wrong."""


class FolderMirror:
    """A local folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = str(folder)

    def small(self, path: str) -> bytes | None:
        file = self.folder / path
        return file.read_bytes() if file.is_file() else None

    def large(self, path: str, cache_name: str) -> Path | None:
        file = self.folder / path
        return file if file.is_file() else None

    def discard(self, path: Path) -> None:
        """The folder is the user's: nothing is removed."""


class HttpMirror:
    """A server; `cache` is the folder for what is fetched."""

    def __init__(self, url: str, cache: Path, log: Log) -> None:
        self.name = url.rstrip("/")
        self.cache = cache
        self.log = log

    def small(self, path: str) -> bytes | None:
        return download.small(f"{self.name}/{quote(path)}")

    def large(self, path: str, cache_name: str) -> Path | None:
        return download.large(f"{self.name}/{quote(path)}", self.cache / cache_name, self.log)

    def discard(self, path: Path) -> None:
        path.unlink(missing_ok=True)


def mirrors(addresses: Iterable[str], cache: Path, log: Log) -> list[Mirror]:
    """The mirrors that --mirror names. Raises UsageError for what is neither a folder nor a URL."""
    result: list[Mirror] = []
    for address in addresses:
        parts = urlsplit(address)
        if parts.scheme in {"http", "https"}:
            result.append(HttpMirror(address, cache, log))
            continue
        folder = Path(unquote(parts.path)) if parts.scheme == "file" else Path(address)
        if parts.scheme not in {"", "file"} and not folder.is_dir():
            raise UsageError(f"--mirror {address}: can't fetch by '{parts.scheme}'", tip="use http, https or a folder")
        if not folder.is_dir():
            raise UsageError(f"--mirror {address}: there is no such folder", tip="name a folder or an http(s) URL")
        result.append(FolderMirror(folder.absolute()))
    return result
