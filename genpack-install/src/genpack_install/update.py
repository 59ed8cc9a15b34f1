# SPDX-License-Identifier: MIT
"""Changes of the running system's image: update, rollback, "this image is good"; in the order of generations.py."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from genpack_install import generations, sums
from genpack_install.errors import ImageError, InstallError
from genpack_install.generations import Name, SetEnv, Step, Write
from genpack_install.image import GOOD_UNIT, Image, fingerprint
from genpack_install.layout import FAT_FILE_LIMIT
from genpack_install.log import Log
from genpack_install.log import size as human
from genpack_install.machine import Running
from genpack_install.store import Store, can_exchange

#: Left free on the file system, for boottime.txt and the like.
SPARE = 4 << 20
ID = 32  # hexadecimal digits of `new`
#: In a plan: the id of the image is only known when it was read.
PENDING = "pending"


@dataclass(frozen=True)
class Change:
    """A change of the images: `steps` in order, first what an update that was cut off has left."""

    running: Running
    steps: tuple[Step, ...]
    image: Image | None = None

    def lines(self) -> list[str]:
        """The steps for people."""
        return [str(step) for step in self.steps]


def _settled(running: Running) -> tuple[list[Step], generations.State]:
    state = running.store.state()
    exchanged = False
    if state.env.new and state.has(Name.NEW) and running.name is Name.CURRENT:
        exchanged = running.store.digest(Name.CURRENT).startswith(state.env.new)
    steps = generations.settle(state, running.name, exchanged=exchanged)
    for step in steps:
        state = generations.apply(state, step, "")
    return steps, state


def _free(store: Store) -> int:
    room = os.statvfs(store.folder)
    return room.f_bavail * room.f_frsize


def plan_update(running: Running, image: Image) -> Change:
    """The change to another image. UsageError, InstallError if it can't be: nothing was written."""
    store = running.store
    on_fat = store.folder == store.boot
    if image.raspberry_pi or not (store.boot / "grubenv").exists():
        raise InstallError(
            "this machine is not started by GRUB: its image can't be changed safely while it runs",
            tip="write the new image with --disk in another machine",
        )
    image.grub_reads_it()
    if on_fat and image.path.stat().st_size > FAT_FILE_LIMIT:
        raise ImageError(
            f"{image.path} has {human(image.size)}: a FAT file system holds no file of 4 GiB or more",
            tip="install it anew with --disk: it goes to the data partition then",
        )
    if image.path in [store.path(name) for name in Name]:
        raise ImageError(f"{image.path} is an image of this system: give a copy of it")
    settled, state = _settled(running)
    size = image.path.stat().st_size
    room = _free(store) + store.size(Name.NEW) - size - SPARE
    drop_old = room < 0
    if room + (0 if running.name is Name.OLD else store.size(Name.OLD)) < 0:
        raise InstallError(
            f"{store.folder} has no room for the image: {human(-room)} are missing",
            tip="a larger boot partition holds two generations: install anew with --disk",
        )
    swap = can_exchange()
    counted = GOOD_UNIT in image.names
    steps = generations.update(state, running.name, PENDING, swap=swap, counted=counted, drop_old=drop_old)
    return Change(running, (*settled, *steps), image)


def plan_rollback(running: Running) -> Change:
    """The change back to the previous image."""
    settled, state = _settled(running)
    steps = generations.rollback(state, running.name, swap=can_exchange())
    return Change(running, (*settled, *steps))


def plan_mark_good(running: Running) -> Change:
    """The end of the counting; no steps if there is nothing to do."""
    if not running.writable:  # transient, with the image on the data partition: names wait for the next start
        return Change(running, tuple(generations.mark_good(running.store.state(), running.name)))
    settled, state = _settled(running)
    return Change(running, (*settled, *generations.mark_good(state, running.name)))


def execute(change: Change, log: Log, done: Callable[[Step], None] = lambda step: None) -> None:
    """Does the steps. An update that fails, or is interrupted, before names change leaves all as it was; after that no
    signal breaks it off. `done` is called after each step."""
    store, steps = change.running.store, list(change.steps)
    if not steps:
        return
    names_change = steps.index(Write()) + 1 if Write() in steps else 0
    begun, identifier = False, PENDING
    try:
        if change.running.writable:
            store.prepare()
        for step in steps[:names_change]:
            log.debug(str(step))
            if isinstance(step, Write):
                begun = True
                identifier = _write(change)[:ID]
            else:
                store.change(step)
            done(step)
    except BaseException as e:
        if begun:  # before that, system.new may be what another update has left
            _undo(store, log)
        raise _explained(e, store) from e
    with _uninterrupted():
        try:
            for step in steps[names_change:]:
                log.debug(str(step))
                if isinstance(step, SetEnv) and step.env.new == PENDING:
                    store.change(SetEnv(replace(step.env, new=identifier)))
                else:
                    store.change(step)
                done(step)
        except OSError as e:
            raise _explained(e, store) from e


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait until the block has ended."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _explained(error: BaseException, store: Store) -> BaseException:
    if not isinstance(error, OSError):
        return error
    return InstallError(f"{store.folder}: {error.strerror}", tip="the machine still starts; see --status")


def _write(change: Change) -> str:
    """The image to `system.new`; its SHA-256, which is that of what reads back from the disk."""
    image, store = change.image, change.running.store
    assert image is not None
    with image.path.open("rb", buffering=0) as source:
        size = os.fstat(source.fileno()).st_size
        digest = store.copy(source, size)
    if store.digest(Name.NEW, from_disk=True) != digest:
        raise InstallError(f"{store.path(Name.NEW)} does not read back as it was written: is the disk damaged?")
    sums.add(store.folder, sums.Sum(digest, size, image.fingerprint.hex(), image.title))
    return digest


def _undo(store: Store, log: Log) -> None:
    """An update that failed before names have changed: its image goes."""
    try:
        store.change(generations.Remove(Name.NEW))
    except OSError as e:
        log.warning(f"cannot empty {store.path(Name.NEW)}: {e.strerror}; the next start does it")


def status(running: Running) -> dict[str, object]:
    """What `--status` says, ready for JSON."""
    store = running.store
    env = store.state().env
    known = {known.fingerprint: known.title for known in sums.read(store.folder)}
    images: list[dict[str, object]] = []
    for name in Name:
        if size := store.size(name):
            images.append(
                {
                    "name": store.path(name).name,
                    "size": size,
                    "title": known.get(_fingerprint(store.path(name)), ""),
                    "running": name is running.name,
                }
            )
    return {
        "folder": str(store.folder),
        "images": images,
        "tries": env.tries,
        "update": env.new is not None,
        "state": _explain(running, env),
    }


def _fingerprint(path: Path) -> str:
    try:
        return fingerprint(path).hex()
    except ImageError:
        return ""


def _explain(running: Running, env: generations.Env) -> str:
    current = running.name is Name.CURRENT
    if env.tries is None:
        return "good" if current else "the previous image runs, as was chosen at the start"
    if current:
        return f"on trial: not known to be good yet, {env.tries} more tries"
    if env.tries == 0:
        return "rolled back: the current image was started and never found good, so the previous one runs"
    return "updated: the next start is with the new image"


def verify(running: Running) -> Path:
    """Compares the current image with what is recorded of it; its path. InstallError if they differ."""
    store = running.store
    path, known = store.path(Name.CURRENT), sums.read(store.folder)
    if not known:
        raise InstallError(f"{store.folder / sums.NAME} is not there: nothing to compare {path} with")
    digest = store.digest(Name.CURRENT, from_disk=True)
    if digest not in [one.digest for one in known]:
        raise InstallError(
            f"{path} is damaged: its SHA-256 {digest} is not one of {store.folder / sums.NAME}",
            tip="install an image again, or go back with --rollback",
        )
    return path
