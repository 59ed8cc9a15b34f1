# SPDX-License-Identifier: MIT
"""A swap file on the data partition: 2 x RAM as a power of two, at most a tenth of the free space."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import struct
from configparser import ConfigParser
from pathlib import Path

from genpack_init import get_boolean, get_mount_info, is_active_swap, mkswap, root_path, run, rw_path

SYSTEM_INI = [
    {
        "section": "_default",
        "key": "swapfile",
        "type": "bool",
        "default": True,
        "help": "swap file on a persistent data partition, 2 x RAM at most; no: it is removed",
        "group": "System",
    }
]

MIB = 1 << 20
SMALLEST = 16 * MIB  # less is no help
# <linux/fs.h>
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS = 0x80086601, 0x40086602
FS_NOCOW_FL = 0x00800000  # Btrfs swaps only to files without copy-on-write


def configure(ini: ConfigParser) -> None:
    """Make it if it is missing, and switch it on."""
    file = rw_path("swapfile")
    if not get_boolean(ini, "_default", "swapfile", True):
        remove(file)
        return
    if not is_persistent() or is_active_swap(file):
        return
    if not file.is_file():
        size = wanted_size()
        if size < SMALLEST:
            logging.info("no swap file: a tenth of the free space is less than %d MiB", SMALLEST // MIB)
            return
        if not create(file, size):
            return
        logging.info("swap file of %d MiB made", size // MIB)
    if run(["swapon", file]) != 0:
        logging.error("swapfile: %s can't be switched on; removed, a new one is made at the next boot", file)
        file.unlink()


def is_persistent() -> bool:
    """True if the writable layer is a file system on a disk."""
    return rw_path().is_dir() and get_mount_info(rw_path()).get("source", "").startswith("/dev/")


def wanted_size() -> int:
    """Bytes."""
    memory = 0
    for line in root_path("proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal:"):
            memory = int(line.split()[1]) * 1024
    info = os.statvfs(rw_path())
    room = info.f_bavail * info.f_frsize // 10
    size = 1 << max(0, (2 * memory * 2 // 3).bit_length())  # the nearest power of two: 3 rounds up to 4, 2.9 to 2
    while size > room:
        size //= 2
    return size


def create(file: Path, size: int) -> bool:
    """The file by way of swapfile.tmp: what is called swapfile is whole."""
    temporary = file.with_name("swapfile.tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        no_copy_on_write(descriptor)
        os.posix_fallocate(descriptor, 0, size)
        os.fsync(descriptor)
        good = mkswap(temporary) == 0
    except OSError as error:
        logging.error("swapfile: %s: %s", temporary, error.strerror)
        good = False
    finally:
        os.close(descriptor)
    if good:
        temporary.replace(file)
    else:
        temporary.unlink(missing_ok=True)
    return good


def no_copy_on_write(descriptor: int) -> None:
    """Must be said while the file is empty. File systems that have no such flag never copy on write."""
    try:
        (flags,) = struct.unpack("l", fcntl.ioctl(descriptor, FS_IOC_GETFLAGS, struct.pack("l", 0)))
        fcntl.ioctl(descriptor, FS_IOC_SETFLAGS, struct.pack("l", flags | FS_NOCOW_FL))
    except OSError as error:
        if error.errno not in (errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL):
            raise


def remove(file: Path) -> None:
    """Off and away, with what a boot that was cut off left."""
    if is_active_swap(file) and run(["swapoff", file]) != 0:
        logging.error("swapfile: %s is in use and can't be switched off", file)
        return
    for path in (file, file.with_name("swapfile.tmp")):
        if path.exists():
            path.unlink()
            logging.info("%s removed", path)
