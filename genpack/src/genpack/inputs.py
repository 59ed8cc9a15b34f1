# SPDX-License-Identifier: MIT
"""The two inputs that come from a mirror, stage3 and snapshot: found, fetched, verified.

What was verified is remembered in the cache by content: a marker's name is the hash of keyring, file and signature.
A local file's SHA-256 is remembered for as long as its inode, size and both times stay the same (a write can't keep
the change time), so that a build with nothing changed reads no large file.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from genpack import files, hashing
from genpack.arch import Arch
from genpack.errors import GenpackError, TrustError
from genpack.fetch import Mirror
from genpack.trust import Verifier

POINTER_LINE = re.compile(r"(?P<path>\S+/stage3-\S+\.tar\.xz)\s+(?P<size>[0-9]+)")


@dataclass(frozen=True)
class Input:
    """A verified file. `name` is its path on the mirror, `identity` that of the file which was verified."""

    name: str
    mirror: str
    path: Path
    size: int
    sha256: str
    identity: tuple[int, ...]

    def unchanged(self) -> bool:
        """True if nothing was written to the file since it was verified."""
        return self.identity == identity(self.path)


def identity(path: Path) -> tuple[int, ...]:
    """Device, inode, size and times of a file: they change with every write."""
    info = path.stat()
    return (info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns)


@dataclass(frozen=True)
class Inputs:
    stage3: Input
    snapshot: Input


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
        now, key = list(identity(path)), str(path.resolve())
        match self.known().get(key):
            case [known, str(value)] if known == now:
                return value
        value = hashing.of_file(path)["sha256"]
        with files.locked(self.store.with_name("digests.lock")):
            entries = {name: entry for name, entry in self.known().items() if Path(name).exists()}
            entries[key] = [now, value]
            files.write(self.store, json.dumps({"version": 1, "files": entries}, indent=1).encode())
        return value


class Resolver:
    """Finds the inputs on the mirrors, the first mirror that has them first."""

    def __init__(self, mirrors: Sequence[Mirror], verifier: Verifier, cache: Path) -> None:
        self.mirrors = mirrors
        self.verifier = verifier
        self.verified = cache / "verified"
        self.digests = Digests(cache / "digests.json")

    def resolve(self, arch: Arch) -> Inputs:
        """Raises TrustError for what is not as signed, GenpackError for what is not there."""
        return Inputs(self.stage3(arch), self.snapshot())

    def stage3(self, arch: Arch) -> Input:
        folder = f"releases/{arch.gentoo}/autobuilds"
        pointer = f"{folder}/latest-stage3-{arch.token}-systemd.txt"
        mirror, signed = self._first(pointer)
        where = f"{mirror.name}/{pointer}"
        text = self._clearsigned(where, signed).decode(errors="replace")
        found = [m for line in text.splitlines() if (m := POINTER_LINE.fullmatch(line.strip()))]
        if not found or ".." in found[0]["path"]:
            raise GenpackError(f"{where} names no stage3", tip="use another --mirror")
        name = f"{folder}/{found[0]['path']}"
        path = mirror.large(name, name)
        if path is None:
            raise GenpackError(f"{mirror.name} has no {name}, which {pointer} names", tip="use another --mirror")
        try:
            return self._check_stage3(mirror, name, path, int(found[0]["size"]))
        except TrustError:
            mirror.discard(path)
            raise

    def _check_stage3(self, mirror: Mirror, name: str, path: Path, expected: int) -> Input:
        where, actual = f"{mirror.name}/{name}", path.stat().st_size
        if actual != expected:
            what = "truncated" if actual < expected else "too long"
            raise TrustError(f"{where} is {what}: {actual} bytes, not {expected}", tip="fetch it again")
        before = identity(path)
        sha256 = self.digests.sha256(path)
        signature = mirror.small(f"{name}.asc")
        sums = mirror.small(f"{name}.sha256")
        if sums is not None:
            text = self._clearsigned(f"{where}.sha256", sums).decode(errors="replace")
            if sha256 not in text.split():
                raise TrustError(f"{where} is damaged: its SHA-256 is not the one in .sha256", tip="fetch it again")
        elif (digests := mirror.small(f"{name}.DIGESTS")) is not None:
            self._check_digests(where, path, digests)
        self._detached(where, path, sha256, signature, ".asc")
        return Input(name, mirror.name, path, actual, sha256, before)

    def _check_digests(self, where: str, path: Path, signed: bytes) -> None:
        """.DIGESTS holds lines `# SHA512 HASH`, then `hash  file`."""
        text = self._clearsigned(f"{where}.DIGESTS", signed).decode(errors="replace")
        wanted = re.search(rf"# SHA512 HASH\n([0-9a-f]{{128}}) +{re.escape(path.name)}\n", text)
        if wanted is None or wanted[1] != hashing.of_file(path, ("sha512",))["sha512"]:
            raise TrustError(f"{where} is damaged: its SHA-512 is not the one in .DIGESTS", tip="fetch it again")

    def snapshot(self) -> Input:
        name = "snapshots/gentoo-latest.tar.xz"
        for mirror in self.mirrors:
            signature = mirror.small(f"{name}.gpgsig")
            sums = mirror.small(f"{name}.md5sum")
            # `latest` moves: the name in the cache says which content it is.
            mark = hashlib.sha256((signature or b"") + b"\0" + (sums or b"")).hexdigest()[:16]
            path = mirror.large(name, f"snapshots/gentoo-{mark}.tar.xz")
            if path is None:
                continue
            where = f"{mirror.name}/{name}"
            try:
                before = identity(path)
                sha256 = self.digests.sha256(path)
                self._check_md5(where, path, sha256, sums)
                self._detached(where, path, sha256, signature, ".gpgsig")
            except TrustError:
                mirror.discard(path)
                raise
            return Input(name, mirror.name, path, path.stat().st_size, sha256, before)
        raise self._nowhere(name)

    def _check_md5(self, where: str, path: Path, sha256: str, sums: bytes | None) -> None:
        if sums is None:
            return
        marker = self._marker("md5", sha256.encode(), sums)
        if not marker.exists():
            if hashing.of_file(path, ("md5",))["md5"].encode() not in sums.split():
                raise TrustError(f"{where} is damaged or truncated: its MD5 is not the one in .md5sum", tip=_AGAIN)
            self._remember(marker, b"")

    def _first(self, name: str) -> tuple[Mirror, bytes]:
        for mirror in self.mirrors:
            content = mirror.small(name)
            if content is not None:
                return mirror, content
        raise self._nowhere(name)

    def _nowhere(self, name: str) -> GenpackError:
        asked = ", ".join(mirror.name for mirror in self.mirrors)
        return GenpackError(f"no mirror has {name} (asked: {asked})", tip="name a mirror with --mirror")

    def _clearsigned(self, where: str, data: bytes) -> bytes:
        """The verified text of a clear-signed file."""
        marker = self._marker("clearsigned", data)
        if self.verifier.keyring is not None and marker.is_file():
            return marker.read_bytes()
        text = self.verifier.clearsigned(where, data)
        if self.verifier.keyring is not None:
            self._remember(marker, text)
        return text

    def _detached(self, where: str, path: Path, sha256: str, signature: bytes | None, suffix: str) -> None:
        """Checks a file against its detached signature, unless just that was done before."""
        if self.verifier.keyring is None:
            return
        if signature is None:
            raise TrustError(f"{where} has no signature: {suffix} is missing", tip="use another --mirror")
        marker = self._marker("detached", sha256.encode(), signature)
        if not marker.exists():
            self.verifier.detached(where, path, signature)
            if self.digests.sha256(path) != sha256:
                raise TrustError(f"{where} changed while it was verified", tip=_AGAIN)
            self._remember(marker, b"")

    def _marker(self, *parts: str | bytes) -> Path:
        total = hashlib.sha256(self.verifier.keyring_hash.encode())
        for part in parts:
            data = part.encode() if isinstance(part, str) else part
            total.update(len(data).to_bytes(8, "big") + data)
        return self.verified / total.hexdigest()

    @staticmethod
    def _remember(marker: Path, content: bytes) -> None:
        marker.parent.mkdir(parents=True, exist_ok=True)
        files.write(marker, content, 0o600)


_AGAIN = "try again; if it stays, use another --mirror"
