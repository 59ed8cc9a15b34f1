# SPDX-License-Identifier: MIT
"""The image that this system runs from, and the folder that it lies in: as dracut-genpack has mounted them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from genpack_install.errors import InstallError
from genpack_install.generations import Name
from genpack_install.store import Store

RUN = Path("/run/initramfs")
MOUNTINFO = Path("/proc/self/mountinfo")
SYS = Path("/sys")


@dataclass(frozen=True)
class Running:
    """`name`: what the image that runs is called now, which an update changes under it. `writable`: both file systems
    are, that of the images and the boot partition."""

    store: Store
    name: Name
    writable: bool = True


@dataclass(frozen=True)
class _Mount:
    source: str
    kind: str
    writable: bool


def _mounts(mountinfo: Path) -> dict[str, _Mount]:
    """Mount point -> what is there; a later mount covers an earlier one (proc_pid_mountinfo(5))."""
    found = {}
    for line in mountinfo.read_text().splitlines():
        own, _, rest = line.partition(" - ")
        fields, (kind, source, options) = own.split(), rest.split(" ", 2)
        writable = "ro" not in fields[5].split(",") and "ro" not in options.split(",")
        found[fields[4].encode().decode("unicode_escape")] = _Mount(source, kind, writable)
    return found


def find(*, writable: bool, run: Path = RUN, mountinfo: Path = MOUNTINFO, sys: Path = SYS) -> Running:
    """InstallError if this system does not run from an image file, or (`writable`) it can't be changed."""
    mounts = _mounts(mountinfo)
    image, boot = mounts.get(f"{run}/ro"), mounts.get(f"{run}/boot")
    if image is None or boot is None:
        raise InstallError(
            "this system does not run from an image file on a boot partition",
            tip="--disk, --cdrom and --zip install an image elsewhere; a VM gets its image from `vm run`",
        )
    backing = sys / "block" / Path(image.source).name / "loop/backing_file"
    try:
        path = Path(backing.read_text().rstrip("\n").removesuffix(" (deleted)"))
    except OSError as e:
        raise InstallError(f"the image is mounted from {image.source}, which is no file") from e
    for folder in (run / "boot", run / "rw", run / "data"):
        if path.parent != folder:
            continue
        store = Store(folder, run / "boot")
        name = next((name for name in Name if store.path(name).name == path.name), None)
        if name is None:
            break
        read_only = [place for place in (folder, run / "boot") if not mounts[str(place)].writable]
        if writable and read_only:
            raise InstallError(
                f"{read_only[0]} is mounted read-only: nothing can be changed there",
                tip="start the machine with the menu entry Normal; a read-only medium can't be updated",
            )
        return Running(store, name, not read_only)
    raise InstallError(f"the image that runs is {path}, which is none of a genpack disk")
