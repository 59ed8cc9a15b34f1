# SPDX-License-Identifier: MIT
"""Copy-up: overlayfs copies a file from the lower to the upper layer when something in its inode is set.

utimensat with the file's own times is that something: unlike chown it keeps setuid bits and file capabilities.
The kernel copies; this program only asks it to, file by file, from several threads.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .errors import ProgsError
from .tree import Tree

CHUNK = 64  # files a thread takes at a time: enough to make the hand-over cheap, few enough for a smooth bar


@dataclass(frozen=True)
class Entry:
    """A path to copy up, with what lstat said of it."""

    path: str
    status: os.stat_result


@dataclass(frozen=True)
class Plan:
    """What to copy up: folders (parents first), files, and further names of hard-linked files."""

    folders: tuple[Entry, ...]
    files: tuple[Entry, ...]
    links: tuple[tuple[Entry, Entry], ...]  # (the name that is copied, another name of the same file)

    @property
    def total(self) -> int:
        return len(self.folders) + len(self.files) + len(self.links)

    @property
    def bytes(self) -> int:
        return sum(e.status.st_size for e in self.files if stat.S_ISREG(e.status.st_mode))


def plan(tree: Tree, paths: Iterable[str]) -> Plan:
    """Look at the paths (parents resolved); those that don't exist are left out."""
    folders: list[Entry] = []
    files: list[Entry] = []
    links: list[tuple[Entry, Entry]] = []
    first: dict[tuple[int, int], Entry] = {}
    for path in sorted(set(paths)):
        try:
            entry = Entry(path, os.lstat(tree.real(path)))
        except (FileNotFoundError, NotADirectoryError):
            continue
        st = entry.status
        if stat.S_ISDIR(st.st_mode):
            folders.append(entry)
        elif stat.S_ISREG(st.st_mode) and st.st_nlink > 1 and (st.st_dev, st.st_ino) in first:
            links.append((first[st.st_dev, st.st_ino], entry))
        else:
            first[st.st_dev, st.st_ino] = entry
            files.append(entry)
    return Plan(tuple(folders), tuple(files), tuple(links))


def execute(tree: Tree, work: Plan, progress: Callable[[int], None]) -> None:
    """Copy up. `progress` is told how many entries are done, a few times a second at most for small files."""
    done = 0
    for entry in work.folders:
        touch(tree.real(entry.path), entry.status)
    done += len(work.folders)
    progress(done)

    def batch(entries: tuple[Entry, ...]) -> int:
        for e in entries:
            touch(tree.real(e.path), e.status)
        return len(entries)

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for count in pool.map(batch, _chunks(work.files)):
            done += count
            progress(done)
    for original, entry in work.links:
        _relink(tree, original.path, entry.path)
    # A hard link changes the time of the folder it is made in.
    by_path = {e.path: e for e in work.folders}
    for folder in {os.path.dirname(entry.path) for _, entry in work.links}:
        if folder in by_path:
            touch(tree.real(folder), by_path[folder].status)
    progress(work.total)


def touch(real: str, status: os.stat_result) -> None:
    """Set a file's times to what they are. A symbolic link is touched itself."""
    try:
        os.utime(real, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)
    except OSError as e:
        raise ProgsError(f"cannot copy up {real}: {e.strerror}") from e


def _relink(tree: Tree, original: str, other: str) -> None:
    """Make `other` a name of the copied file again: a copy-up of it by itself would be a second file."""
    temporary = tree.real(other) + ".genpack-link"
    try:
        os.link(tree.real(original), temporary, follow_symlinks=False)
        os.replace(temporary, tree.real(other))
        if os.path.lexists(temporary):  # rename(2) does nothing if both are the same file already
            os.unlink(temporary)
    except OSError as e:
        raise ProgsError(f"cannot link {other} to {original}: {e.strerror}") from e


def _chunks(entries: tuple[Entry, ...]) -> Iterator[tuple[Entry, ...]]:
    for i in range(0, len(entries), CHUNK):
        yield entries[i:i + CHUNK]
