# SPDX-License-Identifier: MIT
"""`walk.py DIR`: everything that a program can see of a tree, as JSON. What a mount shows is compared by it."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from pathlib import Path


def look(path: Path) -> dict[str, object]:
    """One file."""
    found = path.lstat()
    folder = stat.S_ISDIR(found.st_mode)
    content = None
    if stat.S_ISREG(found.st_mode):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "mode": found.st_mode,
        "owner": [found.st_uid, found.st_gid],
        # A folder's size and links are the file system's own affair.
        "size": None if folder else found.st_size,
        "links": None if folder else found.st_nlink,
        "mtime": None if folder else int(found.st_mtime),
        "device": found.st_rdev,
        "target": os.readlink(path) if path.is_symlink() else None,
        "content": content,
        "xattrs": {
            n: os.getxattr(path, n, follow_symlinks=False).hex() for n in os.listxattr(path, follow_symlinks=False)
        },
    }


def walk(top: Path) -> dict[str, object]:
    """Everything below `top` by its path; files that are hard links of each other as one group of paths."""
    files: dict[str, object] = {}
    groups: dict[int, list[str]] = {}
    for folder, folders, names in os.walk(top, onerror=lambda e: (_ for _ in ()).throw(e)):
        for name in sorted([*folders, *names]):
            path = Path(folder, name)
            short = str(path.relative_to(top))
            files[short] = look(path)
            if not path.is_dir() or path.is_symlink():
                groups.setdefault(path.lstat().st_ino, []).append(short)
    linked = sorted(sorted(group) for group in groups.values() if len(group) > 1)
    return {"root": look(top), "files": files, "linked": linked}


if __name__ == "__main__":
    json.dump(walk(Path(sys.argv[1])), sys.stdout, indent=1, sort_keys=True)
