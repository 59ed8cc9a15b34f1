# SPDX-License-Identifier: MIT
"""`genpack archive`: the definition and its folders as one file, the same bytes for the same content."""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

from genpack import artifact, definition, files, hashing
from genpack.errors import UsageError
from genpack.lock import FILE_NAME
from genpack.log import Log
from genpack.settings import Settings


def run(settings: Settings, log: Log, output: Path | None) -> Path:
    """Writes the archive; its path. Raises UsageError for a definition with problems, or what an archive can't hold."""
    merged = artifact.load(settings, log, None)
    source = definition.find(settings.directory)
    name = f"genpack-{merged.name}"
    target = output or (settings.output_dir or settings.directory) / f"{name}.tar.gz"
    if target.is_dir():
        raise UsageError(f"{target} is a folder", tip="name a file")
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        # Neither a name nor a time in gzip's header.
        with (
            temporary.open("wb") as raw,
            gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=raw, mtime=0) as packed,
        ):
            _write(packed, settings.directory, source.name, name)
        temporary.chmod(0o644)
        files.publish(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _write(packed: gzip.GzipFile, folder: Path, source: str, top: str) -> None:
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(_member(top, 0o755, tarfile.DIRTYPE))
        for name, info in _entries(folder, source):
            path, inside = folder / name, f"{top}/{name}"
            if stat.S_ISLNK(info.st_mode):
                member = _member(inside, 0o777, tarfile.SYMTYPE)
                member.linkname = os.readlink(path)
                tar.addfile(member)
            elif stat.S_ISDIR(info.st_mode):
                tar.addfile(_member(inside, _mode(name, info), tarfile.DIRTYPE))
            elif stat.S_ISREG(info.st_mode):
                with path.open("rb") as file:
                    member = _member(inside, _mode(name, info), tarfile.REGTYPE)
                    member.size = os.fstat(file.fileno()).st_size
                    tar.addfile(member, file)
            else:
                raise UsageError(f"{path} is neither a file, a folder nor a symlink", tip="remove it")


def _entries(folder: Path, source: str) -> Iterator[tuple[str, os.stat_result]]:
    """Everything that belongs to the definition, sorted, a folder before what is in it."""
    for name in sorted({source, FILE_NAME, *artifact.FOLDERS}):
        path = folder / name
        if path.is_dir() and name in artifact.FOLDERS:
            yield name, path.stat()
            yield from ((f"{name}/{inner}", info) for inner, info in hashing.walk(path))
        elif path.is_file() and name not in artifact.FOLDERS:
            yield name, path.stat()


def _mode(name: str, info: os.stat_result) -> int:
    """Permissions below files/ are the image's; elsewhere they only show the umask of whoever made the folder."""
    if name.startswith("files/"):
        return stat.S_IMODE(info.st_mode)
    return 0o755 if stat.S_ISDIR(info.st_mode) or info.st_mode & stat.S_IXUSR else 0o644


def _member(name: str, mode: int, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.mode, member.type = mode, kind
    member.mtime = member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
