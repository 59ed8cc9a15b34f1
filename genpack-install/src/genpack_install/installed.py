# SPDX-License-Identifier: MIT
"""The running genpack system: where its own image lies."""

from __future__ import annotations

import re
from pathlib import Path

from genpack_install.errors import UsageError

INITRAMFS = Path("/run/initramfs")


def image(root: Path = Path("/")) -> Path:
    """The image that this system runs from; UsageError if it is none. `root`: of the system, for tests."""
    folder = root / INITRAMFS.relative_to("/")
    names = [folder / "boot/system.img", folder / "rw/system"]
    try:
        words = (root / "proc/cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:
        words = ""
    if given := re.search(r"(?:^|\s)genpack\.image=([\w.-]+)", words):
        names = [folder / "boot" / given[1], folder / "rw" / given[1], *names]
    for name in names:
        if name.is_file() and name.stat().st_size:
            return name
    raise UsageError("no IMAGE is given, and this is no system that runs from one", tip="give the .squashfs file")
