# SPDX-License-Identifier: MIT
"""What differs between two images: the paths, and in which way."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from harness.commands import run

SHOWN = 40


def facts(root: Path) -> dict[str, dict[str, str]]:
    """Everything that can differ, for each path of an unpacked image."""
    found = {}
    for path in (root, *sorted(root.rglob("*"))):
        info = path.lstat()
        entry = {
            "mode": stat.filemode(info.st_mode),
            "owner": f"{info.st_uid}/{info.st_gid}",
            "time": str(int(info.st_mtime)),
        }
        if stat.S_ISLNK(info.st_mode):
            entry["target"] = os.readlink(path)
        elif stat.S_ISREG(info.st_mode):
            entry |= {"size": str(info.st_size), "content": hashlib.sha256(path.read_bytes()).hexdigest()}
            entry["links"] = str(info.st_nlink)
        elif stat.S_ISCHR(info.st_mode) or stat.S_ISBLK(info.st_mode):
            entry["device"] = str(info.st_rdev)
        for name in os.listxattr(path, follow_symlinks=False):
            entry[name] = os.getxattr(path, name, follow_symlinks=False).hex()
        found[str(path.relative_to(root))] = entry
    return found


def differences(one: Path, two: Path, folder: Path) -> list[str]:
    """A line for each path that differs; if none does, that the files' own structure differs. Empty: same bytes.
    `folder` is for the unpacked images."""
    if one.read_bytes() == two.read_bytes():
        return []
    trees = []
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate((one, two)):
        run("unsquashfs", "-no-progress", "-d", folder / str(number), image).ok()
        trees.append(facts(folder / str(number)))
    first, second = trees
    lines = []
    for path in sorted(first.keys() | second.keys()):
        if path not in first or path not in second:
            lines.append(f"{path}: only in the {'first' if path in first else 'second'} image")
            continue
        names = [
            n for n in sorted(first[path].keys() | second[path].keys()) if first[path].get(n) != second[path].get(n)
        ]
        if names:
            lines.append(f"{path}: " + ", ".join(f"{n} {first[path].get(n)} / {second[path].get(n)}" for n in names))
    more = [f"... and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return [*lines[:SHOWN], *more] or ["the same files, packed in another way"]
