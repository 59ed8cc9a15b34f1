# SPDX-License-Identifier: MIT
"""rebuild-kernel-modules-if-necessary: build packages of kernel modules again that have none for the present kernel."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from . import process
from .errors import ProgsError
from .log import say
from .vardb import VarDb

PROG = "rebuild-kernel-modules-if-necessary"
RELEASE = Path("usr/src/linux/include/config/kernel.release")
ECLASSES = {"linux-mod", "linux-mod-r1"}


def stale(db: VarDb, release: str) -> list[str]:
    """Installed packages of kernel modules, none of whose modules is for the kernel `release`."""
    places = (f"/lib/modules/{release}/", f"/usr/lib/modules/{release}/")
    return [cpv for cpv in db.installed()
            if db.inherited(cpv) & ECLASSES and not any(path.startswith(places) for path in db.contents(cpv))]


def command(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog=PROG, usage="%(prog)s [-h] [EMERGE-OPTION...]",
        description="Build the installed packages of kernel modules again that have none for the kernel whose sources "
        "are /usr/src/linux.")
    options = [word for word in argv if word.startswith("-") and word not in {"-h", "--help"}]
    parser.parse_args([word for word in argv if word not in options])
    try:
        release = (Path(os.environ.get("ROOT") or "/") / RELEASE).read_text().strip()
    except OSError as e:
        say(f"there is no /{RELEASE} ({e.strerror}): no modules can be built")
        return
    packages = stale(VarDb(), release)
    if not packages:
        say(f"no package lacks modules for Linux {release}")
        return
    say(f"to be built again for Linux {release}: {', '.join(packages)}")
    words = ["emerge", *options, "--oneshot", "--usepkg=n", *(f"={cpv}" for cpv in packages)]
    if status := process.run(words, env=dict(os.environ)):
        raise ProgsError(f"emerge of {', '.join(packages)} {process.explain(status)}")
