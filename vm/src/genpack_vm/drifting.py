# SPDX-License-Identifier: MIT
"""What a writable layer changed against its image. Times are no change, nor is a copy that is the same."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import Enum

from genpack_vm.tree import Node, Tree

_PIECE = 1 << 20  # bytes


class Kind(Enum):
    """What happened to a path."""

    ADDED = "added"
    CHANGED = "changed"
    DELETED = "deleted"


@dataclass(frozen=True)
class Change:
    """One path, relative to the root. Below a folder that was added or deleted as a whole no path is named."""

    kind: Kind
    path: str


def _same_content(tree: Tree, upper: Node, lower: Node) -> bool:
    if upper.size != lower.size:
        return False
    with closing(tree.open(upper)) as a, closing(tree.open(lower)) as b:
        offset = 0
        while offset < lower.size:
            old, new = b.read(offset, _PIECE), a.read(offset, _PIECE)
            if old != new:
                return False
            offset += len(old)
    return True


def _same(tree: Tree, upper: Node, lower: Node) -> bool:
    """True when the layer's file says what the image's says."""
    if (upper.mode, upper.uid, upper.gid) != (lower.mode, lower.uid, lower.gid):
        return False
    if tree.xattrs(upper) != tree.xattrs(lower):
        return False
    if stat.S_ISREG(upper.mode):
        return _same_content(tree, upper, lower)
    if stat.S_ISLNK(upper.mode):
        return tree.target(upper) == tree.target(lower)
    return upper.is_folder or upper.device == lower.device


def _folder(tree: Tree, merged: Node, image: Node | None) -> Iterator[Change]:
    """The changes below a folder of the layer; `image` is what the image has in its place."""
    assert tree.layer is not None and merged.upper is not None
    before = {} if image is None else dict(tree.image.entries(image.lower)) if image.lower is not None else {}
    upper = set(tree.layer.names(merged.upper))
    # A folder that replaced the image's (opaque) hides everything that it does not have itself.
    hidden = before.keys() - upper if merged.lower is None else set()
    for name in sorted(upper | hidden):
        path = f"{merged.path}/{name}".lstrip("/")
        old = Node(path, None, tree.image.inode(before[name])) if name in before else None
        new = tree.child(merged, name) if name in upper else None
        if new is None:
            if old is not None:
                yield Change(Kind.DELETED, path)
            continue
        if old is None:
            yield Change(Kind.ADDED, path)
            continue
        if stat.S_IFMT(new.mode) != stat.S_IFMT(old.mode) or not _same(tree, new, old):
            yield Change(Kind.CHANGED, path)
        if new.is_folder and old.is_folder:
            yield from _folder(tree, new, old)


def changes(tree: Tree) -> Iterator[Change]:
    """Every change of the tree's layer, by path."""
    root = tree.root()
    yield from _folder(tree, root, Node("", None, root.lower))
