# SPDX-License-Identifier: MIT
"""genpack-copyup: bring every file of the image's packages into the upper layer."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from . import below, copyup
from .closure import Closure
from .filters import belongs
from .installed import open_closure
from .log import say
from .tree import Tree, make_fundamentals
from .vardb import VarDb, use_root

PROG = "genpack-copyup"
INTERVAL = 0.1  # seconds between lines of progress


def command(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog=PROG, description="Copy the files of the image's packages, and the folders and device nodes every image "
        "has, into the upper layer of the root overlay.")
    parser.add_argument("--devel", action="store_true", help="with manuals, documentation, headers, static libraries")
    parser.add_argument("--root", type=Path, default=Path("/"), metavar="DIR", help="work on the tree at DIR, not at /")
    args = parser.parse_args(argv)
    if args.root != Path("/"):
        use_root(args.root)
    db, closure = open_closure(devel=args.devel)
    with _view(args.root) as folder:
        tree = Tree(folder)
        paths = [*make_fundamentals(tree), *owned(tree, db, closure, devel=args.devel)]
        work = copyup.plan(tree, paths)
        copyup.execute(tree, work, Progress(work.total).report)
    print(json.dumps({"packages": len(closure.packages), "files": work.total, "bytes": work.bytes}), flush=True)
    say(f"{work.total} files of {len(closure.packages)} packages, {work.bytes / 1e6:.1f} MB")


def owned(tree: Tree, db: VarDb, closure: Closure, *, devel: bool) -> Iterator[str]:
    """Paths that the closure's packages own and an image wants, parents resolved, with the links that lead there."""
    for cpv in closure.packages:
        yield from wanted_of(tree, db.contents(cpv), devel=devel)


def wanted_of(tree: Tree, contents: Iterable[str], *, devel: bool) -> Iterator[str]:
    """Of the paths that a package recorded, those that an image wants."""
    for recorded in contents:
        path, links = tree.resolve_parent(recorded)
        if belongs(path, devel=devel) and belongs(recorded, devel=devel):
            yield path
            yield from links


class Progress:
    """Lines {"done": N, "total": M} on stdout, not more often than people can see, and always the last."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._next = 0.0

    def report(self, done: int) -> None:
        now = time.monotonic()
        if done == self._total or now >= self._next:
            self._next = now + INTERVAL
            print(json.dumps({"done": done, "total": self._total}), flush=True)


def _view(root: Path) -> contextlib.AbstractContextManager[Path]:
    if root == Path("/") and os.geteuid() == 0:
        return below.mounts()
    return contextlib.nullcontext(root)
