# SPDX-License-Identifier: MIT
"""Files that maintainer scripts made belong to no Debian package; on Gentoo every file of a stage3 has an owner."""

from __future__ import annotations

import os
import re
from pathlib import Path

from .dpkg import Tree

#: Never anybody's: state of this machine, caches, Debian's and Portage's own administration.
NOT_OWNED = (
    "/dev", "/etc/apt", "/etc/dpkg", "/etc/portage", "/proc", "/root", "/run", "/sys", "/tmp",
    "/var/backups", "/var/cache", "/var/db", "/var/lib/apt", "/var/lib/dpkg", "/var/lib/portage", "/var/lib/python",
    "/var/lib/systemd/deb-systemd-helper-enabled", "/var/log", "/var/tmp",
)  # fmt: skip
#: Folders of the file system hierarchy: the base package's, whether dpkg lists them or not.
HIERARCHY = (
    "/boot", "/dev", "/etc", "/home", "/mnt", "/opt", "/proc", "/root", "/run", "/srv", "/sys", "/tmp", "/usr", "/var",
    "/var/cache", "/var/lib", "/var/log", "/var/tmp",
)  # fmt: skip
_GIVEN = {"/etc/ssl/certs/ca-certificates.crt": "ca-certificates", "/etc/ca-certificates.conf": "ca-certificates"}
BASE = "base-files"


def adopt_orphans(tree: Tree) -> list[str]:
    """Give every file without an owner to a package; returns those that only the base package could take."""
    left = []
    for path in _unowned(tree):
        package = _GIVEN.get(path) or _by_source(tree, path) or _by_target(tree, path)
        if package in tree.packages:
            tree.files[package].add(path)
        else:
            package = BASE
            tree.files[BASE].add(path)
            left.append(path)
        tree.owner[path] = package
    tree.files[BASE].update(path for path in HIERARCHY if Path(tree.host(path)).is_dir())
    # shipped lists name folders of Debian's own administration, too
    for owned in tree.files.values():
        owned.difference_update([path for path in owned if _pruned(path) and path not in HIERARCHY])
    return left


def _pruned(path: str) -> bool:
    return any(path == top or path.startswith(top + "/") for top in NOT_OWNED)


def _unowned(tree: Tree) -> list[str]:
    found = []
    for folder, folders, files in os.walk(tree.root):
        relative = folder[len(str(tree.root)) :]
        links = [name for name in folders if Path(folder, name).is_symlink()]
        folders[:] = [name for name in folders if not _pruned(f"{relative}/{name}")]
        for name in files + links:
            path = f"{relative}/{name}"
            if path not in tree.owner and not _pruned(path):
                found.append(path)
    return sorted(found)


def _by_source(tree: Tree, path: str) -> str:
    """The owner of the Python source behind a byte-code file."""
    source = re.sub(r"/__pycache__/([^/]+?)\.cpython-\d+(\.opt-\d)?\.pyc$", r"/\1.py", path)
    return tree.owner.get(source, "") if source != path else ""


def _by_target(tree: Tree, path: str) -> str:
    """The owner of what a link (/usr/bin/awk -> /etc/alternatives/awk -> /usr/bin/gawk) ends at."""
    place = path
    for _ in range(10):
        if not Path(tree.host(place)).is_symlink():
            return ""
        place = tree.canonical(tree.target(place))
        if place in tree.owner:
            return "" if place.startswith("/etc/systemd") else tree.owner[place]
    return ""
