# SPDX-License-Identifier: MIT
"""The QEMU command line of a MachineSpec. A pure function: nothing is looked up or opened here."""

from __future__ import annotations

from pathlib import Path

from genpack_vm import device_args
from genpack_vm.accel import Accel
from genpack_vm.arch import Arch
from genpack_vm.config import Bus, Disk, FirmwareBoot, KernelBoot, MachineSpec
from genpack_vm.device_args import quoted
from genpack_vm.fwcfg import Item

DUMMY_BYTES = 4096


def cpu_model(arch: Arch, accel: Accel) -> str:
    """Under TCG, Nehalem boots an x86 guest 1.4 times faster than max: no crypto or KVM modules are loaded for it."""
    if accel is Accel.KVM:
        return "host"
    return "Nehalem" if arch.is_x86 else "max"


def command_line(
    name: str, arch: Arch, accel: Accel, append: str | None, *, folder: bool = False, hvc: bool = False
) -> str:
    """The guest kernel's command line for an image on /dev/vda, or for a folder that is shared by virtiofs."""
    console = "hvc0" if hvc else "ttyAMA0" if arch is Arch.AARCH64 else "ttyS0,115200n8r"
    root = ["root=fs", "rootfstype=virtiofs", "rw"] if folder else ["root=/dev/vda", "ro"]
    words = [*root, "net.ifnames=0", "systemd.firstboot=0", f"systemd.hostname={name}"]
    words.append(f"console={console}")
    if accel is Accel.TCG:
        words.append("mitigations=off")  # they cost much and protect nobody in an emulated CPU
    return " ".join([*words, append] if append else words)


def _machine(spec: MachineSpec) -> list[str]:
    return [
        *("-name", spec.name),
        *("-nodefaults", "-no-user-config"),
        *device_args.display(spec.display, spec.arch),
        *("-machine", ("q35" if spec.arch.is_x86 else "virt") + ",memory-backend=mem"),
        *("-object", f"memory-backend-memfd,id=mem,size={spec.memory}M,share=on"),
        *("-m", f"{spec.memory}M"),
        *("-accel", "kvm" if spec.accel is Accel.KVM else "tcg,thread=multi"),
        *("-cpu", spec.cpu_model),
        *("-smp", str(spec.cpus)),
    ]


def _boot(boot: KernelBoot | FirmwareBoot) -> list[str]:
    if isinstance(boot, KernelBoot):
        args = ["-kernel", f"/proc/self/fd/{boot.kernel_fd}"]
        if boot.initramfs_fd is not None:
            args += ["-initrd", f"/proc/self/fd/{boot.initramfs_fd}"]
        return [*args, "-append", boot.command_line]
    if boot.firmware is None:
        return []
    code = f"if=pflash,unit=0,format={boot.firmware.code_format},readonly=on,file={quoted(boot.firmware.code)}"
    variables = f"if=pflash,unit=1,format={boot.firmware.template_format},file={quoted(boot.variables)}"
    return ["-drive", code, "-drive", variables]


def _disk(disk: Disk) -> list[str]:
    drive = f"if=none,id={disk.label}"
    if disk.path is None:
        # No serial: the guest finds data and swap by theirs, and must not find this.
        drive += f",format=raw,file.driver=null-co,file.size={DUMMY_BYTES},file.read-zeroes=on,readonly=on"
        return ["-drive", drive, "-device", f"virtio-blk-pci,drive={disk.label}"]
    drive += f",format={disk.format},file={quoted(disk.path)}"
    drive += ",readonly=on" if disk.read_only else ""
    drive += ",snapshot=on" if disk.volatile else ""
    drive += ",cache=none,aio=native" if disk.direct else ""
    device = f"{disk.bus.value},drive={disk.label}"
    if disk.bus is Bus.SCSI_CD:
        device += ",bus=scsi.0"
    device += f",serial={quoted(disk.serial or disk.label)}"
    device += f",bootindex={disk.boot_index}" if disk.boot_index is not None else ""
    return ["-drive", drive, "-device", device]


def _disks(disks: tuple[Disk, ...]) -> list[str]:
    """All of them; a controller for SCSI if one needs it (the AHCI one is part of q35)."""
    args = ["-device", "virtio-scsi-pci,id=scsi"] if any(disk.bus is Bus.SCSI_CD for disk in disks) else []
    for disk in disks:
        args += _disk(disk)
    return args


def _socket(name: str, path: Path) -> list[str]:
    return ["-chardev", f"socket,id={name},path={quoted(path)},server=on,wait=off"]


def _sockets(spec: MachineSpec, qmp_fd: int) -> list[str]:
    console = _socket("console", spec.files.serial)
    if spec.console_log is not None:
        console[1] += f",logfile={quoted(spec.console_log)},logappend=off"
    return [
        *console,
        *(() if spec.hvc else ("-serial", "chardev:console")),
        # A connection of the owner's own: whoever holds qmp.sock cannot keep it from ending QEMU.
        *("-chardev", f"socket,id=owner,fd={qmp_fd}"),
        *("-mon", "chardev=owner,mode=control"),
        *_socket("qmp", spec.files.qmp),
        *("-mon", "chardev=qmp,mode=control"),
        *_socket("monitor", spec.files.monitor),
        *("-mon", "chardev=monitor,mode=readline"),
        *("-device", "virtio-serial-pci"),
        *(("-device", "virtconsole,chardev=console") if spec.hvc else ()),
        *(_agent(spec.files.qga) if spec.guest_agent else ()),
    ]


def _agent(path: Path) -> list[str]:
    return [*_socket("qga", path), "-device", "virtserialport,chardev=qga,name=org.qemu.guest_agent.0"]


def _devices(spec: MachineSpec) -> list[str]:
    args = ["-device", "virtio-rng-pci", "-device", "qemu-xhci", "-device", "usb-kbd", "-device", "usb-tablet"]
    if spec.cid is not None:
        args += ["-device", f"vhost-vsock-pci,guest-cid={spec.cid}"]
    args += device_args.spice_agent(spec.display) + device_args.pci(spec.pci) + device_args.usb(spec.usb)
    return args + device_args.shares(spec.shares) + device_args.virtiofs(spec.virtiofs)


def _fw_cfg(item: Item) -> list[str]:
    source = f"file={quoted(item.file)}" if item.file is not None else f"string={quoted(item.value or '')}"
    return ["-fw_cfg", f"name={quoted(item.name)},{source}"]


def build(spec: MachineSpec, qmp_fd: int) -> list[str]:
    """The whole argv. `qmp_fd` is the owner's end of a socket pair that QEMU inherits."""
    argv = [spec.arch.qemu, *_machine(spec), *_boot(spec.boot), *_disks(spec.disks)]
    argv += device_args.network(spec.nics) + _sockets(spec, qmp_fd) + _devices(spec)
    for item in spec.fw_cfg:
        argv += _fw_cfg(item)
    return [*argv, *spec.extra]
