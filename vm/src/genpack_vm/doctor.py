# SPDX-License-Identifier: MIT
"""`vm doctor`: what this machine offers for VMs, and what each missing piece disables."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from genpack_vm import accel, firmware, host, process, rundir, squashfs_lib
from genpack_vm.arch import Arch, host_arch
from genpack_vm.errors import VmError

#: Helpers of QEMU are not in PATH.
HELPERS = ("/usr/libexec", "/usr/lib/qemu", "/usr/libexec/qemu", "/usr/lib")


@dataclass(frozen=True)
class Finding:
    """A piece: there or not; `detail`: where it is, or what does not work without it. `needed`: nothing runs then."""

    piece: str
    found: bool
    detail: str
    needed: bool = False


def helper(name: str) -> Path | None:
    """A program of QEMU's: in PATH, or where distributions put it."""
    in_path = shutil.which(name)
    places = [Path(in_path)] if in_path else [Path(folder) / name for folder in HELPERS]
    return next((place for place in places if os.access(place, os.X_OK) and place.is_file()), None)


def _program(name: str, without: str, *, needed: bool = False) -> Finding:
    where = shutil.which(name)
    if where:
        return Finding(name, True, where, needed)
    debian, gentoo = process.PACKAGES.get(name, (name, name))
    return Finding(name, False, f"{without} (Debian: {debian}, Gentoo: {gentoo})", needed)


def _qemus() -> Iterator[Finding]:
    for arch in Arch:
        needed = arch is host_arch()
        finding = _program(arch.qemu, f"{arch.value} images do not run", needed=needed)
        if finding.found:
            try:
                said = process.capture([arch.qemu, "--version"], purpose="tell its version", timeout=30)
                first = said.stdout.partition("\n")[0]
                if said.status != 0 or not first:
                    raise VmError(process.explain(said.status))
                finding = Finding(arch.qemu, True, first.removeprefix("QEMU emulator "), needed)
            except VmError as e:
                finding = Finding(arch.qemu, False, f"it does not start: {e}", needed)
        yield finding


def _kvm() -> Finding:
    arch = host_arch()
    if arch is None:
        return Finding("KVM", False, "this machine's architecture is unknown; guests are emulated")
    choice = accel.choose(arch, accel.look(), None)
    if choice.reason is None:
        return Finding("KVM", True, "guests of this machine's architecture run on its CPU")
    return Finding("KVM", False, f"not usable for ordinary guests: {choice.reason}; they are emulated (TCG), slowly")


def _firmware() -> Iterator[Finding]:
    places = firmware.folders(dict(os.environ), Path.home())
    for arch in Arch:
        if arch is not host_arch() and not shutil.which(arch.qemu):
            continue  # without its QEMU it says nothing
        piece = f"UEFI for {arch.value}"
        try:
            yield Finding(piece, True, str(firmware.find(arch, places).code))
        except VmError as e:
            yield Finding(piece, False, f"no --uefi-disk: {e}")


def _squashfuse() -> Finding:
    try:
        squashfs_lib.load_library()
    except VmError as e:
        return Finding("libsquashfuse", False, f"no image can be read: {e}", needed=True)
    return Finding("libsquashfuse", True, "images can be read", needed=True)


def _helper(name: str, without: str) -> Finding:
    where = helper(name)
    return Finding(name, where is not None, without if where is None else str(where))


def _bridge() -> Finding:
    found = _helper("qemu-bridge-helper", "no bridges as networks")
    if found.found and os.geteuid() != 0 and not Path(found.detail).stat().st_mode & stat.S_ISUID:
        return Finding(found.piece, False, f"{found.detail} is not setuid root: bridges are for root only")
    return found


def _run_directory() -> Finding:
    try:
        top = rundir.root_of_user()
        rundir.check(top)
    except VmError as e:
        return Finding("run directory", False, str(e), needed=True)
    return Finding("run directory", True, str(top), needed=True)


def examine() -> list[Finding]:
    """Everything, in the order in which it matters."""
    vsock = host.vsock_usable()
    without_vsock = "no /dev/vhost-vsock: VMs get no CID, no --sock-forward; vm ssh uses the forwarded port"
    return [
        *_qemus(),
        _kvm(),
        _squashfuse(),
        _run_directory(),
        *_firmware(),
        Finding("vhost-vsock", vsock, "/dev/vhost-vsock" if vsock else without_vsock),
        _helper("virtiofsd", "no folders of this machine in a VM (virtiofs)"),
        _bridge(),
        _program("ssh", "no vm ssh"),
        _program("scp", "no vm scp"),
        _program("qemu-img", "no states of .qcow2 disks (vm snapshot)"),
        _program("mkfs.btrfs", "no vm allocate --mkfs btrfs"),
    ]


def text(findings: list[Finding], *, as_json: bool) -> str:
    """What `vm doctor` prints."""
    if as_json:
        return json.dumps({"version": 1, "findings": [asdict(f) for f in findings]}, indent=2) + "\n"
    width = max(len(f.piece) for f in findings)
    return "".join(f"{'found' if f.found else 'missing':7}  {f.piece:{width}}  {f.detail}\n" for f in findings)


def doctor(*, as_json: bool) -> str:
    """The report; VmError, after it was printed, if a piece is missing without which nothing runs."""
    findings = examine()
    printed = text(findings, as_json=as_json)
    lacking = [f.piece for f in findings if f.needed and not f.found]
    if lacking:
        print(printed, end="")
        raise VmError(f"no VM runs here without {', '.join(lacking)}")
    return printed
