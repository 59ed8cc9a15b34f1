# SPDX-License-Identifier: MIT
"""New artifacts from templates: folders in which @NAME@ stands for the artifact's name, in texts and in file names."""

from __future__ import annotations

import stat
from pathlib import Path

from genpack_artifacts import artifacts, data, files
from genpack_artifacts.errors import UsageError
from genpack_artifacts.names import ARTIFACT, nearest

MARK = "@NAME@"


def make(name: str, template: str, base: Path) -> Path:
    """Makes the artifact `name` in the folder `base`; its own folder, which must not exist."""
    known = data.names("templates")
    if template not in known:
        near = nearest(template, known)
        tip = (f"did you mean {near}? " if near else "") + f"there are: {', '.join(known)}"
        raise UsageError(f"there is no template {template}", tip=tip)
    if not ARTIFACT.fullmatch(name):
        raise UsageError(
            f"{name!r} can't be an artifact's name", tip="letters, digits and . _ + - only, a letter or digit first"
        )
    if not base.is_dir():
        raise UsageError(f"{base}: no such folder")
    target = base / name
    if target.exists() or target.is_symlink():
        raise UsageError(f"{target} exists already", tip="take another name, or remove it")
    source = data.folder("templates") / template
    with files.new_folder(target) as fresh:
        for relative in files.tree(source):
            path = source / relative
            there = fresh / str(relative).replace(MARK, name)
            if path.is_symlink():
                files.copy(path, there)
            else:
                text = path.read_bytes().replace(MARK.encode(), name.encode())
                files.write(there, text, mode=stat.S_IMODE(path.stat().st_mode))
        artifacts.read(fresh)
    return target
