# SPDX-License-Identifier: MIT
"""KVM or TCG: look at the host, then decide by a rule that needs no guest to be started."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from genpack_vm.arch import Arch, host_arch
from genpack_vm.errors import UsageError, VmError

KVM_GET_API_VERSION = 0xAE00  # _IO(KVMIO, 0x00), linux/kvm.h
KVM_API_VERSION = 12
#: Modules that provide /dev/kvm but run only guests that were modified for them: an ordinary guest hangs.
MODIFIED_GUESTS_ONLY = ("kvm_pvm",)


class Accel(Enum):
    """How QEMU runs the guest's code."""

    KVM = "kvm"
    TCG = "tcg"


@dataclass(frozen=True)
class KvmFacts:
    """What the host says about KVM. `problem` is None when /dev/kvm opens and speaks the right API."""

    host: Arch | None
    problem: str | None
    modules: tuple[str, ...]


@dataclass(frozen=True)
class Choice:
    """The accelerator, and why it is not KVM (None when KVM is used, or TCG was asked for)."""

    accel: Accel
    reason: str | None


def _device_problem(device: Path) -> str | None:
    import fcntl

    try:
        fd = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return f"there is no {device}"
    except OSError as e:
        return f"{device} cannot be opened: {e.strerror}"
    try:
        version = fcntl.ioctl(fd, KVM_GET_API_VERSION)
    except OSError as e:
        return f"{device} does not answer like KVM: {e.strerror}"
    finally:
        os.close(fd)
    if version != KVM_API_VERSION:
        return f"{device} speaks KVM API version {version}, not {KVM_API_VERSION}"
    return None


def look(device: Path = Path("/dev/kvm"), modules: Path = Path("/sys/module")) -> KvmFacts:
    """Ask the host."""
    names = tuple(sorted(p.name for p in modules.glob("kvm*"))) if modules.is_dir() else ()
    return KvmFacts(host_arch(), _device_problem(device), names)


def asked_for(option: bool | None, environment: str | None) -> Accel | None:
    """What the user wants: --kvm or --no-kvm, else VM_ACCEL; None for "whatever works"."""
    if option is not None:
        return Accel.KVM if option else Accel.TCG
    if not environment:
        return None
    try:
        return Accel(environment)
    except ValueError:
        raise UsageError(f"VM_ACCEL is {environment!r}", tip="it may be kvm or tcg") from None


def choose(arch: Arch, facts: KvmFacts, wanted: Accel | None) -> Choice:
    """KVM when it can really run this guest, or when it was asked for and can at least be tried; else TCG."""
    problem = facts.problem
    if problem is None and not arch.runs_on(facts.host):
        host = facts.host.value if facts.host else "another architecture"
        problem = f"the image is for {arch.value}, this machine is {host}"
    if wanted is Accel.TCG:
        return Choice(Accel.TCG, None)
    if wanted is Accel.KVM:
        if problem is not None:
            raise VmError(f"KVM cannot be used: {problem}", tip="leave out --kvm and VM_ACCEL=kvm to run under TCG")
        return Choice(Accel.KVM, None)
    if problem is None:
        special = [m for m in MODIFIED_GUESTS_ONLY if m in facts.modules]
        if special:
            problem = f"the module {special[0]} behind /dev/kvm runs only guests made for it"
    return Choice(Accel.KVM, None) if problem is None else Choice(Accel.TCG, problem)
