# SPDX-License-Identifier: MIT
"""Paths in trees that are no mounts: images, a VM's layers, folders that stand for an image."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from genpack_vm.errors import VmError

MAX_LINKS = 40  # symlinks followed in one path, as in the kernel (MAXSYMLINKS)

Node = TypeVar("Node")


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def follow(
    path: str,
    root: Node,
    child: Callable[[Node, str], Node | None],
    link: Callable[[Node], str | None],
    too_many: VmError,
) -> list[tuple[str, Node]] | None:
    """(name, node) of each part of the way to `path`, the root with an empty name first; None if something is missing.

    Every symlink is followed inside the tree, `..` stops at its root. `child`: what a node has under a name; `link`:
    where a node points, None if it is no symlink. `too_many` is raised for more symlinks than the kernel follows.
    """
    done = [("", root)]
    todo = _parts(path)
    links = 0
    while todo:
        part = todo.pop(0)
        if part == "..":
            done = done[:-1] or done
            continue
        node = child(done[-1][1], part)
        if node is None:
            return None
        target = link(node)
        if target is None:
            done.append((part, node))
            continue
        links += 1
        if links > MAX_LINKS:
            raise too_many
        if target.startswith("/"):
            done = done[:1]
        todo = _parts(target) + todo
    return done


def real(way: list[tuple[str, Node]]) -> str:
    """The path that `follow` found, without leading slash."""
    return "/".join(name for name, _ in way[1:])
