# SPDX-License-Identifier: MIT
"""The modes that change, or tell about, the system that runs here."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path

from genpack_install import download, image, machine, process, signature, update
from genpack_install.errors import UsageError
from genpack_install.log import Log
from genpack_install.log import size as human
from genpack_install.model import Talk
from genpack_install.update import Change

NO_WAY_BACK = (
    "the new image can't say that it is good (it has no genpack-install): if it fails, nothing comes back by itself"
)


def run_update(given: str, key: Path | None, talk: Talk, log: Log) -> None:
    """Update to an image file or URL: checked first, then shown, then done."""
    running = machine.find(writable=True)
    keys = signature.keys(key)
    process.require(("unsquashfs", *(("gpg",) if keys else ())))
    with ExitStack() as stack:
        if download.is_url(given):
            path, signed = stack.enter_context(download.fetched(given, log, signed=bool(keys)))
        else:
            path = Path(given)
            signed = None
        if keys:
            fingerprint = signature.check(path, signed or signature.beside(path), keys, log)
            log.line(f"Signed   by the key {fingerprint}")
        found = image.check(path, log)
        change = update.plan_update(running, found)
        title = f"Image    {found.title}, {human(found.size)}, {found.compressor}: {given}"
        notes = [] if image.GOOD_UNIT in found.names else [NO_WAY_BACK]
        back = "" if notes else " If it does not come up, this one comes back by itself."
        _do(change, "update", title, notes, f"Done: the next start is with the new image.{back}", talk, log)


def run_rollback(talk: Talk, log: Log) -> None:
    """Back to the previous image."""
    change = update.plan_rollback(machine.find(writable=True))
    done = "Done: the next start is with the previous image."
    _do(change, "rollback", "Back to the previous image", [], done, talk, log)


def run_mark_good(talk: Talk, log: Log) -> None:
    """The image that runs is good. Never asks: a unit runs it."""
    running = machine.find(writable=False)
    change = update.plan_mark_good(running)
    if not talk.dry_run:
        update.execute(change, log)
    log.line(f"genpack-install: {update.status(running)['state']}")


def run_status(talk: Talk) -> None:
    """What is machine and what runs, on stdout."""
    found = update.status(machine.find(writable=False))
    if talk.json:
        print(json.dumps(found))
        return
    print(f"State    {found['state']}")
    images = found["images"]
    assert isinstance(images, list)
    for one in images:
        mark = ", runs now" if one["running"] else ""
        print(f"Image    {one['name']}: {one['title'] or 'unknown'}, {human(one['size'])}{mark}")
    if found["update"]:
        print("Update   was cut off: the next start, or update, puts it in order")


def run_verify(talk: Talk) -> None:
    """Compares the current image with its recorded SHA-256."""
    path = update.verify(machine.find(writable=False))
    print(json.dumps({"good": str(path)}) if talk.json else f"{path} is whole")


def _do(change: Change, mode: str, title: str, notes: list[str], done: str, talk: Talk, log: Log) -> None:
    if talk.json:
        print(json.dumps({"mode": mode, "steps": change.lines(), "notes": notes}), flush=True)
    else:
        log.line(title)
        for number, line in enumerate(change.lines(), 1):
            log.line(f"{number:>2}. {line}")
        for note in notes:
            log.warning(note)
    if talk.dry_run:
        return
    if not talk.yes:
        if not sys.stdin.isatty():
            raise UsageError("nobody can be asked whether to go on: standard input is no terminal", tip="give -y")
        log.line("Type yes to go on:")
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise UsageError("not confirmed; nothing was written")
    update.execute(change, log)
    log.line(done)
