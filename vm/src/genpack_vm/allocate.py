# SPDX-License-Identifier: MIT
"""`vm allocate`: a data disk file whose blocks are all there: preallocated, and never copied on write."""

from __future__ import annotations

import array
import fcntl
import math
import os
import stat
import struct
from contextlib import suppress
from pathlib import Path

from genpack_vm import log, process
from genpack_vm.errors import UsageError, VmError

GIB = 1 << 30
_BLOCK = 4096
_FS_IOC_GETFLAGS, _FS_IOC_SETFLAGS = (
    (2 << 30 | struct.calcsize("l") << 16 | 0x6601),
    (1 << 30 | struct.calcsize("l") << 16 | 0x6602),
)  # linux/fs.h
_FS_NOCOW_FL = 0x00800000
_MKFS_TIMEOUT = 600.0  # seconds


def flags(fd: int) -> int:
    """The file's attributes (chattr(1)); 0 where the file system has none."""
    value = array.array("i", [0])
    try:
        fcntl.ioctl(fd, _FS_IOC_GETFLAGS, value)
    except OSError:
        return 0
    return value[0]


def no_cow(fd: int) -> None:
    """Turn copy-on-write off for an empty file, where the file system has such a thing (Btrfs)."""
    with suppress(OSError):
        fcntl.ioctl(fd, _FS_IOC_SETFLAGS, array.array("i", [flags(fd) | _FS_NOCOW_FL]))


def is_no_cow(fd: int) -> bool:
    """True when copy-on-write is off for the file."""
    return bool(flags(fd) & _FS_NOCOW_FL)


def _bytes(gib: float) -> int:
    if not math.isfinite(gib) or gib <= 0:
        raise UsageError(f"GIB is {gib:g}: it must be more than 0")
    return math.ceil(gib * GIB / _BLOCK) * _BLOCK


def _check_space(folder: Path, more: int) -> None:
    """Before the first block is taken."""
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    if more > free:
        raise VmError(f"{folder} has {free / GIB:.1f} GiB free, {more / GIB:.1f} GiB are needed")


def _mkfs(path: Path, kind: str) -> None:
    done = process.capture([f"mkfs.{kind}", "-q", "-f", str(path)], purpose="make a file system", timeout=_MKFS_TIMEOUT)
    if done.status != 0:
        said = done.stderr.strip().splitlines() or [process.explain(done.status)]
        raise VmError(f"mkfs.{kind} failed: {said[-1]}", tip="Btrfs needs some 110 MiB at least")


def _fill(fd: int, path: Path, size: int) -> None:
    try:
        os.posix_fallocate(fd, 0, size)
    except OSError as e:
        raise VmError(f"cannot allocate {size / GIB:.4g} GiB for {path}: {e.strerror}") from e


def _create(path: Path, size: int, mkfs: str | None) -> None:
    _check_space(path.parent, size)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as e:
        raise VmError(f"cannot write into {path.parent}: {e.strerror}") from e
    try:
        no_cow(fd)
        _fill(fd, path, size)
        if mkfs is not None:
            _mkfs(temporary, mkfs)
        os.fsync(fd)
        try:
            os.link(temporary, path)  # unlike a rename it does not replace what came meanwhile
        except FileExistsError as e:
            raise VmError(f"{path} was made by someone else meanwhile") from e
    finally:
        os.close(fd)
        temporary.unlink()


def _grow(path: Path, size: int, mkfs: str | None) -> int:
    """The size before. What is in the file stays; on failure its size does too."""
    if mkfs is not None:
        raise UsageError(f"{path} is there already; --mkfs is for a new file")
    if path.suffix == ".qcow2":
        raise UsageError(f"{path} is no raw disk", tip=f"qemu-img resize {path} SIZE")
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as e:
        raise UsageError(f"cannot write {path}: {e.strerror}") from e
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise UsageError(f"{path} is no file")
        if size < found.st_size:
            raise UsageError(
                f"{path} has {found.st_size / GIB:.4g} GiB, {size / GIB:.4g} are asked for: a disk never shrinks"
            )
        _check_space(path.parent, size - found.st_size)
        try:
            _fill(fd, path, size)
        except VmError:
            os.ftruncate(fd, found.st_size)
            raise
        os.fsync(fd)
    finally:
        os.close(fd)
    return found.st_size


def allocate(path: Path, gib: float, mkfs: str | None) -> None:
    """Make the file, or let it grow; its data stays. UsageError for what would shrink or overwrite."""
    size = _bytes(gib)
    path = Path(os.path.realpath(path))
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}")
    if not path.exists():
        _create(path, size, mkfs)
        log.info(f"{path}: {size / GIB:.4g} GiB")
        return
    before = _grow(path, size, mkfs)
    log.info(f"{path}: {before / GIB:.4g} GiB, now {size / GIB:.4g} GiB; `vm expand NAME` tells a running VM")
