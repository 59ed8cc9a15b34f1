# SPDX-License-Identifier: MIT
"""Block devices, partitions, file systems and mounts."""

from __future__ import annotations

import logging
import os

from genpack_init import _native
from genpack_init.paths import text_path
from genpack_init.process import capture, run

TYPE_CHECKING = False  # true for type checkers; importing typing costs 5 ms of each boot
if TYPE_CHECKING:
    from typing import Any

    Name = str | os.PathLike[str]

# <linux/mount.h>; an option not listed here goes to the file system as it is
FLAGS = {
    "ro": 1, "nosuid": 2, "nodev": 4, "noexec": 8, "sync": 16, "remount": 32, "dirsync": 128, "noatime": 1024,
    "nodiratime": 2048, "bind": 4096, "move": 8192, "rbind": 4096 | 16384, "silent": 32768, "private": 1 << 18,
    "rprivate": 1 << 18 | 16384, "slave": 1 << 19, "rslave": 1 << 19 | 16384, "shared": 1 << 20,
    "rshared": 1 << 20 | 16384, "relatime": 1 << 21, "strictatime": 1 << 24, "lazytime": 1 << 25,
}  # fmt: skip
CLEARED = {"rw": 1, "suid": 2, "dev": 4, "exec": 8, "async": 16, "atime": 1024, "diratime": 2048}
NO_FILE_SYSTEM = 32 | 4096 | 8192 | 1 << 18 | 1 << 19 | 1 << 20  # remount, bind, move, propagation

LABEL_OPTION = {"vfat": "-n", "fat": "-n", "msdos": "-n", "f2fs": "-l", "exfat": "-L"}
FORCE_OPTION = {"btrfs": "-f", "xfs": "-f", "f2fs": "-f", "ext2": "-F", "ext3": "-F", "ext4": "-F"}


def get_block_device_info(path: Name) -> dict[str, Any] | None:
    """name (a path), logical_sector_size and physical_sector_size (bytes), num_logical_sectors; None if absent."""
    from pathlib import PosixPath

    info = _native.block_device(os.fspath(path))
    if info is None:
        return None
    names = ("logical_sector_size", "physical_sector_size", "num_logical_sectors")
    return {"name": PosixPath(path), **dict(zip(names, info, strict=True))}


def get_partition_info(path: Name) -> dict[str, Any] | None:
    """name (a path), uuid and type of the file system on a partition or disk, as blkid has them.

    uuid or type are None where blkid finds none; the result is None if there is no such device.
    """
    from pathlib import PosixPath

    if not os.path.exists(path):
        return None
    status, output = capture(["blkid", "-p", "-o", "export", path])
    if status not in (0, 2):  # 2: nothing recognized
        logging.warning("blkid %s: status %d %s", os.fspath(path), status, output.strip())
    found = dict(line.split("=", 1) for line in output.splitlines() if "=" in line) if status == 0 else {}
    return {"name": PosixPath(path), "uuid": found.get("UUID"), "type": found.get("TYPE")}


def get_mount_info(path: Name) -> dict[str, str]:
    """source, target, fstype and options (as text) of the mount that holds `path`. Raises OSError."""
    wanted = os.path.realpath(path)
    best: dict[str, str] = {}
    with open(text_path("proc/self/mountinfo"), encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            before, _, after = line.partition(" - ")
            fields, (fstype, source, options) = before.split(" "), after.rstrip("\n").split(" ", 2)
            target = _unescape(fields[4])
            inside = wanted == target or wanted.startswith(target.rstrip("/") + "/")
            if inside and len(target) >= len(best.get("target", "")):
                merged = ",".join(dict.fromkeys((fields[5] + "," + options).split(",")))
                best = {"source": _unescape(source), "target": target, "fstype": fstype, "options": merged}
    return best


def _unescape(text: str) -> str:
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, char)
    return text


def is_active_swap(path: Name) -> bool:
    """True if the kernel swaps on a device or file already. It knows it by the path that it was switched on with."""
    try:
        with open(text_path("proc/swaps"), encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()[1:]
    except FileNotFoundError:
        return False
    return any(_unescape(line.split()[0]) == os.fspath(path) for line in lines if line.split())


def parted(disk: Name, command: str, *, check: bool = False) -> int:
    """Run `parted --script DISK COMMAND`. Exit status, 0 = good; `check=True` raises GenpackInitError instead."""
    return run(["parted", "--script", disk, *command.split()], check=check)


def mkfs(device: Name, fstype: str, label: str | None = None, *, check: bool = False) -> int:
    """Make a file system, over whatever is there. Exit status, 0 = good; `check=True` raises GenpackInitError."""
    force = [FORCE_OPTION[fstype]] if fstype in FORCE_OPTION else []
    named = [LABEL_OPTION.get(fstype, "-L"), label] if label is not None else []
    return run([f"mkfs.{fstype}", *force, *named, device], check=check)


def mkswap(device: Name, label: str | None = None, *, check: bool = False) -> int:
    """Make swap space. Exit status, 0 = good; `check=True` raises GenpackInitError instead."""
    return run(["mkswap", *(["-L", label] if label is not None else []), device], check=check)


def mount(
    device: Name, mountpoint: Name, *, fstype: str | None = None, options: str | None = None, check: bool = False
) -> int:
    """Mount `device` (or what the file system takes as source) at `mountpoint`; `options` as mount(8) has them.

    Without `fstype` it is what blkid finds. 0 or an errno; `check=True` raises OSError instead.
    """
    flags, data = 0, []
    for option in (options or "").split(","):
        if option in FLAGS:
            flags |= FLAGS[option]
        elif option in CLEARED:
            flags &= ~CLEARED[option]
        elif option and option != "defaults":
            data.append(option)
    if fstype is None and not flags & NO_FILE_SYSTEM:
        fstype = (get_partition_info(device) or {}).get("type")
    status = _native.mount(os.fspath(device), os.fspath(mountpoint), fstype or "", flags, ",".join(data))
    return _errno(status, f"mount {os.fspath(device)} at {os.fspath(mountpoint)}", mountpoint, check)


def umount(mountpoint: Name, *, check: bool = False) -> int:
    """Unmount. 0 or an errno; `check=True` raises OSError instead."""
    return _errno(_native.umount(os.fspath(mountpoint), 0), f"umount {os.fspath(mountpoint)}", mountpoint, check)


def _errno(status: int, what: str, path: Name, check: bool) -> int:
    if status and check:
        raise OSError(status, f"{what}: {os.strerror(status)}", os.fspath(path))
    if status:
        logging.warning("%s: %s", what, os.strerror(status))
    return status
