# SPDX-License-Identifier: MIT
"""require-installed: fail unless packages are installed."""

from __future__ import annotations

import argparse

from .errors import ProgsError
from .vardb import VarDb, checked_atom

PROG = "require-installed"


def command(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog=PROG, description="Fail unless an installed package matches each ATOM. For build scripts that need a "
        "package the definition is to name.")
    parser.add_argument("atoms", nargs="+", metavar="ATOM", help="such as app-misc/jq or >=dev-lang/php-8.3[fpm]")
    args = parser.parse_args(argv)
    db = VarDb()
    atoms = [checked_atom(text) for text in args.atoms]
    missing = [atom for atom in dict.fromkeys(atoms) if db.find(atom) is None]
    if missing:
        raise ProgsError(f"not installed: {', '.join(missing)}",
                         tip="name it in the definition: packages, or buildtime_packages if only the build needs it")
