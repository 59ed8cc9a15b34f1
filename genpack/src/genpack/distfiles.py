# SPDX-License-Identifier: MIT
"""The shared cache of source archives: what may go from it at the end of a build.

Other artifacts, other snapshots and --offline need the archives that are there, so nearly nothing: only what Portage
itself has put aside and never reads again.
"""

from __future__ import annotations

from pathlib import Path

from genpack.container import Container

PLACE = "/var/cache/distfiles"
#: How Portage renames a download whose checksum is wrong.
_FAILED = "*._checksum_failure_.*"


def unusable(container: Container) -> list[Path]:
    """The files of a container's distfiles cache that no build can use. A build that shares the cache may remove them
    too: they can be gone."""
    folders = [source for source, target in container.writable if target == PLACE]
    return sorted(path for folder in folders for path in folder.glob(_FAILED) if path.is_file())
