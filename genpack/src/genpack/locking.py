# SPDX-License-Identifier: MIT
"""`genpack lock`: finds what a build would take now, verifies it, and pins it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from genpack import cache, definition, fetch, hashing, inputs, overlay_source, overlays, preflight, timestamp
from genpack.arch import ARCHES
from genpack.errors import GenpackError, UsageError
from genpack.fetch import Mirror
from genpack.inputs import Input, Resolver
from genpack.lock import FILE_NAME, Lock, OverlayPin, SnapshotPin, Stage3Pin, read, require, write
from genpack.log import Log
from genpack.settings import Settings
from genpack.timestamp import Timestamp
from genpack.trust import Verifier, keyring_file

DATED = re.compile(r"gentoo-\d{8}")


def run(settings: Settings, log: Log, *, update: bool) -> Path:
    """Writes the lock, or adds what it lacks; with `update` everything is refreshed, never to something older. With
    --locked nothing is written: what is missing is an error. The lock's path."""
    if update and settings.locked:
        raise UsageError("--update and --locked exclude each other", tip="leave one of them out")
    definition.find(settings.directory)
    old = read(settings.directory)
    if settings.locked:
        old = require(old, settings.arch.name)
    preflight.programs(["tar", "xz", *(["gpg"] if settings.verify else [])])
    keyring = keyring_file(settings.keyring) if settings.verify else None
    before = old or Lock()
    # A refreshed overlay is what there is now; the pinned one must be found again.
    overlay = overlay_source.locate(settings, log, _unpinned(before) if update else before)
    overlays.require_arch(overlay.folder, settings.arch.gentoo)
    overlay_hash = overlays.content_hash(overlay.folder)
    if not update:
        before.check_overlay(overlay_hash, overlay.folder)
    mirrors = fetch.mirrors(settings.mirrors, settings.cache, log, offline=settings.offline)
    if keyring is None:
        log.warning("--no-verify: signatures of stage3 and snapshot are NOT checked")
    with Verifier(keyring, cache.gpg(settings.cache)) as verifier, log.step("inputs: stage3 and snapshot"):
        pinned = Lock() if update else before
        resolver = Resolver(mirrors, verifier, settings.cache, log=log, lock=pinned, offline=settings.offline)
        new = _Locker(resolver, before, mirrors).lock([settings.arch.name, *(before.stage3 if update else ())])
    there = OverlayPin(overlay.source, overlay_hash)
    new = replace(new, overlay=there if update else before.overlay or there)
    _tell(before, new, log)
    if new == old:
        log.line(f"{FILE_NAME}: nothing to change")
        return settings.directory / FILE_NAME
    return write(settings.directory, new)


def _unpinned(lock: Lock) -> Lock:
    """A lock that tells only where the overlay is to be fetched from."""
    if lock.overlay is None or lock.overlay.url is None:
        return Lock()
    return Lock(overlay=OverlayPin(lock.overlay.source, ""))


class _Locker:
    """Makes pins of what a resolver finds; refuses what is older than `before`."""

    def __init__(self, resolver: Resolver, before: Lock, mirrors: list[Mirror]) -> None:
        self.resolver = resolver
        self.before = before
        self.mirrors = mirrors

    def lock(self, arches: list[str]) -> Lock:
        """The stage3 of these architectures, those of others as they were, and the snapshot."""
        stage3 = dict(self.before.stage3)
        for arch in dict.fromkeys(arches):
            found = self.resolver.stage3(ARCHES[arch])
            if arch in self.before.stage3:
                inputs.not_older(found.mirror, found.name, self.before.stage3[arch])
            stage3[arch] = Stage3Pin(found.name, found.size, found.sha256)
        return Lock(stage3, self.snapshot(), self.before.overlay)

    def snapshot(self) -> SnapshotPin:
        found = self.resolver.snapshot()
        before = self.before.snapshot
        if before is not None and before.sha256 == found.sha256:
            return before
        where = f"{found.mirror}/{found.name}"
        stamp = timestamp.of_archive(found.path, where)
        if before is not None:
            inputs.not_backwards(where, stamp.epoch, before)
        return SnapshotPin(self._dated(found, stamp), found.sha256, stamp.commit, stamp.epoch)

    def _dated(self, latest: Input, stamp: Timestamp) -> str:
        """The path of the dated snapshot that `latest` is now: the one whose MD5 or signature is the same."""
        mirror = next(member for member in self.mirrors if member.name == latest.mirror)
        md5 = hashing.of_file(latest.path, ("md5",))["md5"].encode()
        signature = mirror.small(f"{latest.name}.gpgsig")
        named = DATED.findall((mirror.small(f"{latest.name}.md5sum") or b"").decode(errors="replace"))
        day = datetime.fromtimestamp(stamp.epoch, UTC)
        near = [(day + timedelta(days=n)).strftime("gentoo-%Y%m%d") for n in (0, 1, -1)]
        asked = list(dict.fromkeys([*named, *([stamp.folder] if DATED.fullmatch(stamp.folder) else []), *near]))
        for name in asked:
            path = f"snapshots/{name}.tar.xz"
            sums = mirror.small(f"{path}.md5sum")
            own = mirror.small(f"{path}.gpgsig")
            if (sums is not None and md5 in sums.split()) or (own is not None and own == signature):
                if own is not None:
                    mirror.keep(f"{path}.gpgsig", own)
                return path
        what = f"has no dated snapshot that is the same as {latest.name} (asked for: {', '.join(asked)})"
        tip = "try again later (the mirror may be in the midst of an update), or use another --mirror"
        raise GenpackError(f"{latest.mirror} {what}", tip=tip)


def _tell(before: Lock, new: Lock, log: Log) -> None:
    """A line for each pin that is new or moved."""
    rows: list[tuple[str, str | None, str]] = []
    for arch, pin in new.stage3.items():
        old = before.stage3.get(arch)
        if old != pin:
            rows.append((f"stage3.{arch}", old.path if old else None, pin.path))
    if new.snapshot is not None and before.snapshot != new.snapshot:
        rows.append(("snapshot", before.snapshot.path if before.snapshot else None, new.snapshot.path))
    if new.overlay is not None and before.overlay != new.overlay:
        rows.append(("overlay", before.overlay.sha256[:16] if before.overlay else None, new.overlay.sha256[:16]))
    for name, was, now in rows:
        log.line(f"{name}: {f'{was} -> ' if was else ''}{now}")
