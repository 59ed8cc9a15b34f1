# SPDX-License-Identifier: MIT
"""Where genpack-overlay comes from: a folder, an archive or a URL.

Archives are unpacked into the cache, into a folder named after the content:
overlays/
├── CONTENT/              an unpacked repository; the name is overlays.content_hash of it
├── archives/SHA256       what an archive held: CONTENT
└── urls/HASH             what a URL gave last: CONTENT
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from genpack import files, overlays, process
from genpack.digests import Digests
from genpack.errors import GenpackError, TrustError, UsageError
from genpack.lock import Lock
from genpack.log import Log
from genpack.settings import Settings
from genpack.store import Store, Wanted

if TYPE_CHECKING:
    from tarfile import TarFile, TarInfo

#: What an archive may hold at most: a repository is far below that.
MAX_BYTES, MAX_MEMBERS = 256 << 20, 100_000
SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")


@dataclass(frozen=True)
class Overlay:
    """genpack-overlay's folder; `source` is what the lock says about where it came from."""

    folder: Path
    source: str


def locate(settings: Settings, log: Log, lock: Lock | None = None, *, offline: bool | None = None) -> Overlay:
    """--overlay-override; else the setting `overlay`; else the URL that the lock pins; else what `genpack-overlay path`
    prints. `offline` in place of the setting. Raises UsageError if there is none."""
    if settings.overlay_override is not None:
        return Overlay(overlays.checked(settings.overlay_override), "folder")
    pin = lock.overlay if lock else None
    unpacker = _Unpacker(settings.cache, log, (pin.sha256 if pin else None) or None)
    if offline is None:
        offline = settings.offline
    if settings.overlay is not None:
        scheme = urlsplit(settings.overlay).scheme
        if scheme in {"http", "https"}:
            return unpacker.url(settings.overlay, offline=offline)
        path = Path(settings.overlay)
        if scheme or not path.exists():
            what = f"can't fetch by '{scheme}'" if scheme else "there is no such file or folder"
            raise UsageError(f"setting 'overlay', {settings.overlay}: {what}", tip="name a folder, an archive or a URL")
        return Overlay(overlays.checked(path), "folder") if path.is_dir() else unpacker.archive(path)
    if pin is not None and pin.url is not None:
        return unpacker.url(pin.url, offline=offline)
    if shutil.which("genpack-overlay") is None:
        raise UsageError(
            "no genpack-overlay to build with",
            tip="install it (pip install genpack-overlay), name a checkout with --overlay-override DIR, or set"
            " 'overlay' (a folder, archive or URL) in config.toml",
        )
    folder = Path(process.run(["genpack-overlay", "path"]).stdout.decode().strip())
    return Overlay(overlays.checked(folder), "genpack-overlay path")


class _Unpacker:
    """Archives as folders in the cache. `pinned`: the content that the lock wants."""

    def __init__(self, cache: Path, log: Log, pinned: str | None) -> None:
        self.cache = cache
        self.top = cache / "overlays"
        self.log = log
        self.pinned = pinned
        self.digests = Digests(cache / "digests.json")

    def archive(self, path: Path) -> Overlay:
        """That of a local archive."""
        return Overlay(self._unpacked(path, self.digests.sha256(path), str(path)), path.name)

    def url(self, address: str, *, offline: bool) -> Overlay:
        """That of a URL: the pinned content if the cache has it; else what the server has now."""
        if self.pinned is not None and (folder := self._intact(self.pinned)) is not None:
            return Overlay(folder, address)
        note = self.top / "urls" / hashlib.sha256(address.encode()).hexdigest()
        if offline:
            content = note.read_text() if note.is_file() else ""
            folder = self._intact(content) if content else None
            if folder is None:
                what = f"--offline: genpack-overlay of {address} is not in the cache"
                raise GenpackError(what, tip="run 'genpack lock' once without --offline")
            return Overlay(folder, address)
        if self.pinned is None and address.startswith("http:"):
            self.log.warning(f"{address}: nothing shows that this is the real genpack-overlay: use https, or a lock")
        archive = Store(self.cache, self.log).fetch(
            address, Wanted(urlsplit(address).path.rstrip("/") or "overlay"), lambda path, _: self.digests.sha256(path)
        )
        if archive is None:
            raise GenpackError(f"{address}: the server does not have it", tip="correct the setting 'overlay'")
        folder = self._unpacked(archive, self.digests.sha256(archive), address)
        self._note(note, folder.name)
        return Overlay(folder, address)

    def _intact(self, content: str) -> Path | None:
        """The unpacked folder with this content; one that was changed is removed."""
        folder = self.top / content
        if not content or not folder.is_dir():
            return None
        if overlays.content_hash(folder) == content:
            return folder
        self.log.note(f"{folder} was changed: removed")
        shutil.rmtree(folder)
        return None

    def _unpacked(self, archive: Path, sha256: str, name: str) -> Path:
        """The folder of an archive's content, unpacked unless it is there."""
        note = self.top / "archives" / sha256
        with files.locked(self.top / "lock"):
            if note.is_file() and (folder := self._intact(note.read_text())) is not None:
                return folder
            for left in self.top.glob(".unpack-*"):  # by a run that was killed: the lock says that no other is at it
                shutil.rmtree(left)
            with tempfile.TemporaryDirectory(dir=self.top, prefix=".unpack-") as scratch:
                repository = _repository(_unpack(archive, name, Path(scratch)), name)
                content = overlays.content_hash(repository)
                final = self.top / content
                if self._intact(content) is None:
                    repository.rename(final)
            self._note(note, content)
            return final

    @staticmethod
    def _note(path: Path, content: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, content.encode())


def _repository(folder: Path, name: str) -> Path:
    """The repository in an unpacked archive: its top, or the one folder there."""
    for place in (folder, *sorted(folder.iterdir())):
        if (place / "profiles/repo_name").is_file():
            try:
                return overlays.checked(place)
            except UsageError:
                break
    tip = f"name an archive of a folder whose profiles/repo_name says {overlays.NAME}"
    raise UsageError(f"{name} holds no ebuild repository {overlays.NAME}", tip=tip)


def _unpack(archive: Path, name: str, target: Path) -> Path:
    """Unpacks plain files, folders and links that stay inside; anything else is refused. The folder with it."""
    import lzma
    import tarfile
    import zlib

    inside = target.resolve() / "content"
    inside.mkdir()
    total = 0
    try:
        with tarfile.open(archive) as tar:
            for number, member in enumerate(tar):
                total += member.size
                if number >= MAX_MEMBERS or total > MAX_BYTES:
                    raise TrustError(f"{name} is too large for an ebuild repository", tip="name another archive")
                _extract(tar, member, inside, name)
    except (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error, UnicodeError) as error:
        what = f"{name} can't be unpacked: {str(error).splitlines()[0] if str(error) else 'it is damaged'}"
        raise UsageError(what, tip=f"name a whole archive: {' '.join(SUFFIXES)}") from error
    return inside


def _leads_out(member: TarInfo, place: Path, inside: Path) -> bool:
    """True if a member would be written through a link, or is a link to the outside. Links that were unpacked before
    count: the real places are compared."""
    if place.parent.resolve() != place.parent or (place.is_symlink() and not member.issym()):
        return True
    link = member.linkname
    return member.issym() and (link.startswith("/") or not (place.parent / link).resolve().is_relative_to(inside))


def _extract(tar: TarFile, member: TarInfo, inside: Path, name: str) -> None:
    """One member, with its executable bit and no other permission, owner or time."""
    parts = Path(member.name).parts
    if not (member.isfile() or member.isdir() or member.issym()):
        kind = "a hard link" if member.islnk() else "a device or the like"
        raise TrustError(f"{name}: {member.name} is {kind}, which no ebuild repository has", tip="name another archive")
    place = inside.joinpath(*parts)
    if parts and (parts[0] == "/" or ".." in parts or _leads_out(member, place, inside)):
        raise TrustError(f"{name}: {member.name} leads out of the archive's folder", tip="name another archive")
    if member.isdir():
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_symlink() or place.exists():
        place.unlink()
    if member.issym():
        place.symlink_to(member.linkname)
        return
    source = tar.extractfile(member)
    assert source is not None
    with source, place.open("xb") as file:
        shutil.copyfileobj(source, file)
    place.chmod(0o755 if member.mode & 0o111 else 0o644)
