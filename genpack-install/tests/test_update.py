# SPDX-License-Identifier: MIT
"""Update, rollback and "good" on real folders, with the system's mounts as the initramfs leaves them."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from genpack_install import cli, grubenv, image, machine, selfupdate, store, sums, update
from genpack_install.errors import InstallError, UsageError
from genpack_install.generations import Env, Name, Step
from genpack_install.log import Log
from genpack_install.model import Talk
from genpack_install.store import Store

pytestmark = pytest.mark.spawns

C, CUR, NEW, OLD = Name.CURRENT, Name.CUR, Name.NEW, Name.OLD
SIZE = 300_000
FIND = machine.find


def squashfs(path: Path, *, good: bool = True, compressor: str = "gzip", size: int = SIZE) -> Path:
    """An image with a kernel and, if `good`, the unit that says that a boot was good."""
    tree = path.with_suffix(".tree")
    for name in (".genpack/artifact", "boot/kernel", "boot/initramfs", *([image.GOOD_UNIT] if good else [])):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(path.stem)
    (tree / "filler").write_bytes(os.urandom(size))
    argv = ["mksquashfs", tree, path, "-quiet", "-no-progress", "-comp", compressor]
    subprocess.run(list(map(str, argv)), check=True, capture_output=True)
    return path


@dataclass
class System:
    """A running system: `run` is its /run/initramfs."""

    root: Path
    folder: Path

    @property
    def run(self) -> Path:
        return self.root / "run"

    def runs(self, name: str, *, options: str = "rw") -> None:
        """The image of this name is mounted."""
        backing = self.root / "sys/block/loop0/loop/backing_file"
        backing.parent.mkdir(parents=True, exist_ok=True)
        backing.write_text(f"{self.folder / name}\n")
        places = "".join(
            f"{number} 1 0:{number} / {self.run}/{place} {options} - {kind} {source} {options}\n"
            for number, (place, kind, source) in enumerate(
                [("boot", "vfat", "/dev/sda1"), ("rw", "btrfs", "/dev/sda2"), ("ro", "squashfs", "/dev/loop0")]
            )
        )
        (self.root / "mountinfo").write_text(places)

    def find(self, *, writable: bool = True) -> machine.Running:
        return FIND(writable=writable, run=self.run, mountinfo=self.root / "mountinfo", sys=self.root / "sys")

    @property
    def store(self) -> Store:
        return Store(self.folder, self.run / "boot")

    def images(self) -> dict[str, bytes]:
        """Names that hold something."""
        paths = [self.store.path(name) for name in Name]
        return {path.name: path.read_bytes() for path in paths if path.exists() and path.stat().st_size}

    @property
    def env(self) -> Env:
        return grubenv.env(grubenv.read(self.run / "boot"))


@pytest.fixture(params=["boot", "rw"])
def system(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    """It has run the first image since it was machine; the images lie on FAT or on the data partition."""
    made = System(tmp_path / "system", tmp_path / "system/run" / request.param)
    for name in ("boot", "rw", "ro"):
        (made.run / name).mkdir(parents=True)
    (made.run / "boot/grubenv").write_bytes(grubenv.block({"kept": "by others"}))
    current = made.store.path(C)
    squashfs(tmp_path / "first.squashfs").rename(current)
    data = current.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    sums.add(made.folder, sums.Sum(digest, len(data), image.fingerprint(current).hex(), "first"))
    made.runs(current.name)
    monkeypatch.setattr(machine, "find", lambda *, writable: made.find(writable=writable))
    monkeypatch.setattr(selfupdate.signature, "FOLDER", tmp_path / "keys")
    return made


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return squashfs(tmp_path / "new.squashfs")


def plan(system: System, path: Path) -> update.Change:
    return update.plan_update(system.find(), image.check(path, Log()))


def test_update_mark_good_and_back(system: System, new: Path) -> None:
    current = system.store.path(C).name
    first, second = system.images()[current], new.read_bytes()
    update.execute(plan(system, new), Log())
    assert system.images() == {current: second, "system.cur": first}
    assert system.env == Env(3, None)
    assert grubenv.read(system.run / "boot") == {"kept": "by others", "tries": "3"}
    system.runs("system.cur")
    assert update.status(system.find())["state"] == "updated: the next start is with the new image"

    # The initramfs of the next boot.
    system.store.path(CUR).rename(system.store.path(OLD))
    grubenv.write(system.run / "boot", Env(2))
    system.runs(current)
    assert update.status(system.find())["state"] == "on trial: not known to be good yet, 2 more tries"
    update.execute(update.plan_mark_good(system.find()), Log())
    assert system.env == Env()
    assert update.status(system.find())["state"] == "good"
    assert update.verify(system.find()) == system.store.path(C)

    update.execute(update.plan_rollback(system.find()), Log())
    assert system.images() == {current: first, "system.old": second}
    assert system.env == Env(3)


def test_without_exchange_of_names(system: System, new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update, "can_exchange", lambda: False)
    current = system.store.path(C).name
    first, second = system.images()[current], new.read_bytes()
    update.execute(plan(system, new), Log())
    assert system.images() == {current: second, "system.cur": first}


@pytest.mark.parametrize(("release", "can"), [("6.0.0", True), ("5.19.9-x", False), ("6.1", True), ("x", False)])
def test_which_kernels_exchange(monkeypatch: pytest.MonkeyPatch, release: str, can: bool) -> None:
    monkeypatch.setattr(store.platform, "release", lambda: release)
    assert store.can_exchange() is can


def test_second_update_before_the_restart_keeps_what_runs(system: System, new: Path, tmp_path: Path) -> None:
    current = system.store.path(C).name
    first = system.images()[current]
    update.execute(plan(system, new), Log())
    system.runs("system.cur")
    third = squashfs(tmp_path / "third.squashfs")
    update.execute(plan(system, third), Log())
    assert system.images() == {current: third.read_bytes(), "system.cur": first}
    update.execute(update.plan_rollback(system.find()), Log())
    assert system.images() == {current: first} and system.env == Env()


def test_update_after_a_rollback_by_itself(system: System, new: Path, tmp_path: Path) -> None:
    current = system.store.path(C).name
    first = system.images()[current]
    update.execute(plan(system, new), Log())
    system.store.path(CUR).rename(system.store.path(OLD))
    grubenv.write(system.run / "boot", Env(0))
    system.runs("system.old")
    assert str(update.status(system.find())["state"]).startswith("rolled back: the current image was started and never")
    assert update.plan_mark_good(system.find()).steps == ()
    third = squashfs(tmp_path / "third.squashfs")
    update.execute(plan(system, third), Log())
    assert system.images() == {current: third.read_bytes(), "system.cur": first}
    assert system.env == Env(3)


def test_what_a_cut_exchange_left_is_settled(system: System, new: Path) -> None:
    """After the exchange system.new is the old image, before it the new one: its id says which."""
    current = system.store.path(C).name
    first = system.images()[current]
    grubenv.write(system.run / "boot", Env(2, hashlib.sha256(first).hexdigest()[:32]))
    system.store.path(NEW).write_bytes(b"old")
    update.execute(update.plan_mark_good(system.find()), Log())
    assert system.images() == {current: first, "system.old": b"old"} and system.env == Env()
    grubenv.write(system.run / "boot", Env(2, "0" * 32))
    system.store.path(NEW).write_bytes(b"new")
    update.execute(update.plan_mark_good(system.find()), Log())
    assert system.images()["system.old"] == b"old" and system.env == Env()


def test_an_image_that_can_not_say_so_is_not_counted(system: System, tmp_path: Path) -> None:
    update.execute(plan(system, squashfs(tmp_path / "old-style.squashfs", good=False)), Log())
    assert system.env == Env()


@pytest.mark.parametrize("failing", ["no space", "read back", "interrupted"])
def test_a_failure_leaves_the_old_system(
    system: System, new: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    before = system.images()
    change = plan(system, new)
    if failing == "no space":

        def full(self: Store, source: object, size: int) -> str:
            with self.writing() as file:
                file.write(b"half")
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(Store, "copy", full)
        with pytest.raises(InstallError, match="No space left on device"):
            update.execute(change, Log())
    elif failing == "read back":
        monkeypatch.setattr(Store, "digest", lambda *a, **k: "0" * 64)
        with pytest.raises(InstallError, match="does not read back as it was written"):
            update.execute(change, Log())
    else:

        def stopped(step: Step) -> None:
            if str(step).startswith("write"):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            update.execute(change, Log(), stopped)
    assert system.images() == before and system.env == Env()


def test_a_failure_before_the_new_image_keeps_what_a_cut_has_left(
    system: System, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a cut exchange system.new is the image before."""
    current = system.store.path(C)
    grubenv.write(system.run / "boot", Env(2, hashlib.sha256(current.read_bytes()).hexdigest()[:32]))
    system.store.path(NEW).write_bytes(b"before")
    change = plan(system, new)

    def refuse(self: Store, step: Step) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Store, "change", refuse)
    with pytest.raises(InstallError, match="Input/output error"):
        update.execute(change, Log())
    assert system.images()["system.new"] == b"before"


def test_a_signal_waits_while_names_change(system: System, new: Path) -> None:
    seen: list[str] = []
    # A shell starts what it does not wait for with SIGINT ignored, and Python leaves it so.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt(step: Step) -> None:
        seen.append(str(step))
        if str(step).startswith("exchange"):
            os.kill(os.getpid(), signal.SIGINT)

    try:
        with pytest.raises(KeyboardInterrupt):
            update.execute(plan(system, new), Log(), interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen[-1].startswith("boot loader's environment: tries 3, update under way: no")
    assert system.images()[system.store.path(C).name] == new.read_bytes()


def test_no_room(system: System, new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system.store.path(OLD).write_bytes(bytes(2 * SIZE))
    monkeypatch.setattr(update, "_free", lambda store: update.SPARE)
    assert "remove system.old" in plan(system, new).lines()  # only if the space is needed
    monkeypatch.setattr(update, "_free", lambda store: update.SPARE + 2 * SIZE)
    assert "remove system.old" not in plan(system, new).lines()
    monkeypatch.setattr(update, "_free", lambda store: 0)
    system.store.path(OLD).write_bytes(b"")
    with pytest.raises(InstallError, match="has no room for the image"):
        plan(system, new)


def test_refusals_write_nothing(system: System, new: Path, tmp_path: Path) -> None:
    before = sorted(path.name for path in system.folder.iterdir())
    with pytest.raises(UsageError, match="zstd"):
        plan(system, squashfs(tmp_path / "zstd.squashfs", compressor="zstd"))
    with pytest.raises(UsageError, match="is an image of this system"):
        plan(system, system.store.path(C))
    with pytest.raises(UsageError, match="no previous image"):
        update.plan_rollback(system.find())
    (system.run / "boot/grubenv").unlink()
    with pytest.raises(InstallError, match="not started by GRUB"):
        plan(system, new)
    system.runs(system.store.path(C).name, options="ro")
    with pytest.raises(InstallError, match="mounted read-only"):
        system.find()
    (system.root / "mountinfo").write_text("")
    with pytest.raises(InstallError, match="does not run from an image file"):
        system.find()
    assert sorted(path.name for path in system.folder.iterdir()) == [name for name in before if name != "grubenv"]


def test_verify_finds_a_flipped_byte(system: System) -> None:
    path = system.store.path(C)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(InstallError, match="is damaged"):
        update.verify(system.find())
    (system.folder / sums.NAME).unlink()
    with pytest.raises(InstallError, match="nothing to compare"):
        update.verify(system.find())


def test_sums_keep_the_youngest(tmp_path: Path) -> None:
    for number in range(9):
        sums.add(tmp_path, sums.Sum(f"{number:064x}", number, "ab", f"image {number}"))
    assert [one.size for one in sums.read(tmp_path)] == [4, 5, 6, 7, 8]
    assert sums.parse("x\n\n" + "0" * 64 + " y\n") == []


def test_the_command(system: System, new: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = system.images()
    assert cli.execute([str(new), "--dry-run", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["mode"] == "update" and any("write the image as system.new" in step for step in shown["steps"])
    assert system.images() == before
    assert cli.execute([str(new)]) == 2  # nobody to ask
    assert "standard input is no terminal" in capsys.readouterr().err and system.images() == before
    assert cli.execute([str(new), "-y"]) == 0
    assert "the next start is with the new image" in capsys.readouterr().err
    system.runs("system.cur")
    assert cli.execute(["--status", "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert [one["running"] for one in status["images"]] == [False, True] and status["tries"] == 3
    assert cli.execute(["--verify"]) == 0 and cli.execute(["--status"]) == 0
    out = capsys.readouterr().out
    assert "is whole" in out and "State    updated" in out and "system.cur: first" in out
    assert cli.execute(["--mark-good"]) == 0 and system.env.tries == 3
    assert cli.execute(["--rollback", "-y"]) == 0 and system.images() == before
    for words in (["--rollback", "--status"], ["--status", str(new)], ["--rollback", "--key", str(new)]):
        assert cli.execute(words) == 2
    assert cli.execute(["gone.squashfs", "-y"]) == 2
    assert "cannot read the image" in capsys.readouterr().err


def test_good_where_the_images_are_read_only(system: System) -> None:
    """Transient, with the image on the data partition: only grubenv is written."""
    grubenv.write(system.run / "boot", Env(2))
    system.runs(system.store.path(C).name, options="ro")
    selfupdate.run_mark_good(Talk(), Log())
    assert system.env == Env()
    assert not system.store.path(CUR).exists()


def test_talk_is_not_asked_by_the_unit(system: System, new: Path) -> None:
    update.execute(plan(system, new), Log())
    system.store.path(CUR).rename(system.store.path(OLD))
    selfupdate.run_mark_good(Talk(), Log())
    assert system.env == Env()
