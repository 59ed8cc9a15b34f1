# SPDX-License-Identifier: MIT
"""Downloads kept in a folder. Of each URL, by the SHA-256 of its text:

NAME            the content, complete
NAME.json       its validators (ETag, Last-Modified) and SHA-256; written last, so content without it does not count
NAME.part       what has come of a newer content
NAME.part.json  the validators of that: with them the server can tell whether the rest belongs to it
NAME.lock       held while one process works on the URL
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import IO, Any

from . import web
from .errors import ProgsError
from .log import say

PLACE = "/var/cache/download"
TEMPORARY = "/var/tmp"
ATTEMPTS = 5
BLOCK = 1 << 20


@dataclass(frozen=True)
class Facts:
    """What is known of a content."""

    etag: str | None = None
    modified: str | None = None
    sha256: str | None = None
    checked: float = 0.0  # seconds since the epoch: when the server was last asked

    @property
    def exact(self) -> str | None:
        """A validator that two different contents never share; None: nothing can be resumed."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified

    def save(self, path: str) -> None:
        _replace(path, json.dumps(asdict(self)).encode())


def default_folder() -> str:
    """/var/cache/download if it can be written, else a folder of one's own in /var/tmp, which no image contains."""
    if os.access(PLACE, os.W_OK):
        return PLACE
    own = f"{TEMPORARY}/download-{os.geteuid()}"
    os.makedirs(own, 0o700, exist_ok=True)
    found = os.lstat(own)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise ProgsError(f"{own}: is not a folder that only you can write", tip="remove it, or use --cachedir")
    return own


class Store:
    """Downloads in `folder`, which is made if need be."""

    def __init__(self, folder: str | None = None) -> None:
        self.folder = folder or default_folder()

    def get(self, url: str, *, sha256: str | None = None, max_age: float = 0, show: bool = False) -> IO[bytes]:
        """The content of a URL, open for reading. With `sha256` it has that, and what is kept with it is used unasked.

        Else the server is asked whether what is kept is still right, if it was not in the last `max_age` seconds.
        `show`: print each request.
        """
        try:
            os.makedirs(self.folder, exist_ok=True)
            base = os.path.join(self.folder, hashlib.sha256(url.encode()).hexdigest())
            with _locked(f"{base}.lock"):
                kept = _kept(base)
                if kept and (kept.sha256 == sha256 if sha256 else 0 <= time.time() - kept.checked < max_age):
                    return open(base, "rb")
                fetched = _Fetch(url, base, show).run(kept if sha256 is None else None)
                if fetched:
                    _accept(url, base, fetched, sha256)
                return open(base, "rb")
        except OSError as e:
            raise ProgsError(f"{e.filename or self.folder}: {e.strerror}", tip="--cachedir names another folder") from e


class _Fetch:
    def __init__(self, url: str, base: str, show: bool) -> None:
        self.url, self.base, self.part, self.show = url, base, f"{base}.part", show

    def run(self, kept: Facts | None) -> Facts | None:
        """Complete the .part file and return its facts; None if the server says that what is kept is still right."""
        for _ in range(ATTEMPTS):
            begun, have = self._begun()
            if begun and begun.exact:
                headers = {"Range": f"bytes={have}-", "If-Range": begun.exact}
            else:
                headers = _conditions(kept) if kept else {}
            if self.show:
                say(f"GET {self.url}" + "".join(f", {name}: {value}" for name, value in headers.items()))
            with web.request(self.url, headers) as reply:
                if reply.status == 304 and kept and not begun:
                    Facts(kept.etag, kept.modified, kept.sha256, time.time()).save(f"{self.base}.json")
                    return None
                if reply.status not in {200, 206}:
                    self._drop()  # 416: what had come is not the beginning of what the server has now
                    continue
                facts = Facts(reply.headers.get("ETag"), reply.headers.get("Last-Modified"), None, time.time())
                start, total = _extent(reply)
                if start != (have if reply.status == 206 else 0):
                    self._drop()
                    continue
                if start == 0:
                    self._drop()
                    facts.save(f"{self.part}.json")
                if self._copy(reply, start, total):
                    return facts
            if not facts.exact:
                self._drop()
        raise ProgsError(f"{self.url}: no complete answer in {ATTEMPTS} attempts",
                         tip="what has come is kept: the next attempt goes on from there" if self._begun()[0] else None)

    def _begun(self) -> tuple[Facts | None, int]:
        facts = _load(f"{self.part}.json")
        try:
            size = os.stat(self.part).st_size
        except FileNotFoundError:
            size = 0
        return (facts, size) if facts and facts.exact and size else (None, 0)

    def _drop(self) -> None:
        for path in (f"{self.part}.json", self.part):
            if os.path.lexists(path):
                os.unlink(path)

    def _copy(self, reply: Any, start: int, total: int | None) -> bool:
        """Append the body to the .part file. False: it was cut off."""
        with open(self.part, "ab" if start else "wb") as file:
            size = start
            while True:
                try:
                    block = reply.read1(BLOCK)
                except web.CUT as e:
                    say(f"{self.url}: cut off after {size} bytes: {e}")
                    return False
                if not block:
                    break
                file.write(block)
                size += len(block)
            file.flush()
            os.fsync(file.fileno())
        if total is not None and size != total:
            say(f"{self.url}: cut off after {size} of {total} bytes")
            return False
        return True


def _conditions(kept: Facts) -> dict[str, str]:
    found = {"If-None-Match": kept.etag, "If-Modified-Since": kept.modified}
    return {name: value for name, value in found.items() if value}


def _extent(reply: Any) -> tuple[int, int | None]:
    """Where the body of an answer begins in the content, and the size of all the content if it is known."""
    length = reply.headers.get("Content-Length", "")
    rest = int(length) if length.isdigit() else None
    if reply.status == 200:
        return 0, rest
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", reply.headers.get("Content-Range", "").strip())
    if not match:
        return -1, None
    start = int(match[1])
    if match[2] != "*":
        return start, int(match[2])
    return start, None if rest is None else start + rest


def _accept(url: str, base: str, facts: Facts, sha256: str | None) -> None:
    """Make the .part file the content, if it has the SHA-256 that is asked for."""
    found = _digest(f"{base}.part")
    if sha256 and found != sha256:
        os.unlink(f"{base}.part.json")
        os.unlink(f"{base}.part")
        raise ProgsError(f"{url}: its SHA-256 is {found}, not {sha256}",
                         tip="the file has changed or was tampered with: compare it with what its maker publishes")
    for path in (f"{base}.json", f"{base}.part.json"):
        if os.path.lexists(path):
            os.unlink(path)
    os.replace(f"{base}.part", base)
    Facts(facts.etag, facts.modified, found, facts.checked).save(f"{base}.json")


def _kept(base: str) -> Facts | None:
    """Facts of the content that is kept; None if there is none, or it is not what had come."""
    facts = _load(f"{base}.json")
    return facts if facts and os.path.isfile(base) and _digest(base) == facts.sha256 else None


def _load(path: str) -> Facts | None:
    try:
        with open(path, "rb") as file:
            return Facts(**json.load(file))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _replace(path: str, data: bytes) -> None:
    with open(f"{path}.new", "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(f"{path}.new", path)


@contextmanager
def _locked(path: str) -> Iterator[None]:
    with open(path, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
