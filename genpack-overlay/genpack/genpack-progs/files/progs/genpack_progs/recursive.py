# SPDX-License-Identifier: MIT
"""A file and what it can't do without: its libraries, its interpreter, the targets of links."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
from collections.abc import Iterable

from .errors import ProgsError
from .process import output
from .tree import Tree


class Gather:
    """Collects paths; `paths` grows by add(). Paths are absolute, with their parents resolved."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.paths: dict[str, os.stat_result] = {}

    def add(self, path: str) -> None:
        """Add a path and what it needs. A folder brings everything in it. Raises ProgsError for what doesn't exist."""
        waiting = [(path, "")]
        while waiting:
            name, reason = waiting.pop()
            resolved, links = self.tree.resolve_parent(os.path.normpath(os.path.join("/", name)))
            for link in links:  # links in its parents are needed themselves, not all that they lead to
                self.paths[link] = os.lstat(self.tree.real(link))
            if resolved in self.paths:
                continue
            try:
                status = os.lstat(self.tree.real(resolved))
            except OSError as e:
                raise ProgsError(f"{resolved}{f' ({reason})' if reason else ''}: {e.strerror}") from e
            self.paths[resolved] = status
            waiting += [(need, f"needed by {resolved}") for need in self._needs(resolved, status)]

    def _needs(self, path: str, status: os.stat_result) -> Iterable[str]:
        if stat.S_ISLNK(status.st_mode):
            return [os.path.join(os.path.dirname(path), os.readlink(self.tree.real(path)))]
        if stat.S_ISDIR(status.st_mode):
            return [os.path.join(path, name) for name in sorted(os.listdir(self.tree.real(path)))]
        if not stat.S_ISREG(status.st_mode):
            return []
        with open(self.tree.real(path), "rb") as file:
            head = file.read(256)
        if head[:4] == b"\x7fELF":
            return libraries(self.tree.real(path))
        if head[:2] == b"#!" and status.st_mode & 0o111:
            return interpreters(head)
        return []


def libraries(path: str) -> list[str]:
    """Libraries and loader of an ELF file, from ldd. Raises ProgsError that names a library that is not found."""
    status, text = output(["ldd", path], needed_to="find the libraries of a program")
    if status != 0:
        return []  # static, or of another machine: nothing that could be loaded here
    found = []
    for line in text.splitlines():
        words = line.split()
        if "=>" in words:
            target = words[words.index("=>") + 1]
            if target == "not":
                raise ProgsError(f"{path} needs the library {words[0]}, which is not found")
            found.append(target)
        elif words and words[0].startswith("/"):
            found.append(words[0])
    return found


def interpreters(head: bytes) -> list[str]:
    """Interpreter of a script from its first bytes; of "#!/usr/bin/env PROGRAM" the program too."""
    words = shlex.split(head[2:].split(b"\n", 1)[0].decode("utf-8", "replace"))
    if not words:
        return []
    if os.path.basename(words[0]) != "env":
        return words[:1]
    program = next((w for w in words[1:] if not w.startswith("-") and "=" not in w), None)
    found = shutil.which(program) if program else None
    return [words[0], *([found] if found else [])]
