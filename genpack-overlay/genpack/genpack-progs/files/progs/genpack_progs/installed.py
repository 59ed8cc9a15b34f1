# SPDX-License-Identifier: MIT
"""The closure of the installed image: which sets it starts from."""

from __future__ import annotations

from . import closure
from .closure import Closure
from .log import say
from .vardb import VarDb


def open_closure(*, devel: bool) -> tuple[VarDb, Closure]:
    """Open Portage's database and resolve @profile and @genpack-runtime, and @genpack-devel if `devel`."""
    db = VarDb()
    roots = {"@profile": db.set_atoms("profile"), "@genpack-runtime": db.set_atoms("genpack-runtime", required=False)}
    if devel:
        roots["@genpack-devel"] = db.set_atoms("genpack-devel", required=False)
    found = closure.resolve(db, roots)
    say(f"{len(found.packages)} packages in the image, left in the lower layer: {', '.join(found.ignored) or 'none'}")
    return db, found
