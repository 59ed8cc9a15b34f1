# SPDX-License-Identifier: MIT
"""QEMU's arguments for networks, displays and what the guest gets of the host. Pure, as module `qemu_args`."""

from __future__ import annotations

import os
from pathlib import Path

from genpack_vm.arch import Arch
from genpack_vm.devices import Display, Gpu, Pci, Share, Usb
from genpack_vm.nic import Kind, Nic


def quoted(value: str | Path) -> str:
    """A value inside QEMU's comma-separated options: a comma is doubled."""
    return os.fspath(value).replace(",", ",,")


def _backend(number: int, nic: Nic) -> str:
    name = f"id=net{number}"
    vhost = ",vhost=on" if nic.vhost else ""
    match nic.kind:
        case Kind.BRIDGE:
            return f"tap,{name},br={quoted(nic.where)},helper={quoted(nic.helper)}{vhost}"
        case Kind.TAP:
            return f"tap,{name},ifname={quoted(nic.where)},script=no,downscript=no{vhost}"
        case Kind.MACVTAP:
            return f"tap,{name},fd={nic.fd}{vhost}"
        case Kind.MULTICAST:
            return f"socket,{name},mcast={nic.where}"
        case Kind.VDE:
            return f"vde,{name},sock={quoted(nic.where)}"
        case _:
            forwards = "".join(f",hostfwd={f.rule}" for f in nic.forwards)
            return f"user,{name}{forwards}" + "".join(f",guestfwd={quoted(g)}" for g in nic.guest_forwards)


def network(nics: tuple[Nic, ...]) -> list[str]:
    """All interfaces, in their order."""
    args: list[str] = []
    for number, nic in enumerate(nics):
        if nic.kind is Kind.SRIOV:
            args += ["-device", f"vfio-pci,host={nic.where}"]
            continue
        args += ["-netdev", _backend(number, nic), "-device", f"virtio-net-pci,netdev=net{number},mac={nic.mac}"]
    return args


def _adapter(found: Display, arch: Arch) -> str:
    vga = "vga" if arch.is_x86 else "gpu"
    tail = "" if arch.is_x86 else "-pci"
    device = {
        Gpu.PLAIN: f"virtio-{vga}{tail}",
        Gpu.QXL: "qxl-vga",
        Gpu.OPENGL: f"virtio-{vga}-gl{tail}",
        Gpu.VULKAN: f"virtio-{vga}-gl{tail},blob=on,venus=on,hostmem=4G",
    }[found.gpu]
    device += f",max_outputs={found.outputs}" if found.outputs != 1 else ""
    return device + (f",xres={found.width},yres={found.height}" if found.width is not None else "")


def display(found: Display | None, arch: Arch) -> list[str]:
    """The graphics adapter, and where its picture goes."""
    if found is None:
        return ["-display", "none"]
    node = f",rendernode={quoted(found.render_node)}" if found.render_node is not None else ""
    if found.spice is None and found.vnc is None:
        args = ["-display", f"{found.backend}" + (",gl=on" if found.gpu.renders else "")]
    else:
        args = ["-display", f"egl-headless{node}" if found.gpu.renders else "none"]
    args += ["-device", _adapter(found, arch)]
    if found.spice is not None:
        if found.spice.startswith("/"):
            place = f"unix=on,addr={quoted(found.spice)}"
        else:
            address, _, port = found.spice.rpartition(":")
            place = f"addr={address or '127.0.0.1'},port={port}"
        args += ["-spice", f"{place},disable-ticketing=on"]
    if found.vnc is not None:
        args += ["-vnc", f"unix:{quoted(found.vnc)}" if found.vnc.startswith("/") else found.vnc]
    return args


def spice_agent(found: Display | None) -> list[str]:
    """The port of the guest's SPICE agent; it needs a virtio-serial bus before it."""
    if found is None or found.spice is None:
        return []
    port = "virtserialport,chardev=vdagent,name=com.redhat.spice.0"
    return ["-chardev", "spicevmc,id=vdagent,name=vdagent", "-device", port]


def pci(devices: tuple[Pci, ...]) -> list[str]:
    """PCI devices of the host."""
    args: list[str] = []
    for device in devices:
        text = f"vfio-pci,host={device.address}"
        text += ",multifunction=on" if device.multifunction else ""
        text += ",x-vga=on" if device.vga else ""
        args += ["-device", text + (f",romfile={quoted(device.rom)}" if device.rom is not None else "")]
    return args


def usb(devices: tuple[Usb, ...]) -> list[str]:
    """USB devices of the host."""
    args: list[str] = []
    for device in devices:
        place = f"hostbus={device.bus},hostaddr={device.address}"
        args += ["-device", f"usb-host,{place if device.node is None else f'hostdevice={quoted(device.node)}'}"]
    return args


def shares(folders: tuple[Share, ...]) -> list[str]:
    """Folders by 9p; owners and modes as the guest sees them are kept in attributes."""
    args: list[str] = []
    for share in folders:
        model = "security_model=mapped-xattr,multidevs=remap"
        args += ["-virtfs", f"local,path={quoted(share.folder)},mount_tag={share.tag},{model}"]
    return args


def virtiofs(socket: Path | None) -> list[str]:
    """The folder that virtiofsd shares, under the tag `fs`."""
    if socket is None:
        return []
    chardev = f"socket,id=fs,path={quoted(socket)}"
    return ["-chardev", chardev, "-device", "vhost-user-fs-pci,chardev=fs,tag=fs,queue-size=1024"]
