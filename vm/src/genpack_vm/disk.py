# SPDX-License-Identifier: MIT
"""The guest's disks: checked before anything starts."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

from genpack_vm import host
from genpack_vm.config import Boot, Bus, Disk, RunOptions
from genpack_vm.errors import UsageError


def _checked(path: Path, option: str, *, write: bool, tip: str | None) -> Path:
    """The absolute path of a file or block device that can be opened as needed."""
    try:
        fd = os.open(path, (os.O_RDWR if write else os.O_RDONLY) | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as e:
        raise UsageError(f"{option}: there is no {path}", tip=tip) from e
    except OSError as e:
        how = "read and write" if write else "read"
        raise UsageError(f"{option}: cannot {how} {path}: {e.strerror}") from e
    try:
        status = os.fstat(fd)
    finally:
        os.close(fd)
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISBLK(status.st_mode):
        raise UsageError(f"{option}: {path} is neither a file nor a block device")
    if stat.S_ISREG(status.st_mode) and status.st_size == 0:
        raise UsageError(f"{option}: {path} is empty", tip=tip)
    return path.absolute()


def _data(path: Path, *, volatile: bool) -> Disk:
    tip = f"make one: truncate -s 8G {path} && mkfs.btrfs {path}"
    path = _checked(path, "--data-file", write=not volatile, tip=tip)
    return Disk("data", path, volatile=volatile, direct=not volatile and host.direct_io(path))


def _swap(path: Path) -> Disk:
    tip = f"make one: truncate -s 2G {path} && mkswap {path}"
    path = _checked(path, "--swap", write=True, tip=tip)
    return Disk("swap", path, direct=host.direct_io(path))


def _cd(label: str, path: Path, option: str, *, scsi: bool) -> Disk:
    path = _checked(path, option, write=False, tip=None)
    return Disk(label, path, read_only=True, bus=Bus.SCSI_CD if scsi else Bus.AHCI_CD)


def is_iso(image: Path) -> bool:
    """True for a file that is put into the CD drive: by its name, as an ISO on a disk has the same content."""
    return image.suffix.lower() == ".iso"


def _system(options: RunOptions) -> Disk:
    """The disk that is booted from: the image itself, or by firmware a disk that the guest may write to, or a CD."""
    if options.boot is Boot.DIRECT and options.image.is_dir():
        return Disk("system", None)  # its root is shared, not a disk
    if options.boot is Boot.DIRECT:
        return Disk("system", options.image.absolute(), read_only=True, direct=host.direct_io(options.image))
    if is_iso(options.image):
        return _cd("system", options.image, "IMAGE", scsi=options.virtio_disks)
    path = _checked(options.image, "IMAGE", write=True, tip=None)
    return Disk("system", path, direct=host.direct_io(path))


def plan(options: RunOptions) -> tuple[Disk, ...]:
    """The disks in their order: image, data, swap, CD. With direct boot a missing data or swap disk keeps its place, so
    that vda, vdb and vdc are always the same; firmware needs no such order, but to know where to look first."""
    if options.volatile_data and options.data_file is None:
        raise UsageError("--volatile-data needs --data-file", tip="without a data disk nothing is kept anyway")
    disks = [_system(options)]
    direct_boot = options.boot is Boot.DIRECT
    if options.data_file is not None:
        disks.append(_data(options.data_file, volatile=options.volatile_data))
    elif direct_boot:
        disks.append(Disk("data", None))
    if options.swap is not None:
        disks.append(_swap(options.swap))
    elif direct_boot:
        disks.append(Disk("swap", None))
    if not options.virtio_disks:
        disks = [replace(disk, bus=Bus.AHCI) if disk.bus is Bus.VIRTIO else disk for disk in disks]
    if options.cdrom is not None:
        disks.append(_cd("cdrom", options.cdrom, "--cdrom", scsi=options.virtio_disks))
    if not direct_boot:
        turns = [disk for disk in disks if disk.label in ("system", "cdrom")]
        disks = [replace(disk, boot_index=turns.index(disk)) if disk in turns else disk for disk in disks]
    disks += options.more_disks
    paths = [os.path.realpath(d.path) for d in disks if d.path is not None]
    if len(set(paths)) != len(paths):
        raise UsageError("the same file is given for two disks")
    return tuple(disks)
