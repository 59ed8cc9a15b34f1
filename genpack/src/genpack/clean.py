# SPDX-License-Identifier: MIT
"""`genpack clean`: removes layers and their state, or the cache; says what and how much, and leaves nothing half."""

from __future__ import annotations

import stat
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from genpack import cache, checks, definition, hashing, preflight, process
from genpack.errors import GenpackError
from genpack.log import Log, size
from genpack.settings import Settings
from genpack.workdir import State, WorkDir, mounts_below

#: Begins the name of a folder in which things wait for their removal.
WASTE = ".removed-"


@dataclass(frozen=True)
class Removal:
    """Something that is removed. `bytes`: what it takes on disk; `files`: everything in it that is no folder."""

    path: Path
    bytes: int
    files: int


def run(settings: Settings, log: Log, part: str | None) -> None:
    """Removes a part, or the whole work of an architecture and variant. Raises GenpackError if it is in use, or has
    something mounted in it: then nothing was removed."""
    if part == "cache":
        if not settings.cache.is_dir():
            return _tell(log, settings.cache, [])
        with cache.alone(settings.cache):
            found = _measured([settings.cache / name for name in cache.MEMBERS], settings.cache, log)
            _remove(settings.cache, found, log)
        return _tell(log, settings.cache, found)
    preflight.root("remove layers")
    source, _ = definition.read(definition.find(settings.directory))  # one with mistakes is no obstacle here
    work = WorkDir(settings.work_root, settings.arch.name, checks.variant(source, settings.variant))
    if not work.top.is_dir():
        return _tell(log, work.top, [])
    with work.locked():
        found = _measured(_members(work, part), work.top, log)
        # The state first: what is gone half way is then not taken for a layer.
        work.save(_without(work.load(), part))
        if part is None:
            work.state_file.unlink()
        _remove(work.top, found, log)
    return _tell(log, work.top, found)


def _members(work: WorkDir, part: str | None) -> list[Path]:
    """The paths of a part. Variants' folders, which lie beside those of the base, belong to none."""
    lower, upper = [work.lower, work.lower_new], [work.upper, work.overlay_work, work.merged]
    if part is None:
        return [*lower, *upper, work.logs, work.binpkgs, work.usage_file]
    return lower if part == "lower" else upper


def _without(state: State, part: str | None) -> State:
    """The state once a part is gone."""
    if part == "lower":
        kept = {name: getattr(state, name) for name in ("upper", "pack", "image", "image_identity", "by_hand")}
        return State(**kept)
    if part == "upper":
        state.upper, state.by_hand = None, ""
        return state
    return State()


def _measured(paths: Iterable[Path], top: Path, log: Log) -> list[Removal]:
    """What is there of these paths, and of an earlier removal that was cut off. Raises GenpackError for mounts."""
    found = []
    for path in [*paths, *sorted(top.glob(f"{WASTE}*"))]:
        if path.is_symlink():
            log.note(f"{path} is a symlink: it stays, with what it leads to")
        elif path.exists():
            if mounted := mounts_below(path):
                raise GenpackError(f"{mounted[0]} is mounted", tip=f"unmount it: umount {mounted[0]}")
            found.append(_size(path))
    return found


def _size(path: Path) -> Removal:
    """A file linked twice counts once."""
    infos = [path.lstat(), *(info for _, info in hashing.walk(path))] if path.is_dir() else [path.lstat()]
    blocks = {info.st_ino: info.st_blocks for info in infos}
    return Removal(path, 512 * sum(blocks.values()), sum(not stat.S_ISDIR(info.st_mode) for info in infos))


def _remove(top: Path, found: list[Removal], log: Log) -> None:
    """Renames everything away, then deletes it: what is cut off leaves no half layer, and is deleted the next time."""
    if not found:
        return
    waste = Path(tempfile.mkdtemp(dir=top, prefix=WASTE))
    moved = [removal.path.rename(waste / str(number)) for number, removal in enumerate(found)]
    for removal, path in zip(found, moved, strict=True):
        with log.step(f"remove {removal.path} ({size(removal.bytes)})"):
            process.run(["rm", "-rf", "--one-file-system", "--", path])
    waste.rmdir()


def _tell(log: Log, place: Path, found: list[Removal]) -> None:
    total = sum(removal.bytes for removal in found)
    lines = [f"removed {removal.path}: {size(removal.bytes)}, {removal.files} files" for removal in found]
    lines.append(f"{place}: {size(total)} freed" if found else f"{place}: nothing to remove")
    removed = [{"path": str(removal.path), "bytes": removal.bytes, "files": removal.files} for removal in found]
    log.summary(lines, removed=removed, bytes=total)
