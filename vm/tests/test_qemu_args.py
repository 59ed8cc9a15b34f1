# SPDX-License-Identifier: MIT
"""The QEMU command line: a golden one, and what each option changes in it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from genpack_vm import qemu_args
from genpack_vm.accel import Accel
from genpack_vm.arch import Arch
from genpack_vm.config import Bus, Disk, FirmwareBoot, KernelBoot, MachineSpec
from genpack_vm.firmware import Firmware
from genpack_vm.fwcfg import Item
from genpack_vm.net import SSH_FORWARD, Forward
from genpack_vm.nic import Kind, Nic
from genpack_vm.rundir import Files

SPEC = MachineSpec(
    name="hello",
    arch=Arch.X86_64,
    accel=Accel.TCG,
    cpu_model="Nehalem",
    memory=1024,
    cpus=2,
    boot=KernelBoot(10, 11, qemu_args.command_line("hello", Arch.X86_64, Accel.TCG, "quiet")),
    disks=(
        Disk("system", Path("/images/hello.squashfs"), read_only=True, direct=True),
        Disk("data", None),
        Disk("swap", None),
    ),
    nics=(Nic(Kind.USER, "52:54:00:01:02:03", forwards=(SSH_FORWARD,)),),
    cid=None,
    fw_cfg=(Item("opt/vmname", value="hello"),),
    files=Files(Path("/run/vm/hello")),
    console_log=None,
    extra=(),
)

GOLDEN = [
    "qemu-system-x86_64",
    *("-name", "hello"),
    *("-nodefaults", "-no-user-config"),
    *("-display", "none"),
    *("-machine", "q35,memory-backend=mem"),
    *("-object", "memory-backend-memfd,id=mem,size=1024M,share=on"),
    *("-m", "1024M"),
    *("-accel", "tcg,thread=multi"),
    *("-cpu", "Nehalem"),
    *("-smp", "2"),
    *("-kernel", "/proc/self/fd/10"),
    *("-initrd", "/proc/self/fd/11"),
    "-append",
    "root=/dev/vda ro net.ifnames=0 systemd.firstboot=0 systemd.hostname=hello console=ttyS0,115200n8r "
    "mitigations=off quiet",
    "-drive",
    "if=none,id=system,format=raw,file=/images/hello.squashfs,readonly=on,cache=none,aio=native",
    *("-device", "virtio-blk-pci,drive=system,serial=system"),
    "-drive",
    "if=none,id=data,format=raw,file.driver=null-co,file.size=4096,file.read-zeroes=on,readonly=on",
    *("-device", "virtio-blk-pci,drive=data"),
    "-drive",
    "if=none,id=swap,format=raw,file.driver=null-co,file.size=4096,file.read-zeroes=on,readonly=on",
    *("-device", "virtio-blk-pci,drive=swap"),
    *("-netdev", "user,id=net0,hostfwd=tcp:127.0.0.1:0-:22"),
    *("-device", "virtio-net-pci,netdev=net0,mac=52:54:00:01:02:03"),
    *("-chardev", "socket,id=console,path=/run/vm/hello/serial.sock,server=on,wait=off"),
    *("-serial", "chardev:console"),
    *("-chardev", "socket,id=owner,fd=12"),
    *("-mon", "chardev=owner,mode=control"),
    *("-chardev", "socket,id=qmp,path=/run/vm/hello/qmp.sock,server=on,wait=off"),
    *("-mon", "chardev=qmp,mode=control"),
    *("-chardev", "socket,id=monitor,path=/run/vm/hello/monitor.sock,server=on,wait=off"),
    *("-mon", "chardev=monitor,mode=readline"),
    *("-device", "virtio-serial-pci"),
    *("-chardev", "socket,id=qga,path=/run/vm/hello/qga.sock,server=on,wait=off"),
    *("-device", "virtserialport,chardev=qga,name=org.qemu.guest_agent.0"),
    *("-device", "virtio-rng-pci"),
    *("-device", "qemu-xhci"),
    *("-device", "usb-kbd"),
    *("-device", "usb-tablet"),
    *("-fw_cfg", "name=opt/vmname,string=hello"),
]


def pairs(argv: list[str]) -> Iterable[str]:
    return (f"{a} {b}" for a, b in itertools.pairwise(argv))


def test_golden() -> None:
    assert qemu_args.build(SPEC, 12) == GOLDEN


@pytest.mark.parametrize(
    ("disk", "drive", "device"),
    [
        (
            Disk("data", Path("/d,1.img"), direct=True),
            "if=none,id=data,format=raw,file=/d,,1.img,cache=none,aio=native",
            "virtio-blk-pci,drive=data,serial=data",
        ),
        (
            Disk("data", Path("/d.img"), volatile=True),
            "if=none,id=data,format=raw,file=/d.img,snapshot=on",
            "virtio-blk-pci,drive=data,serial=data",
        ),
        (
            Disk("swap", Path("/d.qcow2")),
            "if=none,id=swap,format=qcow2,file=/d.qcow2",
            "virtio-blk-pci,drive=swap,serial=swap",
        ),
    ],
)
def test_disks(disk: Disk, drive: str, device: str) -> None:
    found = list(pairs(qemu_args.build(replace(SPEC, disks=(disk,)), 12)))
    assert f"-drive {drive}" in found
    assert f"-device {device}" in found


def test_kvm() -> None:
    assert qemu_args.cpu_model(Arch.X86_64, Accel.KVM) == "host"
    found = list(pairs(qemu_args.build(replace(SPEC, accel=Accel.KVM, cpu_model="host"), 12)))
    assert "-accel kvm" in found
    assert "-cpu host" in found
    assert "mitigations" not in qemu_args.command_line("x", Arch.X86_64, Accel.KVM, None)


@pytest.mark.parametrize(
    ("arch", "program", "machine", "console", "cpu"),
    [
        (Arch.I686, "qemu-system-i386", "q35", "ttyS0,115200n8r", "Nehalem"),
        (Arch.AARCH64, "qemu-system-aarch64", "virt", "ttyAMA0", "max"),
        (Arch.RISCV64, "qemu-system-riscv64", "virt", "ttyS0,115200n8r", "max"),
    ],
)
def test_architectures(arch: Arch, program: str, machine: str, console: str, cpu: str) -> None:
    argv = qemu_args.build(replace(SPEC, arch=arch), 12)
    assert argv[0] == program
    assert f"-machine {machine},memory-backend=mem" in pairs(argv)
    assert f" console={console} " in qemu_args.command_line("x", arch, Accel.TCG, None) + " "
    assert qemu_args.cpu_model(arch, Accel.TCG) == cpu


def test_network() -> None:
    forwards = (Forward("tcp", "", 8080, 80), Forward("udp", "127.0.0.1", 53, 53, "10.0.2.15"))
    spec = replace(SPEC, nics=(Nic(Kind.USER, "x", forwards=forwards),))
    rules = "user,id=net0,hostfwd=tcp::8080-:80,hostfwd=udp:127.0.0.1:53-10.0.2.15:53"
    assert f"-netdev {rules}" in pairs(qemu_args.build(spec, 12))
    assert "-netdev user,id=net0" in pairs(qemu_args.build(replace(SPEC, nics=(Nic(Kind.USER, "x"),)), 12))


def test_the_rest() -> None:
    spec = replace(
        SPEC,
        cid=7,
        boot=KernelBoot(10, None, "root=/dev/vda"),
        console_log=Path("/logs/a,b"),
        fw_cfg=(Item("opt/x", value="a,b\nc"), Item("opt/system.ini", file=Path("/i,i.ini"))),
        extra=("-snapshot",),
    )
    argv = qemu_args.build(spec, 12)
    found = list(pairs(argv))
    assert "-initrd" not in argv
    assert argv[-1] == "-snapshot"
    assert "-device vhost-vsock-pci,guest-cid=7" in found
    assert "-fw_cfg name=opt/x,string=a,,b\nc" in found
    assert "-fw_cfg name=opt/system.ini,file=/i,,i.ini" in found
    assert any(p.endswith("serial.sock,server=on,wait=off,logfile=/logs/a,,b,logappend=off") for p in found)


def test_bios() -> None:
    """The firmware is QEMU's own: neither kernel nor flash on the command line, only what to look at first."""
    disks = (Disk("system", Path("/d.img"), boot_index=0), Disk("data", Path("/e.img")))
    spec = replace(SPEC, boot=FirmwareBoot(None, Path("/unused")), disks=disks)
    argv = qemu_args.build(spec, 12)
    start = GOLDEN.index("-kernel")
    end = GOLDEN.index("-netdev")
    assert argv == [
        *GOLDEN[:start],
        *("-drive", "if=none,id=system,format=raw,file=/d.img"),
        *("-device", "virtio-blk-pci,drive=system,serial=system,bootindex=0"),
        *("-drive", "if=none,id=data,format=raw,file=/e.img"),
        *("-device", "virtio-blk-pci,drive=data,serial=data"),
        *GOLDEN[end:],
    ]


def test_uefi() -> None:
    firmware = Firmware(Path("/f/CODE,1.fd"), "raw", Path("/f/VARS.qcow2"), "qcow2")
    found = list(pairs(qemu_args.build(replace(SPEC, boot=FirmwareBoot(firmware, Path("/run/v,.fd"))), 12)))
    assert "-drive if=pflash,unit=0,format=raw,readonly=on,file=/f/CODE,,1.fd" in found
    assert "-drive if=pflash,unit=1,format=qcow2,file=/run/v,,.fd" in found


@pytest.mark.parametrize(
    ("bus", "device", "controller"),
    [
        (Bus.AHCI, "ide-hd,drive=system,serial=system,bootindex=0", False),
        (Bus.AHCI_CD, "ide-cd,drive=system,serial=system,bootindex=0", False),
        (Bus.SCSI_CD, "scsi-cd,drive=system,bus=scsi.0,serial=system,bootindex=0", True),
    ],
)
def test_buses(bus: Bus, device: str, controller: bool) -> None:
    disk = Disk("system", Path("/d.iso"), read_only=True, bus=bus, boot_index=0)
    argv = qemu_args.build(replace(SPEC, disks=(disk,)), 12)
    assert argv[argv.index(device) - 1] == "-device"
    assert ("virtio-scsi-pci,id=scsi" in argv) == controller
    assert not controller or argv.index("virtio-scsi-pci,id=scsi") < argv.index(device)
