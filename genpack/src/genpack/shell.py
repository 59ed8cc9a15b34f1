# SPDX-License-Identifier: MIT
"""`genpack bash`: a shell, or one command, inside the lower layer."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from genpack import artifact, container, fetch, preflight, process, tree
from genpack.errors import GenpackError
from genpack.log import Log
from genpack.settings import Settings
from genpack.workdir import WorkDir

OWN_FAILURE = 125


def run(settings: Settings, log: Log, command: Sequence[str]) -> int:
    """Runs it; the command's exit status. Raises GenpackError if it could not be started."""
    definition = artifact.load(settings, log, None)
    preflight.root("enter the lower layer")
    preflight.programs(["systemd-nspawn", "setpriv", "mount"])
    preflight.emulation(settings.arch)
    work = WorkDir(settings.work_root, settings.arch.name, definition.variant)
    if not work.lower.is_dir():
        raise GenpackError(f"there is no lower layer in {work.top}", tip="make it with 'genpack lower'")
    with work.locked():
        container.own_mounts()
        mirrors = fetch.mirrors(settings.mirrors, settings.cache, log, offline=settings.offline)
        box = tree.for_tree(work.lower, settings, definition, work, mirrors, {})
        terminal = sys.stdin.isatty() and sys.stdout.isatty()
        # env: a command that is not there gives its status 127, not one of nspawn's own.
        words = ["env", f"TERM={os.environ.get('TERM', 'dumb')}", *(command or ["bash"])]
        argv = box.argv(words, console="interactive" if terminal else "pipe")
        log.debug(process.command_line(argv))
        status = process.attach(argv)
    if status < 0:
        raise GenpackError(f"systemd-nspawn {process.ended(status)}")
    return status
