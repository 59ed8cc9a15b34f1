# SPDX-License-Identifier: MIT
"""recursive-touch: copy files up, each with what it can't do without."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from .copyup import touch
from .recursive import Gather
from .tree import Tree

PROG = "recursive-touch"


def command(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog=PROG, description="Copy up each PATH with its libraries, its interpreter and the targets of links; of a "
        "folder everything in it. In the image's upper layer, that is.")
    parser.add_argument("paths", nargs="+", metavar="PATH")
    gather = Gather(Tree(Path("/")))
    for path in parser.parse_args(argv).paths:
        gather.add(os.path.abspath(path))
    for path, status in sorted(gather.paths.items()):
        touch(path, status)
