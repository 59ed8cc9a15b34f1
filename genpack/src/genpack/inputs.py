# SPDX-License-Identifier: MIT
"""The two inputs that come from a mirror, stage3 and snapshot: found, fetched, verified.

With a lock they are the pinned ones, else the latest. What was verified is remembered in the cache by content: a
marker's name is the hash of keyring, file and signature.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from genpack import files, hashing, timestamp
from genpack.arch import Arch
from genpack.digests import Digests, identity
from genpack.errors import GenpackError, TrustError
from genpack.fetch import Mirror, Mirrors, Small
from genpack.lock import FILE_NAME, Lock, SnapshotPin, Stage3Pin, stamp_of
from genpack.log import Log
from genpack.store import Check, Wanted
from genpack.trust import Verifier

POINTER_LINE = re.compile(r"(?P<path>\S+/stage3-\S+\.tar\.xz)\s+(?P<size>[0-9]+)")
LATEST_SNAPSHOT = "snapshots/gentoo-latest.tar.xz"
UPDATE = "use a mirror that still has it, or pin the latest with 'genpack lock --update'"
_AGAIN = "try again; if it stays, use another --mirror"
_STALE = "use another --mirror: this one is out of date, or somebody replays old files"


@dataclass(frozen=True)
class Input:
    """A verified file. `name` is its path on the mirror, `identity` that of the file which was verified, `mark` a
    hash of what says which content is meant."""

    name: str
    mirror: str
    path: Path
    size: int
    sha256: str
    identity: tuple[int, ...]
    mark: str = ""

    def unchanged(self) -> bool:
        """True if nothing was written to the file since it was verified."""
        return self.identity == identity(self.path)


@dataclass(frozen=True)
class Inputs:
    stage3: Input
    snapshot: Input


class Resolver:
    """Finds the inputs on the mirrors, the first mirror that has them first."""

    def __init__(
        self,
        mirrors: Sequence[Mirror],
        verifier: Verifier,
        cache: Path,
        *,
        log: Log | None = None,
        lock: Lock | None = None,
        offline: bool = False,
    ) -> None:
        self.log = log or Log()
        self.mirrors = Mirrors(mirrors, self.log, offline=offline)
        self.verifier = verifier
        self.lock = lock or Lock()
        self.verified = cache / "verified"
        self.digests = Digests(cache / "digests.json")

    def resolve(self, arch: Arch) -> Inputs:
        """Raises TrustError for what is not as signed or pinned, GenpackError for what is not there."""
        return Inputs(self.stage3(arch), self.snapshot())

    def stage3(self, arch: Arch) -> Input:
        pin = self.lock.stage3.get(arch.name)
        if pin is not None:
            return self._pinned_stage3(arch, pin)
        pointer, name, size = self._pointer(arch)
        found = self._stage3(name, size, None)
        if found is None:
            raise self.mirrors.nowhere(name, f"named by {pointer.where}", "use another --mirror")
        pointer.keep()
        return found

    def _pointer(self, arch: Arch) -> tuple[Small, str, int]:
        """The latest stage3 as the signed index names it: the index, path and size."""
        folder = f"releases/{arch.gentoo}/autobuilds"
        path = f"{folder}/latest-stage3-{arch.token}-systemd.txt"
        pointer = self.mirrors.small(path)
        if pointer is None:
            raise self.mirrors.nowhere(path)
        text = self._clearsigned(pointer).decode(errors="replace")
        found = [m for line in text.splitlines() if (m := POINTER_LINE.fullmatch(line.strip()))]
        if not found or ".." in found[0]["path"].split("/") or found[0]["path"].startswith("/"):
            raise GenpackError(f"{pointer.where} names no stage3", tip="use another --mirror")
        name = found[0]["path"]
        if f"stage3-{arch.token}-systemd-" not in name:
            raise _misplaced(pointer, name)
        return pointer, f"{folder}/{name}", int(found[0]["size"])

    def _pinned_stage3(self, arch: Arch, pin: Stage3Pin) -> Input:
        found = self._stage3(pin.path, pin.size, pin.sha256)
        if found is not None:
            return found
        if not self.mirrors.offline:
            pointer, latest, _ = self._pointer(arch)
            not_older(pointer.where, latest, pin)
        raise self.mirrors.nowhere(pin.path, f"pinned by {FILE_NAME}", UPDATE)

    def _stage3(self, name: str, size: int, pinned: str | None) -> Input | None:
        """A stage3, verified; `pinned` is its SHA-256 in the lock. None if no mirror has it."""
        sums = self._signed_sha256(name, pinned)
        signature = self.mirrors.small(f"{name}.asc", seen=True)

        def check(path: Path, where: str) -> str:
            actual = path.stat().st_size
            if actual != size:
                what = "truncated" if actual < size else "too long"
                raise TrustError(f"{where} is {what}: {actual} bytes, not {size}", tip="fetch it again")
            sha256 = self.digests.sha256(path)
            if sums is not None and sha256 != sums:
                what = "is damaged: its SHA-256 is not the one in .sha256"
                raise TrustError(f"{where} {what}", tip="fetch it again")
            if pinned is not None and sha256 != pinned:
                raise not_pinned(where, sha256, pinned)
            if sums is None and (digests := self.mirrors.small(f"{name}.DIGESTS", seen=True)) is not None:
                self._check_digests(digests, where, path)
            self._detached(where, path, sha256, signature, ".asc")
            return sha256

        mark = "" if signature is None else mark_of(signature.content)
        return self._large(Wanted(name, size, pinned or sums, mark), check)

    def _signed_sha256(self, name: str, pinned: str | None) -> str | None:
        """The clear-signed .sha256 of a file and the sum in it. A list that is signed for another file is refused."""
        small = self.mirrors.small(f"{name}.sha256", seen=True)
        if small is None:
            return None
        text = self._clearsigned(small).decode(errors="replace")
        sums: dict[str, str] = dict(re.findall(r"^([0-9a-f]{64}) [ *]?(\S+)$", text, re.MULTILINE))
        base = name.rsplit("/", 1)[-1]
        for sha256, listed in sums.items():
            if listed == base:
                if pinned is not None and sha256 != pinned:
                    raise not_pinned(f"{small.mirror.name}/{name}", sha256, pinned)
                small.keep()
                return sha256
        raise _misplaced(small, ", ".join(sums.values()))

    def _check_digests(self, small: Small, where: str, path: Path) -> None:
        """.DIGESTS holds lines `# SHA512 HASH`, then `hash  file`."""
        text = self._clearsigned(small).decode(errors="replace")
        sums = {name: value for value, name in re.findall(r"# SHA512 HASH\n([0-9a-f]{128}) +(\S+)\n", text)}
        base = small.path.rsplit("/", 1)[-1].removesuffix(".DIGESTS")
        if base not in sums:
            raise _misplaced(small, ", ".join(sums))
        if sums[base] != hashing.of_file(path, ("sha512",))["sha512"]:
            raise TrustError(f"{where} is damaged: its SHA-512 is not the one in .DIGESTS", tip="fetch it again")
        small.keep()

    def snapshot(self) -> Input:
        if self.lock.snapshot is not None:
            return self._pinned_snapshot(self.lock.snapshot)
        # `latest` moves: archive, signature and sum must be of one mirror.
        for mirror in self.mirrors.up():
            try:
                found = self._latest_snapshot(mirror)
            except TrustError:
                raise
            except GenpackError as error:
                self.mirrors.failed(mirror, error)
                continue
            if found is not None:
                return found
        raise self.mirrors.nowhere(LATEST_SNAPSHOT)

    def _latest_snapshot(self, mirror: Mirror) -> Input | None:
        signature, sums = (self._of_one(mirror, f"{LATEST_SNAPSHOT}.{suffix}") for suffix in ("gpgsig", "md5sum"))

        def check(path: Path, where: str) -> str:
            sha256 = self.digests.sha256(path)
            self._check_md5(where, path, sha256, sums)
            self._detached(where, path, sha256, signature, ".gpgsig")
            return sha256

        beside = [small.content for small in (signature, sums) if small is not None]
        found = self._large(Wanted(LATEST_SNAPSHOT, mark=mark_of(*beside) if beside else ""), check, mirror)
        for small in (signature, sums) if found else ():
            if small is not None:
                small.keep()
        return found

    @staticmethod
    def _of_one(mirror: Mirror, path: str) -> Small | None:
        content = mirror.small(path)
        return None if content is None else Small(mirror, path, content)

    def _pinned_snapshot(self, pin: SnapshotPin) -> Input:
        signature = self.mirrors.small(f"{pin.path}.gpgsig", seen=True)

        def check(path: Path, where: str) -> str:
            sha256 = self.digests.sha256(path)
            if sha256 != pin.sha256:
                raise self._other_snapshot(where, path, sha256, pin)
            self._detached(where, path, sha256, signature, ".gpgsig")
            return sha256

        found = self._large(Wanted(pin.path, sha256=pin.sha256), check)
        if found is None:
            raise self.mirrors.nowhere(pin.path, f"pinned by {FILE_NAME}", UPDATE)
        return found

    @staticmethod
    def _other_snapshot(where: str, path: Path, sha256: str, pin: SnapshotPin) -> TrustError:
        """The error for a file that is not the pinned snapshot: an older one, or any other."""
        try:
            not_backwards(where, timestamp.of_archive(path, where).epoch, pin)
        except TrustError as error:
            return error
        except GenpackError:
            pass  # no snapshot at all
        return not_pinned(where, sha256, pin.sha256)

    def _check_md5(self, where: str, path: Path, sha256: str, sums: Small | None) -> None:
        if sums is None:
            return
        marker = self._marker("md5", sha256.encode(), sums.content)
        if not marker.exists():
            if hashing.of_file(path, ("md5",))["md5"].encode() not in sums.content.split():
                raise TrustError(f"{where} is damaged or truncated: its MD5 is not the one in .md5sum", tip=_AGAIN)
            self._remember(marker, b"")

    def _large(self, wanted: Wanted, check: Check, mirror: Mirror | None = None) -> Input | None:
        """A checked file of one mirror, or of the first that has it."""
        sums: list[str] = []

        def checked(path: Path, where: str) -> str:
            sums.append(check(path, where))
            return sums[-1]

        if mirror is None:
            found = self.mirrors.large(wanted, checked)
        else:
            path = mirror.large(wanted, checked)
            found = None if path is None else (mirror, path)
        if found is None:
            return None
        giver, path = found
        now = identity(path)
        if self.digests.sha256(path) != sums[-1]:
            raise TrustError(f"{giver.name}/{wanted.path} changed while it was verified", tip=_AGAIN)
        return Input(wanted.path, giver.name, path, path.stat().st_size, sums[-1], now, wanted.mark)

    def _clearsigned(self, small: Small) -> bytes:
        """The verified text of a clear-signed file."""
        marker = self._marker("clearsigned", small.content)
        if self.verifier.keyring is not None and marker.is_file():
            return marker.read_bytes()
        text = self.verifier.clearsigned(small.where, small.content)
        if self.verifier.keyring is not None:
            self._remember(marker, text)
        return text

    def _detached(self, where: str, path: Path, sha256: str, signature: Small | None, suffix: str) -> None:
        """Checks a file against its detached signature, unless just that was done before."""
        if self.verifier.keyring is None:
            return
        if signature is None:
            if self.mirrors.offline:
                raise self.mirrors.nowhere(f"{where}{suffix}")
            raise TrustError(f"{where} has no signature: {suffix} is missing", tip="use another --mirror")
        marker = self._marker("detached", sha256.encode(), signature.content)
        if not marker.exists():
            self.verifier.detached(where, path, signature.content)
            if self.digests.sha256(path) != sha256:
                raise TrustError(f"{where} changed while it was verified", tip=_AGAIN)
            self._remember(marker, b"")
        signature.keep()

    def _marker(self, *parts: str | bytes) -> Path:
        return self.verified / mark_of(self.verifier.keyring_hash, *parts)

    @staticmethod
    def _remember(marker: Path, content: bytes) -> None:
        marker.parent.mkdir(parents=True, exist_ok=True)
        files.write(marker, content, 0o600)


def mark_of(*parts: str | bytes) -> str:
    """SHA-256 (hex) over texts, each with its length."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()


def _misplaced(small: Small, named: str) -> TrustError:
    what = f"is signed for another file ({named or 'none'}): it was put in the place of the real one"
    return TrustError(f"{small.where} {what}", tip=_STALE)


def not_pinned(where: str, sha256: str, pinned: str) -> TrustError:
    """The error for a file that is not the one in the lock."""
    what = f"is not the file that {FILE_NAME} pins: its SHA-256 is {sha256}, not {pinned}"
    return TrustError(f"{where} {what}", tip=_STALE)


def not_older(where: str, latest: str, pin: Stage3Pin) -> None:
    """Raises TrustError if a signed index names a stage3 that is older than the pinned one."""
    if stamp_of(latest) < pin.stamp:
        what = f"names a stage3 of {stamp_of(latest) or 'no time'}, older than the one of {pin.stamp} in {FILE_NAME}"
        raise TrustError(f"{where} {what}: a replayed or stale index", tip=_STALE)


def not_backwards(where: str, time: int, pin: SnapshotPin) -> None:
    """Raises TrustError if a snapshot is older than the pinned one."""
    if time < pin.time:
        older, newer = (datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%d %H:%M:%S") for t in (time, pin.time))
        what = f"is a snapshot of {older}, older than the one of {newer} in {FILE_NAME}: replayed or stale"
        raise TrustError(f"{where} {what}", tip=_STALE)
