# SPDX-License-Identifier: MIT
"""Raspberry Pi: its firmware reads FAT alone, so kernel and device trees lie on the boot partition, with cmdline.txt.

Facts: "The config.txt file" and "Kernel command line" in the Raspberry Pi documentation.
"""

from __future__ import annotations

from pathlib import Path

from genpack_install.errors import ImageError
from genpack_install.image import Image
from genpack_install.log import Log
from genpack_install.model import BootFile

CMDLINE = "cmdline.txt"
CONFIG = "config.txt"
ROOT = "root=systemimg:auto"


def command_line(text: str) -> str:
    """cmdline.txt for our initramfs: one line, its root= replaced, rootfstype= dropped."""
    words = " ".join(text.split("\n")).split()
    kept = [word for word in words if not word.startswith(("root=", "rootfstype="))]
    if any(word.startswith("root=") for word in words):
        at = next(number for number, word in enumerate(words) if word.startswith("root="))
        before = [word for word in words[:at] if not word.startswith("rootfstype=")]
        kept.insert(len(before), ROOT)
    else:
        kept.append(ROOT)
    return " ".join(kept) + "\n"


def boot_files(image: Image, folder: Path, log: Log) -> list[BootFile]:
    """All of the image's boot/, unpacked into `folder`, links as the files that they lead to."""
    image.extract(log, folder, "boot")
    top = folder / "boot"
    found: dict[str, BootFile] = {}
    for path in sorted(top.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            continue
        name = path.relative_to(top).as_posix()
        source = _inside(image, top, path)
        if source is None:
            continue
        if name.lower() in found:
            raise ImageError(f"{image.path}: /boot/{name} and /boot/{found[name.lower()].name} are one name on FAT")
        found[name.lower()] = BootFile(name, source=source)
    given = found.get(CMDLINE)
    text = given.source.read_text(encoding="utf-8", errors="replace") if given and given.source else ""
    found[CMDLINE] = BootFile(CMDLINE, content=command_line(text).encode())
    return list(found.values())


def _inside(image: Image, top: Path, path: Path) -> Path | None:
    """The file that a name in boot/ stands for; None for a link to a folder, which FAT can't hold."""
    if not path.is_symlink():
        return path
    target = path.readlink()
    full = (top.parent / str(target).lstrip("/") if target.is_absolute() else path.parent / target).resolve()
    if not full.is_relative_to(top.resolve()) or not full.exists():
        raise ImageError(
            f"{image.path}: /boot/{path.relative_to(top)} leads nowhere in /boot ({target})",
            tip="the firmware of a Raspberry Pi reads the boot partition alone",
        )
    return None if full.is_dir() else full
