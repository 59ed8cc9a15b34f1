# SPDX-License-Identifier: MIT
"""NAME-ARCH.img: a FAT32 file system without partitions that holds EFI loaders and the image as system.img.

UEFI firmware starts it from any disk or memory stick it is written to. Made with mkfs.fat and mtools, without mounts;
the same input gives the same bytes: serial number and times come from the image, not from the clock.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from genpack import files, preflight
from genpack.errors import GenpackError
from genpack.steps import Steps

#: Loaders by the names that UEFI looks for (UEFI specification, 3.5.1.1).
LOADERS = re.compile(r"boot(x64|ia32|aa64|riscv64)\.efi", re.IGNORECASE)
FOLDER = "usr/lib/genpack-install"
#: FAT32 can't hold a larger file.
LIMIT = (4 << 30) - 1
#: FAT32 wants 65,525 clusters at least (Microsoft's FAT specification); 4 KiB each.
CLUSTER = 4096
SECTOR = 512
SMALLEST = 66_000 * CLUSTER
LABEL = "GENPACK"
PROGRAMS = ("mkfs.fat", "mlabel", "mmd", "mcopy")


def loaders(upper: Path) -> list[Path]:
    """The EFI loaders that the image carries, by name."""
    folder = upper / FOLDER
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in found if LOADERS.fullmatch(path.name) and path.is_file() and not path.is_symlink())


def path(image: Path) -> Path:
    """NAME-ARCH.squashfs -> NAME-ARCH.img."""
    return image.with_name(f"{image.name.removesuffix('.squashfs')}.img")


def wanted(upper: Path, image: Path) -> bool:
    """True if the image can have one: it carries loaders and fits into one FAT32 file."""
    return bool(loaders(upper)) and image.stat().st_size <= LIMIT


def size(content: int) -> int:
    """Bytes of a file system for so many bytes of files: room for both allocation tables and for system.ini, in whole
    MiB."""
    clusters = content // CLUSTER + 64
    tables = 2 * 4 * clusters
    return -(-max(clusters * CLUSTER + tables + (16 << 20), SMALLEST) // (1 << 20)) << 20


def make(steps: Steps, upper: Path, image: Path, sha256: str, epoch: int) -> Path:
    """Makes it from the image whose SHA-256 is given; its path. `epoch`: the time of all files in it, seconds."""
    target = path(image)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    found = loaders(upper)
    names = {loader.name.upper() for loader in found}
    if len(names) != len(found):
        raise GenpackError(f"/{FOLDER} has the same loader twice, in small and in capital letters", tip="remove one")
    preflight.programs(PROGRAMS)
    try:
        with temporary.open("wb") as file:
            os.truncate(file.fileno(), size(image.stat().st_size + sum(loader.stat().st_size for loader in found)))
        # mtools takes the times of label, folders and files from SOURCE_DATE_EPOCH, as local time. mkfs.fat would give
        # the label the present time.
        env = ["env", "TZ=UTC", f"SOURCE_DATE_EPOCH={epoch}"]
        cluster = str(CLUSTER // SECTOR)
        commands: list[list[str | Path]] = [
            ["mkfs.fat", "-F", "32", "-S", str(SECTOR), "-s", cluster, "-i", sha256[:8], temporary],
            ["mlabel", "-i", temporary, f"::{LABEL}"],
            ["mmd", "-i", temporary, "::EFI", "::EFI/BOOT"],
        ]
        for source, name in [*((loader, f"EFI/BOOT/{loader.name.upper()}") for loader in found), (image, "system.img")]:
            commands.append(["mcopy", "-i", temporary, source, f"::{name}"])
        for command in commands:
            steps.command([*env, *command], what=str(command[0]), tip="is the disk full?")
        files.publish(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return target
