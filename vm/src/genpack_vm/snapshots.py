# SPDX-License-Identifier: MIT
"""`vm snapshot`: states of a stopped VM's data disk.

A raw disk's states are files in FILE.snapshots/ that share their blocks with it (reflink: Btrfs, XFS); a qcow2 disk
keeps its own. Nothing is copied, whatever the disk's size.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from genpack_vm import allocate, info, process, rundir
from genpack_vm.errors import UsageError, VmError
from genpack_vm.identity import check_name, is_name

_FICLONE = 0x40049409  # linux/fs.h
_F_OFD_SETLK = 37  # linux/fcntl.h; QEMU's locks are of this kind
_SERVICES = Path("/var/vm")
_TIMEOUT = 600.0  # seconds for qemu-img


@dataclass(frozen=True)
class State:
    """A saved state; when it was saved (ISO 8601, UTC)."""

    name: str
    saved: str


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


class Qcow2:
    """States inside the image, by qemu-img, which refuses an image in use."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def _qemu_img(self, *words: str) -> str:
        argv = ["qemu-img", *words, str(self.path)]
        done = process.capture(argv, purpose="keep states of qcow2 disks", timeout=_TIMEOUT)
        if done.status != 0:
            said = done.stderr.strip().splitlines() or [process.explain(done.status)]
            tip = "stop the VM that uses it" if any("lock" in line for line in said) else None
            raise VmError(f"{self.path}: {said[0].removeprefix('qemu-img: ')}", tip=tip)
        return done.stdout

    def states(self) -> list[State]:
        """Oldest first."""
        found = json.loads(self._qemu_img("info", "--output=json")).get("snapshots", [])
        return [State(s["name"], _time(s["date-sec"])) for s in sorted(found, key=lambda s: s["date-sec"])]

    def save(self, name: str) -> None:
        """Keep what is in the disk now."""
        self._qemu_img("snapshot", "-c", name)

    def revert(self, name: str) -> None:
        """Go back to it."""
        self._qemu_img("snapshot", "-a", name)

    def delete(self, name: str) -> None:
        """Forget it."""
        self._qemu_img("snapshot", "-d", name)


class Raw:
    """States beside the file, sharing its blocks."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = path.with_name(f"{path.name}.snapshots")

    def states(self) -> list[State]:
        """Oldest first."""
        files = [p for p in self.folder.iterdir() if is_name(p.name)] if self.folder.is_dir() else []
        times = sorted((p.stat().st_mtime, p.name) for p in files)
        return [State(name, _time(seconds)) for seconds, name in times]

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The disk, while no QEMU has it or can take it."""
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as e:
            raise UsageError(f"cannot read and write {self.path}: {e.strerror}") from e
        try:
            fcntl.fcntl(fd, _F_OFD_SETLK, struct.pack("@hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
            yield fd
        except BlockingIOError as e:
            raise VmError(f"{self.path} is in use", tip="stop the VM that uses it") from e
        finally:
            os.close(fd)

    def _clone(self, source: int, target: Path, *, no_replace: bool) -> None:
        """Make `target` a file with the blocks of `source`, in one step."""
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        before = os.fstat(source)
        try:
            with temporary.open("xb") as file:
                if allocate.is_no_cow(source):
                    allocate.no_cow(file.fileno())  # Btrfs shares blocks between files of one kind only
                fcntl.ioctl(file.fileno(), _FICLONE, source)
                os.fchmod(file.fileno(), before.st_mode & 0o7777)
                if os.geteuid() == 0:
                    os.fchown(file.fileno(), before.st_uid, before.st_gid)
                os.fsync(file.fileno())
            if no_replace:
                os.link(temporary, target)
            else:
                temporary.replace(target)
        except OSError as e:
            if e.errno in (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.EXDEV, errno.ENOSYS):
                raise VmError(
                    f"the file system of {self.path} cannot share blocks between files (reflink)",
                    tip="Btrfs and XFS can; elsewhere use a data disk whose name ends in .qcow2",
                ) from e
            raise VmError(f"cannot make {target}: {e.strerror}") from e
        finally:
            temporary.unlink(missing_ok=True)

    def save(self, name: str) -> None:
        """Keep what is in the disk now."""
        new = not self.folder.exists()
        with self._locked() as source:
            try:
                self.folder.mkdir(exist_ok=True)
            except OSError as e:
                raise VmError(f"cannot make {self.folder}: {e.strerror}") from e
            try:
                self._clone(source, self.folder / name, no_replace=True)
            except VmError:
                if new:
                    self.folder.rmdir()
                raise

    def revert(self, name: str) -> None:
        """Go back to it."""
        with self._locked():
            try:
                source = os.open(self.folder / name, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as e:
                raise VmError(f"cannot read {self.folder / name}: {e.strerror}") from e
            try:
                self._clone(source, self.path, no_replace=False)
            finally:
                os.close(source)

    def delete(self, name: str) -> None:
        """Forget it."""
        try:
            (self.folder / name).unlink()
            if not any(self.folder.iterdir()):
                self.folder.rmdir()
        except OSError as e:
            raise VmError(f"cannot remove {self.folder / name}: {e.strerror}") from e


def disk_of(name: str, given: Path | None) -> Raw | Qcow2:
    """The data disk of a stopped VM: the one given, that of its last detached run, or that of its service."""
    top = rundir.root_of_user()
    if rundir.is_alive(top, check_name(name)):
        raise VmError(f"{name} is running", tip=f"stop it: vm stop -w {name}")
    service = _SERVICES / name / "data"
    path = given or info.ended_data_file(top, name) or (service if service.exists() else None)
    if path is None:
        raise UsageError(f"the data disk of {name} is not known", tip="name it: --data-file FILE")
    path = Path(os.path.realpath(path))
    if not path.is_file():
        raise UsageError(f"there is no disk file {path}")
    return Qcow2(path) if path.suffix == ".qcow2" else Raw(path)


def _known(disk: Raw | Qcow2, state: str) -> None:
    names = [s.name for s in disk.states()]
    if state not in names:
        have = f"there are {', '.join(names)}" if names else "there is none"
        raise UsageError(f"{disk.path} has no state {state}", tip=have)


def _state_name(text: str | None, action: str) -> str:
    if text is None:
        raise UsageError(f"{action} needs the name of a state")
    if not is_name(text):
        raise UsageError(f"{text!r} is no name for a state", tip="a name is 1-63 of A-Z a-z 0-9 . _ -")
    return text


def snapshot(name: str, action: str, state: str | None, given: Path | None, *, as_json: bool) -> str:
    """Do it; what goes to stdout."""
    if action == "list" and state is not None:
        raise UsageError("list takes no state")
    if action == "save":
        state = state or datetime.now().strftime("%Y%m%d-%H%M%S")
    if action != "list":
        state = _state_name(state, action)
    disk = disk_of(name, given)
    if action == "list":
        return _listed(disk, as_json=as_json)
    assert state is not None
    if action == "save":
        if state in [s.name for s in disk.states()]:
            raise UsageError(f"{disk.path} has a state {state} already", tip="choose another name, or delete it")
        disk.save(state)
        return f"{state}\n"
    _known(disk, state)
    if action == "revert":
        disk.revert(state)
    else:
        disk.delete(state)
    return ""


def _listed(disk: Raw | Qcow2, *, as_json: bool) -> str:
    states = disk.states()
    if as_json:
        document = {"version": 1, "disk": str(disk.path), "states": [asdict(s) for s in states]}
        return json.dumps(document, indent=2) + "\n"
    width = max((len(s.name) for s in states), default=0)
    return "".join(f"{s.name:{width}}  {s.saved}\n" for s in states)
