# SPDX-License-Identifier: MIT
"""The cache of fetched files. What is there is whole and was verified; its place says its content.

downloads/
├── files/SHA256/NAME    a file
├── marks/MARK           which content a signature or check sum stood for: a SHA-256
├── parts/KEY.part       a download that is not complete, with its .tag; KEY.lock is held by who fetches it
└── seen/MIRROR/PATH     small signed files, verified, for --offline
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from genpack import download, files
from genpack.digests import Digests
from genpack.errors import TrustError
from genpack.log import Log

#: Verifies a file, which messages name by the second argument, and returns its SHA-256. Raises TrustError.
Check = Callable[[Path, str], str]


@dataclass(frozen=True)
class Wanted:
    """A file of a mirror. `size` and `sha256` if they are known beforehand; else `mark`, a hash of what says which
    content is meant (a signature, say): empty if there is nothing."""

    path: str
    size: int | None = None
    sha256: str | None = None
    mark: str = ""

    @property
    def file_name(self) -> str:
        return self.path.rsplit("/", 1)[-1]


class Store:
    """`cache` is the whole cache's folder; nothing is made in it before something is fetched."""

    def __init__(self, cache: Path, log: Log) -> None:
        self.top = cache / "downloads"
        self.digests = Digests(cache / "digests.json")
        self.log = log

    def find(self, wanted: Wanted) -> Path | None:
        """The file, if it is there. One whose content is not what its place says is removed."""
        sha256 = wanted.sha256 or (self._marked(wanted.mark) if wanted.mark else None)
        folder = self.top / "files" / (sha256 or "none")
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if self.digests.sha256(path) == sha256:
                return path
            self.log.note(f"{path} is damaged: removed")
            path.unlink()
        return None

    def at_hand(self, wanted: Wanted) -> Path | None:
        """The file, if it is there; nothing is read or removed."""
        sha256 = wanted.sha256 or (self._marked(wanted.mark) if wanted.mark else None)
        folder = self.top / "files" / (sha256 or "none")
        return next(iter(sorted(folder.iterdir())), None) if folder.is_dir() else None

    def fetch(self, url: str, wanted: Wanted, check: Check) -> Path | None:
        """The file, fetched unless it is there; None if the server does not have it. It gets its place when `check`
        accepts it; what it refuses is removed. A second process waits for the first. Raises GenpackError."""
        key = wanted.sha256 or hashlib.sha256(f"{url}\n{wanted.mark}".encode()).hexdigest()
        part = self.top / "parts" / f"{key}.part"
        with self._lock(key, wanted.file_name):
            found = self.find(wanted)
            if found is not None:
                check(found, url)
                return found
            sha256 = self._fetch(url, part, wanted, check)
            return None if sha256 is None else self._place(part, wanted, sha256)

    def _fetch(self, url: str, part: Path, wanted: Wanted, check: Check) -> str | None:
        """Downloads and checks. A continued download that turns out wrong is fetched once more, whole."""
        checked = wanted.sha256 is not None
        for again in (False, True):
            continued = download.large(url, part, self.log, length=wanted.size, checked=checked)
            if continued is None:
                return None
            try:
                return check(part, url)
            except TrustError:
                download.forget(part)
                if again or not continued:
                    raise
                self.log.note(f"{url}: the continued download is not the file: fetched again from its beginning")
        raise AssertionError("the loop returns or raises")

    def _place(self, part: Path, wanted: Wanted, sha256: str) -> Path:
        final = self.top / "files" / sha256 / wanted.file_name
        final.parent.mkdir(parents=True, exist_ok=True)
        files.publish(part, final)
        self.digests.remember(final, sha256)
        if wanted.mark:
            mark = self.top / "marks" / wanted.mark
            mark.parent.mkdir(parents=True, exist_ok=True)
            files.write(mark, sha256.encode())
        return final

    def _marked(self, mark: str) -> str | None:
        path = self.top / "marks" / mark
        return path.read_text() if path.is_file() else None

    def _lock(self, key: str, name: str) -> AbstractContextManager[None]:
        waiting = f"another genpack fetches {name}: waiting for it"
        return files.locked(self.top / "parts" / f"{key}.lock", lambda: self.log.note(waiting))

    def seen(self, mirror: str, path: str) -> bytes | None:
        """A small file as it was when it was last verified."""
        file = self._seen(mirror, path)
        return file.read_bytes() if file.is_file() else None

    def keep(self, mirror: str, path: str, content: bytes) -> None:
        """Remembers a small file that was verified."""
        if self.seen(mirror, path) != content:
            file = self._seen(mirror, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            files.write(file, content)

    def _seen(self, mirror: str, path: str) -> Path:
        return self.top / "seen" / quote(mirror, safe="")[:200] / path
