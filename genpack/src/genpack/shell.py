# SPDX-License-Identifier: MIT
"""`genpack bash` and `genpack upper-bash`: a shell, or one command, inside the lower layer or the merged upper view."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Sequence

from genpack import artifact, container, emulation, fetch, hashing, pack, planning, preflight, process, tree
from genpack.container import Container
from genpack.errors import GenpackError
from genpack.log import Log
from genpack.settings import Settings
from genpack.workdir import WorkDir

OWN_FAILURE = 125
#: State.by_hand while somebody is in the upper layer: what a killed genpack leaves counts as changed.
OPEN = "open"


def lower(settings: Settings, log: Log, command: Sequence[str]) -> int:
    """In the lower layer; the command's exit status. Raises GenpackError if it could not be started."""
    definition = artifact.load(settings, log, None)
    _possible(settings, "enter the lower layer", ["systemd-nspawn", "mount"])
    work = WorkDir(settings.work_root, settings.arch.name, definition.variant)
    if not work.lower.is_dir():
        raise GenpackError(f"there is no lower layer in {work.top}", tip="make it with 'genpack lower'")
    with work.locked():
        _require(settings, log, ("lower",))
        container.own_mounts()
        mirrors = fetch.mirrors(settings.mirrors, settings.cache, log, offline=settings.offline)
        return _attach(tree.for_tree(work.lower, settings, definition, work, mirrors, {}), log, command)


def upper(settings: Settings, log: Log, command: Sequence[str]) -> int:
    """In the upper layer on the lower one; what is changed stays in the upper layer, and the pack phase runs then."""
    definition = artifact.load(settings, log, None)
    _possible(settings, "enter the upper layer", ["systemd-nspawn", "mount", "umount", "rm"])
    work = WorkDir(settings.work_root, settings.arch.name, definition.variant)
    if not (work.lower.is_dir() and work.upper.is_dir()):
        raise GenpackError(f"there is no upper layer in {work.top}", tip="make it with 'genpack upper'")
    with work.locked():
        _require(settings, log, ("lower", "upper"))
        state = work.load()
        if state.upper is None or not state.upper.complete:
            log.note("the upper layer is not complete: its last run did not finish")
        container.own_mounts()
        mirrors = fetch.mirrors(settings.mirrors, settings.cache, log, offline=settings.offline)
        epoch = pack.epoch_of(work.lower / "var/db/repos/gentoo/metadata/timestamp.commit")
        environment = tree.upper_environment(definition, epoch)
        before, known = _fingerprint(work), state.by_hand
        state.by_hand = OPEN
        work.save(state)
        try:
            with container.overlay_again(work) as merged:
                box = tree.for_tree(merged, settings, definition, work, mirrors, environment)
                status = _attach(box, log, command, tmpfs=["/var/tmp"])
        finally:
            after = _fingerprint(work)
            state.by_hand = known if after == before else after
            work.save(state)
        if after != before:
            log.note("the upper layer was changed: 'genpack pack' packs it so; when upper runs again, it is lost")
    return status


def _possible(settings: Settings, purpose: str, programs: list[str]) -> None:
    preflight.root(purpose)
    preflight.programs(programs)
    emulation.require(settings.arch)


def _require(settings: Settings, log: Log, phases: Sequence[str]) -> None:
    """--only: the layers must be what the definition says."""
    if settings.only:
        planning.require(planning.foresee(settings, log, phases).decisions, phases)


def _attach(box: Container, log: Log, command: Sequence[str], tmpfs: Sequence[str] = ()) -> int:
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    # env: a command that is not there gives its status 127, not one of nspawn's own.
    words = ["env", f"TERM={os.environ.get('TERM', 'dumb')}", *(command or ["bash"])]
    argv = box.argv(words, console="interactive" if terminal else "pipe", tmpfs=tmpfs)
    log.debug(process.command_line(argv))
    status = process.attach(argv)
    if status < 0:
        raise GenpackError(f"systemd-nspawn {process.ended(status)}")
    return status


def _fingerprint(work: WorkDir) -> str:
    """Differs if anything in the upper layer was written, renamed, removed or given other permissions."""
    total = hashlib.sha256()
    for name, info in hashing.walk(work.upper):
        fields = (info.st_mode, info.st_uid, info.st_gid, info.st_size, info.st_ino, info.st_mtime_ns, info.st_ctime_ns)
        total.update(os.fsencode(name) + f"\0{fields}\0".encode())
    return total.hexdigest()
