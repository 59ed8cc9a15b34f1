# SPDX-License-Identifier: MIT
"""genpack-unmerge-masked-packages: remove installed packages that package.mask masks."""

from __future__ import annotations

import argparse
import os

from . import process
from .errors import ProgsError
from .log import say
from .vardb import VarDb

PROG = "genpack-unmerge-masked-packages"


def command(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog=PROG, usage="%(prog)s [-h] [EMERGE-OPTION...]",
        description="Unmerge the installed packages that package.mask, of the configuration or the profile, masks.")
    options = [word for word in argv if word.startswith("-") and word not in {"-h", "--help"}]
    parser.parse_args([word for word in argv if word not in options])
    db = VarDb()
    masked = db.masked()
    for cpv, atom in masked.items():
        say(f"{cpv} is masked by {atom}")
    if not masked:
        say("no installed package is masked")
        return
    words = ["emerge", *options, "--unmerge", *(f"={cpv}" for cpv in masked)]
    if status := process.run(words, env=dict(os.environ)):
        raise ProgsError(f"emerge --unmerge {process.explain(status)}")
    if left := sorted(masked.keys() & set(db.installed())):
        raise ProgsError(f"Portage does not unmerge {', '.join(left)}", tip="take it out of package.mask")
