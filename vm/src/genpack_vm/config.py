# SPDX-License-Identifier: MIT
"""The model, frozen data only: what the user asked for (`RunOptions`), and the plan of one QEMU (`MachineSpec`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from genpack_vm.accel import Accel
from genpack_vm.arch import Arch
from genpack_vm.devices import Display, Pci, Share, Usb
from genpack_vm.firmware import Firmware
from genpack_vm.fwcfg import Item
from genpack_vm.info import VmInfo
from genpack_vm.nic import Nic, Request
from genpack_vm.rundir import Files
from genpack_vm.virtiofs import Shared

DEFAULT_MEMORY = 2048  # MiB
MIN_MEMORY = 64  # MiB


class Boot(Enum):
    """What starts the guest: QEMU itself with a kernel out of the image, or firmware from a disk."""

    DIRECT = "direct"
    BIOS = "bios"
    UEFI = "uefi"


class Bus(Enum):
    """How a disk is attached; the value is the QEMU device of a hard disk."""

    VIRTIO = "virtio-blk-pci"
    AHCI = "ide-hd"
    SCSI_CD = "scsi-cd"
    AHCI_CD = "ide-cd"


@dataclass(frozen=True)
class Hooks:
    """What a service is told: that the VM is up, that it was asked to power down."""

    on_up: Callable[[VmInfo], None]
    on_stop: Callable[[], None]


@dataclass(frozen=True)
class RunOptions:
    """The options of `vm run`, as given; times in seconds, memory in MiB."""

    image: Path
    boot: Boot = Boot.DIRECT
    arch: str | None = None
    virtio_disks: bool = True
    cdrom: Path | None = None
    name: str | None = None
    memory: int = DEFAULT_MEMORY
    cpus: int = 1
    cpu_model: str | None = None
    data_file: Path | None = None
    volatile_data: bool = False
    swap: Path | None = None
    hostfwd: tuple[str, ...] = ()
    ssh_forward: bool = True
    append: str | None = None
    kvm: bool | None = None
    system_ini: Path | None = None
    application_ini: Path | None = None
    fw_cfg: tuple[str, ...] = ()
    detach: bool = False
    timeout: float | None = None
    console_log: Path | None = None
    wait_ssh: float | None = None
    no_shutdown: bool = False
    logging_items: str | None = None
    trace: tuple[str, ...] = ()
    logfile: Path | None = None
    sock_forward: tuple[Path, ...] = ()
    dry_run: bool = False
    qemu_args: tuple[str, ...] = ()
    interfaces: tuple[Request, ...] = ()
    guestfwd: tuple[str, ...] = ()
    display: Display | None = None
    pci: tuple[Pci, ...] = ()
    usb: tuple[Usb, ...] = ()
    shares: tuple[Share, ...] = ()
    hvc: bool = False
    virtiofs: Shared | None = None
    more_disks: tuple[Disk, ...] = ()
    stop_timeout: float | None = None
    items: tuple[Item, ...] = ()
    guest_agent: bool = True
    service: Hooks | None = None


@dataclass(frozen=True)
class Disk:
    """A disk of the guest. `path` None: an empty read-only one of 4 KiB that keeps the place. `boot_index`: its turn
    when firmware looks for something to start."""

    label: str
    path: Path | None
    read_only: bool = False
    volatile: bool = False
    direct: bool = False
    bus: Bus = Bus.VIRTIO
    boot_index: int | None = None
    serial: str | None = None

    @property
    def format(self) -> str:
        """By the file's name only: a guest could write another format's header into its raw disk."""
        return "qcow2" if self.path is not None and self.path.suffix == ".qcow2" else "raw"


@dataclass(frozen=True)
class KernelBoot:
    """Direct boot: memory files that QEMU inherits, and the kernel's command line."""

    kernel_fd: int
    initramfs_fd: int | None
    command_line: str

    @property
    def fds(self) -> tuple[int, ...]:
        """The descriptors that QEMU must inherit."""
        return (self.kernel_fd,) if self.initramfs_fd is None else (self.kernel_fd, self.initramfs_fd)


@dataclass(frozen=True)
class FirmwareBoot:
    """Boot by firmware: QEMU's own (BIOS) without `firmware`; with it UEFI, its variables in `variables`."""

    firmware: Firmware | None
    variables: Path


@dataclass(frozen=True)
class MachineSpec:
    """Everything that the QEMU command line depends on."""

    name: str
    arch: Arch
    accel: Accel
    cpu_model: str
    memory: int
    cpus: int
    boot: KernelBoot | FirmwareBoot
    disks: tuple[Disk, ...]
    nics: tuple[Nic, ...]
    cid: int | None
    fw_cfg: tuple[Item, ...]
    files: Files
    console_log: Path | None
    extra: tuple[str, ...]
    sock_forward: tuple[Path, ...] = ()
    display: Display | None = None
    pci: tuple[Pci, ...] = ()
    usb: tuple[Usb, ...] = ()
    shares: tuple[Share, ...] = ()
    hvc: bool = False
    guest_agent: bool = True
    virtiofs: Path | None = None

    @property
    def mac(self) -> str:
        """Address of the first network interface; empty without one."""
        return self.nics[0].mac if self.nics else ""
