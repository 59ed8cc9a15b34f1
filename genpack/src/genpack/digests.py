# SPDX-License-Identifier: MIT
"""SHA-256 of large files, computed once: remembered for as long as inode, size and both times stay the same (a write
can't keep the change time)."""

from __future__ import annotations

import json
from pathlib import Path

from genpack import files, hashing


def identity(path: Path) -> tuple[int, ...]:
    """Device, inode, size and times of a file: they change with every write."""
    info = path.stat()
    return (info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns)


class Digests:
    """SHA-256 of files, remembered by file identity in one JSON file of the cache."""

    def __init__(self, store: Path) -> None:
        self.store = store

    def known(self) -> dict[str, list[object]]:
        try:
            data = json.loads(self.store.read_bytes())
            return dict(data["files"]) if data.get("version") == 1 else {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}  # a cache: what can't be read is made anew

    def sha256(self, path: Path) -> str:
        """The file's SHA-256, computed only if the file is not known as it is now."""
        now = list(identity(path))
        match self.known().get(str(path.resolve())):
            case [known, str(value)] if known == now:
                return value
        value = hashing.of_file(path)["sha256"]
        self.remember(path, value, now)
        return value

    def remember(self, path: Path, value: str, now: list[int] | None = None) -> None:
        """Notes a file's SHA-256. `now`: its identity before it was read; without, the file was just given its name."""
        with files.locked(self.store.with_name("digests.lock")):
            entries = {name: entry for name, entry in self.known().items() if Path(name).exists()}
            entries[str(path.resolve())] = [now or list(identity(path)), value]
            files.write(self.store, json.dumps({"version": 1, "files": entries}, indent=1).encode())
