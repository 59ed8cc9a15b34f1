# SPDX-License-Identifier: MIT
"""The machine's disks, by lsblk, and why one can't be installed to."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genpack_install import process
from genpack_install.errors import InstallError, UsageError
from genpack_install.log import Log
from genpack_install.model import MIB, SECTOR, Target

_COLUMNS = "PATH,TYPE,SIZE,LOG-SEC,RO,MODEL,TRAN,FSTYPE,MOUNTPOINTS,PKNAME"
#: What a whole disk is called in lsblk's TYPE.
_WHOLE = {"disk", "loop"}
_HELD = {
    "lvm": "a logical volume",
    "crypt": "an encrypted volume",
    "mpath": "a multipath device",
    "dm": "device mapper",
}
F_OFD_GETLK = 36  # linux/fcntl.h
_FLOCK = struct.Struct("hhqqi4x")


@dataclass(frozen=True)
class Disk:
    """A disk. `reason`: why it can't be installed to; None if it can."""

    path: str
    size: int
    sector: int
    model: str
    transport: str
    reason: str | None


def _walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for child in node.get("children", ()):
        yield child
        yield from _walk(child)


def _in_use(node: dict[str, Any]) -> str | None:
    """Why a device is not free; None if it is."""
    for place in node.get("mountpoints") or ():
        if place == "[SWAP]":
            return f"{node['path']} is used as swap"
        if place:
            return f"{node['path']} is mounted on {place}"
    return None


def _reason(node: dict[str, Any]) -> str | None:
    if node["ro"]:
        return "it is read-only"
    for device in (node, *_walk(node)):
        if reason := _in_use(device):
            return reason
        if device["type"] in _HELD or device["type"].startswith("raid"):
            return f"{device['path']} on it is {_HELD.get(device['type'], 'a RAID array')}"
    return None


def _lsblk(log: Log, *devices: Path) -> list[dict[str, Any]]:
    process.require(["lsblk"])
    text = process.run(["lsblk", "--json", "--bytes", "--output", _COLUMNS, *devices], log).stdout
    found: list[dict[str, Any]] = json.loads(text)["blockdevices"]
    return found


def _disk(node: dict[str, Any]) -> Disk:
    model = (node["model"] or "").strip()
    return Disk(node["path"], int(node["size"] or 0), int(node["log-sec"]), model, node["tran"] or "", _reason(node))


def every(log: Log) -> list[Disk]:
    """All disks that have a medium, also those that can't be used."""
    return [_disk(node) for node in _lsblk(log) if node["type"] in _WHOLE and int(node["size"] or 0)]


def device(path: Path, log: Log) -> Target:
    """A block device as target. UsageError with the reason if it can't be one."""
    (node, *_) = _lsblk(log, path)
    if node["type"] not in _WHOLE:
        what = {"part": "a partition", "rom": "a CD drive"}.get(node["type"], f"a device of type {node['type']}")
        tip = f"give the whole disk, /dev/{node['pkname']}" if node["type"] == "part" and node["pkname"] else None
        raise UsageError(f"{path} is {what}, not a disk", tip=tip or "--disk=list shows the disks")
    found = _disk(node)
    if found.reason:
        raise UsageError(f"{path} can't be installed to: {found.reason}", tip="--disk=list shows the disks")
    try:
        # O_EXCL on a block device: fails while anything of the kernel holds it (open(2)).
        os.close(os.open(path, os.O_RDWR | os.O_EXCL | os.O_CLOEXEC))
    except OSError as e:
        tip = "run as root" if isinstance(e, PermissionError) else "--disk=list shows the disks"
        raise UsageError(f"{path} can't be written to: {e.strerror}", tip=tip) from e
    return Target(path, found.size, found.sector, device=True)


def locked_by_other(path: Path) -> bool:
    """True if another process holds a lock on some byte of a file, as QEMU does on a running VM's disk."""
    with path.open("rb") as file:
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        answer = fcntl.fcntl(file.fileno(), F_OFD_GETLK, asked)
        return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)


def output_file(path: Path) -> None:
    """Checks that a file can be made, or replaced. UsageError if not."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"cannot write into the folder {folder}: permission denied")
    if not path.exists():
        return
    if not stat.S_ISREG(path.stat().st_mode):
        raise UsageError(f"{path} is neither a file nor a disk")
    if locked_by_other(path):
        raise UsageError(f"{path} is in use: another program, a VM perhaps, holds a lock on it", tip="stop that first")


def target(path: Path, size: int | None, log: Log) -> Target | None:
    """The disk to install to; None for a file whose size is still open."""
    try:
        is_device = stat.S_ISBLK(path.stat().st_mode)
    except FileNotFoundError:
        is_device = False
    except OSError as e:
        raise UsageError(f"{path}: {e.strerror}") from e
    if is_device:
        if size is not None:
            raise UsageError("--size is for disk files: a device has the size it has")
        return device(path, log)
    if str(path).startswith("/dev/"):
        raise UsageError(f"there is no device {path}", tip="--disk=list shows the disks")
    output_file(path)
    if path.exists() and path.stat().st_size:
        if size is not None and size != path.stat().st_size:
            raise UsageError(
                f"{path} exists, with another size than --size", tip="remove it first, or leave --size out"
            )
        size = path.stat().st_size // MIB * MIB
    return None if size is None else Target(path, size, SECTOR, device=False)


def reread(path: Path, log: Log) -> None:
    """Tells the kernel of a device's new partitions."""
    try:
        process.run(["blockdev", "--rereadpt", path], log)
    except InstallError as e:
        log.warning(f"the kernel did not take the new partitions of {path}: {e}; reboot, or plug it in again")
