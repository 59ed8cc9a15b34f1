# SPDX-License-Identifier: MIT
"""Run directories: where running VMs are found. Every file name in them is defined here.

ROOT is /run/vm for root, $XDG_RUNTIME_DIR/vm for others, or $VM_RUN_ROOT. ROOT/NAME belongs to one VM: its `vm`
process and its QEMU share an exclusive flock of that folder, so the lock lasts exactly as long as either of them.
Taking a name, looking at a VM and cleaning up happen under ROOT/.lock, a few milliseconds each.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from genpack_vm.errors import VmError
from genpack_vm.identity import is_name

_LOCK_TIMEOUT = 10.0  # seconds
_SOCKET_PATH_LIMIT = 107  # bytes: sun_path of struct sockaddr_un less its final zero


@dataclass(frozen=True)
class Files:
    """The files of one VM."""

    folder: Path

    @property
    def pid(self) -> Path:
        """QEMU's process id."""
        return self.folder / "qemu.pid"

    @property
    def qmp(self) -> Path:
        """QMP socket."""
        return self.folder / "qmp.sock"

    @property
    def monitor(self) -> Path:
        """Human monitor socket."""
        return self.folder / "monitor.sock"

    @property
    def serial(self) -> Path:
        """QEMU's socket of the serial port; the VM's `vm` process is its one client."""
        return self.folder / "serial.sock"

    @property
    def console(self) -> Path:
        """The serial console, for any number of clients (module `hub`)."""
        return self.folder / "console.sock"

    @property
    def virtiofs(self) -> Path:
        """Where virtiofsd waits for QEMU."""
        return self.folder / "virtiofs.sock"

    @property
    def virtiofs_log(self) -> Path:
        """What virtiofsd says."""
        return self.folder / "virtiofs.log"

    @property
    def qga(self) -> Path:
        """Guest agent socket."""
        return self.folder / "qga.sock"

    @property
    def efi_variables(self) -> Path:
        """The UEFI firmware's variables: a copy of this VM's own."""
        return self.folder / "efivars.fd"

    @property
    def qga_lock(self) -> Path:
        """Who talks to the guest agent holds its flock."""
        return self.folder / "qga.lock"

    @property
    def info(self) -> Path:
        """What is known of the VM (module `info`)."""
        return self.folder / "vm.json"

    @property
    def qemu_log(self) -> Path:
        """What QEMU says."""
        return self.folder / "qemu.log"

    @property
    def owner_log(self) -> Path:
        """What the `vm` process of a detached VM says."""
        return self.folder / "vm.log"

    @property
    def console_log(self) -> Path:
        """Console of a detached VM without --console-log."""
        return self.folder / "console.log"

    @property
    def known_hosts(self) -> Path:
        """The VM's SSH host keys."""
        return self.folder / "known_hosts"


def root(environment: Mapping[str, str]) -> Path:
    """The folder of all run directories of this user."""
    if chosen := environment.get("VM_RUN_ROOT"):
        return Path(chosen).absolute()
    if os.geteuid() == 0:
        return Path("/run/vm")
    runtime = environment.get("XDG_RUNTIME_DIR")
    if not runtime:
        raise VmError("XDG_RUNTIME_DIR is not set", tip="set VM_RUN_ROOT to a folder of yours")
    return Path(runtime) / "vm"


@contextlib.contextmanager
def _guard(top: Path) -> Iterator[None]:
    """Hold ROOT/.lock; ROOT is made if it is missing."""
    try:
        top.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(top / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as e:
        raise VmError(f"cannot use the run directory {top}: {e.strerror}") from e
    try:
        end = time.monotonic() + _LOCK_TIMEOUT
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise VmError(f"another vm process has held {top}/.lock for {_LOCK_TIMEOUT:g} s") from None
                time.sleep(0.01)
        yield
    finally:
        os.close(fd)


def check(top: Path) -> None:
    """VmError when VMs can have no run directories there."""
    with _guard(top):
        pass


def _locked_by_vm(folder: Path) -> bool:
    """True when a living VM holds the folder. Call it under the guard."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


class Claim:
    """A name that is ours: its folder exists, is empty, and is locked through `fd` until it is released."""

    def __init__(self, files: Files, fd: int) -> None:
        self.files = files
        self.fd = fd

    def release(self) -> None:
        """Remove the folder and give up the lock."""
        with _guard(self.files.folder.parent):
            shutil.rmtree(self.files.folder, ignore_errors=True)
            os.close(self.fd)

    def hand_over(self) -> None:
        """Close this process's descriptor only: the child that inherited it holds the lock now."""
        os.close(self.fd)


def claim(top: Path, name: str) -> Claim | None:
    """Take the name `name`; what a dead VM left under it is removed. None when it is a running VM's."""
    files = Files(top / name)
    if len(os.fsencode(files.virtiofs)) > _SOCKET_PATH_LIMIT:
        raise VmError(
            f"the path {files.virtiofs} is too long for a socket ({_SOCKET_PATH_LIMIT} bytes)",
            tip="choose a shorter --name, or set VM_RUN_ROOT to a shorter path",
        )
    with _guard(top):
        try:
            if files.folder.exists():
                if _locked_by_vm(files.folder):
                    return None
                shutil.rmtree(files.folder)
            files.folder.mkdir(mode=0o700)
            fd = os.open(files.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as e:
            raise VmError(f"cannot use the run directory {files.folder}: {e.strerror}") from e
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return Claim(files, fd)


def is_alive(top: Path, name: str) -> bool:
    """True while the VM holds its folder. Nothing is cleaned up."""
    folder = top / name
    if not folder.is_dir():
        return False
    with _guard(top):
        try:
            return _locked_by_vm(folder)
        except OSError:
            return False


def living(top: Path) -> list[str]:
    """Sorted names of the VMs that live; what dead ones left is removed."""
    if not top.is_dir():
        return []
    names = []
    with _guard(top):
        for folder in sorted(top.iterdir()):
            if not is_name(folder.name) or not folder.is_dir():
                continue
            try:
                if _locked_by_vm(folder):
                    names.append(folder.name)
                else:
                    shutil.rmtree(folder, ignore_errors=True)
            except OSError:
                names.append(folder.name)  # unreadable: shown as broken
    return names


def write(path: Path, text: str) -> None:
    """Replace a file of a run directory in one step."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as e:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise VmError(f"cannot write {path}: {e.strerror}") from e


def root_of_user() -> Path:
    """`root` for the environment of this process."""
    return root(os.environ)
