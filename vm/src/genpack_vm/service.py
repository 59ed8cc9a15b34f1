# SPDX-License-Identifier: MIT
"""`vm service`: the VM that a folder with vm.ini describes, as a service of systemd (Type=notify)."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

from genpack_vm import devices, fwcfg, host, identity, info, launch, log, net, nic, screens, virtiofs
from genpack_vm.config import Boot, Bus, Disk, RunOptions
from genpack_vm.errors import InterruptError, UsageError, VmError
from genpack_vm.notify import notify
from genpack_vm.vmini import NUMBERED, Reading, parse

_NAMED = ("docker", "mysql")  # disks whose file's name is their serial
_BOOT = {"genpack": Boot.DIRECT, "bios": Boot.BIOS, "uefi": Boot.UEFI}


def _numbered(values: dict[str, Any], name: str) -> list[tuple[str, dict[str, Any]]]:
    return [(f"{name}{n}", values[f"{name}{n}"]) for n in range(NUMBERED) if f"{name}{n}" in values]


def _at(reading: Reading, section: str, key: str, error: UsageError) -> UsageError:
    return reading.error(section, key, str(error), error.tip)


def _interfaces(
    values: dict[str, Any], reading: Reading, default: str
) -> tuple[tuple[nic.Request, ...], tuple[str, ...]]:
    """(the interfaces, forwarded ports of the user network)."""
    requests: list[nic.Request] = []
    forwards: tuple[str, ...] = ()
    for section, keys in _numbered(values, "net"):
        if keys["interface"] is not None and keys["bridge"] is not None:
            raise reading.error(section, "bridge", "bridge and interface are two names of one key")
        name = keys["interface"] or keys["bridge"] or default
        key = "bridge" if keys["bridge"] is not None else "interface"
        try:
            kind, _ = nic.classify(name)
        except UsageError as e:
            raise _at(reading, section, key, e) from e
        if kind is nic.Kind.USER and any(r.interface == nic.USER for r in requests):
            raise reading.error(section, key, "a second user network; a VM has one at most")
        if keys["mac"] is not None:
            try:
                nic.check_mac(keys["mac"], "mac")
            except UsageError as e:
                raise _at(reading, section, "mac", e) from e
        if keys["hostfwd"] is not None:
            if kind is not nic.Kind.USER:
                raise reading.error(section, "hostfwd", f"hostfwd is for the user network, not a {kind.value}")
            forwards = tuple(text.strip() for text in keys["hostfwd"].split(",") if text.strip())
            try:
                for text in forwards:
                    net.parse_forward(text)
            except UsageError as e:
                raise _at(reading, section, "hostfwd", e) from e
        requests.append(nic.Request(name, keys["mac"], keys["vhost"]))
    return tuple(requests) or (nic.Request(default),), forwards


def _disk(folder: Path, name: str, keys: dict[str, Any], what: str) -> Disk:
    path = folder / name
    if not os.access(path, os.R_OK | os.W_OK) or path.is_dir():
        raise UsageError(f"{what}: cannot read and write the disk {path}")
    virtio = keys.get("virtio", True)
    bus = Bus.VIRTIO if virtio else Bus.AHCI
    return Disk(name, path.absolute(), direct=host.direct_io(path), bus=bus, serial=keys.get("serial"))


def _disks(folder: Path, values: dict[str, Any], reading: Reading) -> tuple[Disk, ...]:
    found = [_disk(folder, name, {}, str(folder)) for name in _NAMED if (folder / name).exists()]
    sections = dict(_numbered(values, "disk"))
    for number in range(NUMBERED):
        name = f"disk{number}"
        if os.path.lexists(folder / name):
            found.append(_disk(folder, name, sections.get(name, {}), str(folder)))
        elif name in sections:
            raise reading.error(name, "", f"[{name}] says how {folder / name} is attached, which is not there")
    return tuple(found)


def _usb(folder: Path, values: dict[str, Any]) -> tuple[devices.Usb, ...]:
    found = list(screens.usb_devices([values["usb"]] if values["usb"] else []))
    for number in range(NUMBERED):
        node = folder / f"usb{number}"
        if os.path.lexists(node):
            if not node.is_char_device():
                raise UsageError(f"{node} leads to no USB device node", tip="such as /dev/bus/usb/001/004")
            found.append(devices.Usb(node=node.resolve()))
    return tuple(found)


def _pci(values: dict[str, Any], reading: Reading) -> tuple[devices.Pci, ...]:
    found = []
    for section, keys in _numbered(values, "pci"):
        try:
            found.append(
                devices.make_pci(
                    keys["id"], multifunction=keys["multifunction"], vga=keys["vga"], rom=keys["romfile"], what="id"
                )
            )
        except UsageError as e:
            raise _at(reading, section, "id", e) from e
    return tuple(found)


def _items(values: dict[str, Any], reading: Reading) -> tuple[fwcfg.Item, ...]:
    found = []
    for key, value in values.get("firmware-string", {}).items():
        try:
            if not value:
                raise UsageError(f"{key} has no value")
            found.append(replace(fwcfg.parse(f"{key}=x"), value=value))
        except UsageError as e:
            raise _at(reading, "firmware-string", key, e) from e
    application = values.get("application", {})
    if application:
        text = "".join(f"{key}={value}\n" for key, value in application.items())
        found.append(fwcfg.Item(fwcfg.APPLICATION_INI, value=text))
    return tuple(found)


def _screen(values: dict[str, Any], reading: Reading) -> devices.Display | None:
    keys = ("display", "spice", "vnc", "gpu_max_outputs", "rendernode", "resolution", "accel")
    try:
        return screens.parse(
            display=values["display"],
            spice=values["spice"],
            vnc=values["vnc"],
            gpu=values["accel"],
            outputs=values["gpu_max_outputs"],
            render_node=values["rendernode"],
            resolution=values["resolution"],
        )
    except UsageError as e:
        key = next((k for k in keys if str(e).startswith(f"--{k.replace('_', '-')}")), "display")
        raise _at(reading, "", key, UsageError(str(e).removeprefix("--"), tip=e.tip)) from e


def read(folder: Path, name: str | None, default_net: str) -> RunOptions:
    """The folder as options; UsageError for every mistake in it. Makes the folder `fs` if it is missing."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", tip="a VM's folder has a vm.ini, and an image named system")
    ini = folder / "vm.ini"
    try:
        text = ini.read_text(encoding="utf-8") if ini.exists() else ""
    except (OSError, UnicodeDecodeError) as e:
        raise UsageError(f"cannot read {ini}: {e}") from e
    values, reading = parse(ini, text)
    interfaces, forwards = _interfaces(values, reading, default_net)
    shared, system = folder / "fs", folder / "system"
    boot = _BOOT[values["type"]]
    if not system.exists():
        if boot is not Boot.DIRECT:
            raise UsageError(f"{folder} has no `system`, the disk that {values['type']} boots")
        if not (shared / "boot").is_dir():
            tip = "link an image to it: ln -s /images/NAME.squashfs system"
            raise UsageError(f"{folder} has neither `system` nor a kernel in fs/boot", tip=tip)
    if values["append"] is not None and boot is not Boot.DIRECT:
        raise reading.error("", "append", "append is for type = genpack: firmware starts the kernel of the disk")
    keys = values.get("virtiofs", {})
    data, swap, cdrom, system_ini = (folder / n for n in ("data", "swapfile", "cdrom", "system.ini"))
    options = RunOptions(
        image=system if system.exists() else shared,
        boot=boot,
        name=name or identity.check_name(folder.resolve().name),
        memory=values["memory"],
        cpus=values["cpu"],
        append=values["append"],
        kvm=values["kvm"],
        data_file=data if data.exists() else None,
        swap=swap if swap.exists() else None,
        cdrom=cdrom if cdrom.exists() else None,
        system_ini=system_ini if system_ini.exists() else None,
        hostfwd=forwards,
        interfaces=interfaces,
        display=_screen(values, reading),
        pci=_pci(values, reading),
        usb=_usb(folder, values),
        items=_items(values, reading),
        more_disks=_disks(folder, values, reading),
        stop_timeout=values["stop_timeout"],
        guest_agent=values["qga"],
        virtiofs=virtiofs.Shared(
            shared,
            cache=keys.get("cache", "auto"),
            inode_file_handles=keys.get("inode-file-handles", "prefer"),
            open_files=keys.get("rlimit-nofile"),
        ),
    )
    shared.mkdir(exist_ok=True)
    return options


def serve(folder: Path, name: str | None, default_net: str) -> None:
    """Run the VM until it has ended; VmError unless it ended well, or was asked to and did."""
    environment = dict(os.environ)
    notify(environment, "STATUS=reading vm.ini and the kernel")

    def up(found: info.VmInfo) -> None:
        log.info(f"{found.name} is running; QEMU is process {found.pid}")
        notify(environment, "READY=1", f"STATUS=running, QEMU is process {found.pid}")

    def stopping() -> None:
        notify(environment, "STOPPING=1", "STATUS=asked the guest to power down")

    try:
        launch.serve(read(folder, name, default_net), up, stopping)
    except InterruptError as e:
        if not e.clean:
            notify(environment, "STATUS=the guest did not power down; QEMU was ended")
            raise VmError(f"{e}: the guest did not power down in time") from e
        if e.status != 128 + signal.SIGTERM:
            raise
    except VmError as e:
        notify(environment, f"STATUS={str(e).splitlines()[0]}", f"ERRNO={e.status}")
        raise
    notify(environment, "STATUS=ended")
