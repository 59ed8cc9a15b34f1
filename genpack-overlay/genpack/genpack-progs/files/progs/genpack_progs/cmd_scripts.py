# SPDX-License-Identifier: MIT
"""genpack-exec-package-scripts: write /.genpack and run the scripts of the image's packages."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from . import metadata, scripts
from .installed import open_closure
from .log import say

PROG = "genpack-exec-package-scripts"


def command(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog=PROG, description="Write /.genpack/* and run the scripts of the image's packages, each after those of the "
        "packages it needs.", epilog="Environment: ARTIFACT, PROFILE, GENPACK_ARCH, and VARIANT if there is one.")
    parser.add_argument("--devel", action="store_true", help="with the packages of @genpack-devel")
    args = parser.parse_args(argv)
    db, closure = open_closure(devel=args.devel)
    text = metadata.packages_text((db.package(cpv) for cpv in closure.packages), closure.needed_by)
    metadata.write(Path("/"), os.environ, text)
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    count = scripts.execute(list(scripts.find(scripts.FOLDER, closure.packages)), environment)
    say(f"{count} package scripts")
