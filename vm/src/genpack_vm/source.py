# SPDX-License-Identifier: MIT
"""What `mount`, `ls`, `cat` and `drift` were given: an image file, a VM's folder, or the name of a VM."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from genpack_vm import identity, info, rundir
from genpack_vm.errors import NotRunningError, UsageError

VM_FOLDERS = Path("/var/vm")  # where vm@.service looks for folders


@dataclass(frozen=True)
class Source:
    """An image, and the writable layer of its VM; both absolute."""

    image: Path
    layer: Path | None


def layer_of(shared: Path) -> Path | None:
    """The writable layer in a folder that is shared with a guest by virtiofs: the one that its initramfs uses."""
    for name in ("rw/root", "root"):  # rw/root: of older installations, it goes first there too
        if (shared / name).is_dir():
            return shared / name
    return None


def _of_folder(folder: Path) -> Source:
    image = folder / "system"
    if not image.exists():
        raise UsageError(f"{folder} has no `system`", tip="give an image file, or the folder of a VM with an image")
    return Source(image.absolute(), layer_of(folder.absolute() / "fs"))


def find(text: str) -> Source:
    """A path that exists, or the name of a VM: a running one, else one of /var/vm."""
    path = Path(text)
    if path.is_dir():
        return _of_folder(path)
    if path.exists() or "/" in text:
        return Source(path.absolute(), None)
    if not identity.is_name(text):
        raise UsageError(f"{text!r} is neither a file nor the name of a VM")
    try:
        found = info.find_running(rundir.root(os.environ), text)
    except NotRunningError as e:
        if (VM_FOLDERS / text).is_dir():
            return _of_folder(VM_FOLDERS / text)
        raise NotRunningError(f"{text!r} is neither a file nor a running VM", tip=e.tip) from e
    image = Path(found.image)
    if image.is_dir():
        raise UsageError(f"{text} has no image: its root is the folder {image}")
    return Source(image, None if found.virtiofs is None else layer_of(Path(found.virtiofs)))
