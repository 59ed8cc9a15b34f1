# SPDX-License-Identifier: MIT
"""remove-binpkg: remove binary packages, in the folder and in its index."""

from __future__ import annotations

import argparse

from .bindb import BinDb
from .errors import ProgsError
from .log import say
from .vardb import checked_atom

PROG = "remove-binpkg"


def command(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog=PROG, description="Print the paths of the binary packages that match any ATOM; with --delete remove them "
        "and their entries in the index.")
    parser.add_argument("--pkgdir", metavar="DIR", help="folder of binary packages (default: Portage's PKGDIR)")
    parser.add_argument("--delete", action="store_true", help="remove them (without it they are only printed)")
    parser.add_argument("atoms", nargs="+", metavar="ATOM", help="such as app-misc/jq or =app-misc/jq-1.7*")
    args = parser.parse_args(argv)
    db = BinDb(args.pkgdir)
    atoms = [checked_atom(text) for text in args.atoms]
    found = {}
    for atom in atoms:
        matching = {package.path: package for package in db.match(atom)}
        if not matching:
            say(f"no binary package in {db.folder} matches {atom}")
        found.update(matching)
    if not found:
        raise ProgsError(f"nothing in {db.folder} to remove")
    for path, package in found.items():
        if args.delete:
            db.remove(package)
        print(path, flush=True)
    if not args.delete:
        say("nothing was removed: --delete does that")
