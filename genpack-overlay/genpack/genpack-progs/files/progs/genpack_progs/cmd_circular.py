# SPDX-License-Identifier: MIT
"""genpack-break-circular-dep: build known members of a circle of dependencies first, with restricted USE."""

from __future__ import annotations

import argparse
import os

from . import circular, process
from .errors import ProgsError
from .log import say

PROG = "genpack-break-circular-dep"


def command(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog=PROG, description="Resolve an emerge command; if Portage reports a circle of dependencies, build its "
        "members that are known with restricted USE first, until there is no circle left.")
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="emerge WORD...",
                        help="the command; each option and its value are one word (--jobs=2)")
    words = parser.parse_args(argv).words
    if not words or os.path.basename(words[0]) != "emerge":
        parser.error("an emerge command is expected")
    built: set[str] = set()
    while members := circular.members(_pretend(words)):
        use = {cpv: flags for cpv, flags in circular.known(members).items() if cpv not in built}
        if not use:
            raise ProgsError(f"Portage reports a circular dependency of {', '.join(members)}"
                             + (", still" if built else ", of which none is known"),
                             tip="name the ones to build first, and their USE, in the key circulardep_breaker")
        for cpv, flags in use.items():
            say(f"circular dependency: {cpv} is built with USE=\"{flags}\" first")
        with circular.configuration(use) as root:
            status = process.run(circular.first_command(words, list(use)),
                                 env={**os.environ, "PORTAGE_CONFIGROOT": str(root)})
        if status:
            raise ProgsError(f"emerge of {', '.join(use)} {process.explain(status)}")
        built |= set(use)
    if not built:
        say("Portage reports no circular dependency")


def _pretend(words: list[str]) -> str:
    """What emerge prints if it only resolves. Other failures are not this program's: emerge itself will tell them."""
    _, out, err = process.outputs([*words, "--pretend"], needed_to="resolve dependencies")
    return out + err
