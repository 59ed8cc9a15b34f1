# SPDX-License-Identifier: MIT
"""`vm ls`, `vm cat` and `vm drift`: look into images and layers in a child process, which a damaged image may crash."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from genpack_vm import drifting, isolate, source
from genpack_vm.errors import UsageError, VmError
from genpack_vm.tree import Node, Tree

PATIENCE = 60  # seconds for one call of the library
_PIECE = 1 << 20  # bytes


def _owner(node: Node) -> str:
    return f"{node.uid}:{node.gid}"


def _size(node: Node) -> str:
    if stat.S_ISBLK(node.mode) or stat.S_ISCHR(node.mode):
        return f"{os.major(node.device)},{os.minor(node.device)}"
    return str(node.size)


def _time(node: Node) -> str:
    return datetime.fromtimestamp(node.mtime_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _printable(text: str) -> str:
    """A guest chooses its files' names: what a terminal would obey is shown as an escape."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _walk(tree: Tree, node: Node, *, recursive: bool) -> Iterator[Node]:
    """A file alone, or what is in a folder, and with `recursive` below it."""
    if not node.is_folder:
        yield node
        return
    for _, child in tree.children(node):
        yield child
        if recursive and child.is_folder:
            yield from _walk(tree, child, recursive=True)


def _lines(tree: Tree, nodes: list[Node]) -> Iterator[str]:
    rows = [(stat.filemode(n.mode), str(n.links), _owner(n), _size(n), _time(n)) for n in nodes]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(5)]
    for row, node in zip(rows, nodes, strict=True):
        name = _printable(node.path)
        if stat.S_ISLNK(node.mode):
            name += f" -> {_printable(tree.target(node))}"
        left, right = row[0].ljust(widths[0]), row[2].ljust(widths[2])
        yield f"{left}  {row[1].rjust(widths[1])}  {right}  {row[3].rjust(widths[3])}  {row[4]}  {name}"


def _record(tree: Tree, node: Node) -> dict[str, Any]:
    return {
        "path": node.path,
        "mode": node.mode,
        "links": node.links,
        "uid": node.uid,
        "gid": node.gid,
        "size": node.size,
        "mtime": node.mtime_ns // 1_000_000_000,
        "device": [os.major(node.device), os.minor(node.device)] if node.device else None,
        "target": tree.target(node) if stat.S_ISLNK(node.mode) else None,
    }


def _in_child(text: str, work: Callable[[Tree], dict[str, Any]]) -> dict[str, Any]:
    """Do `work` on what `text` names; it may print."""
    found = source.find(text)

    def child() -> dict[str, Any]:
        with Tree(found.image, found.layer, patience=PATIENCE) as tree:
            try:
                done = work(tree)
            except BrokenPipeError:
                raise
            except PermissionError as e:
                raise VmError(f"{text}: permission denied", tip="its files may belong to root") from e
            except OSError as e:
                tip = "a guest may change its layer while it is read: try again"
                raise VmError(f"{text} cannot be read: {e.strerror}", tip=tip) from e
        sys.stdout.flush()
        return done

    sys.stdout.flush()
    return isolate.run(child, name=str(found.image), timeout=None)


def ls(text: str, paths: Sequence[str], *, long: bool, recursive: bool, as_json: bool) -> None:
    """Print what is at each path."""

    def work(tree: Tree) -> dict[str, Any]:
        nodes = [n for path in paths or ("",) for n in _walk(tree, tree.find(path), recursive=recursive)]
        if as_json:
            print(json.dumps({"version": 1, "files": [_record(tree, n) for n in nodes]}, indent=2))
            return {}
        for line in _lines(tree, nodes) if long else (_printable(n.path) for n in nodes):
            print(line)
        return {}

    _in_child(text, work)


def cat(text: str, paths: Sequence[str]) -> None:
    """Write files to stdout, one after the other."""

    def work(tree: Tree) -> dict[str, Any]:
        for path in paths:
            node = tree.find(path)
            if not stat.S_ISREG(node.mode):
                raise UsageError(f"/{node.path} is not a file")
            offset = 0
            with closing(tree.open(node)) as file:
                while offset < node.size and (piece := file.read(offset, _PIECE)):
                    sys.stdout.buffer.write(piece)
                    offset += len(piece)
            sys.stdout.buffer.flush()
        return {}

    _in_child(text, work)


def drift(text: str, *, as_json: bool) -> None:
    """Print what the writable layer of a VM adds to, changes in and deletes from its image."""
    found = source.find(text)
    if found.layer is None:
        raise UsageError(
            f"{text} has no writable layer on this machine",
            tip="a VM has one if its folder `fs` is shared with it; a data disk is the guest's own",
        )

    def work(tree: Tree) -> dict[str, Any]:
        changes = list(drifting.changes(tree))
        if as_json:
            lists = {kind.value: [c.path for c in changes if c.kind is kind] for kind in drifting.Kind}
            print(json.dumps({"version": 1, "image": str(found.image), "layer": str(found.layer), **lists}, indent=2))
            return {}
        for change in changes:
            print(f"{change.kind.value:8}/{_printable(change.path)}")
        return {}

    _in_child(text, work)
