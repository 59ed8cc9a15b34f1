# SPDX-License-Identifier: MIT
"""What this machine is: board, virtual machine, firmware configuration, kernel command line."""

from __future__ import annotations

import os

from genpack_init.paths import text_path
from genpack_init.process import spawn_quietly

TYPE_CHECKING = False  # true for type checkers; importing typing costs 5 ms of each boot
if TYPE_CHECKING:
    from typing import Literal, overload

FIRMWARE_CONFIG = "sys/firmware/qemu_fw_cfg"


def read_bytes(below: str) -> bytes | None:
    """A file below the root, or None if it can't be read."""
    try:
        with open(text_path(below), "rb") as file:
            return file.read()
    except OSError:
        return None


def read_text(below: str) -> str | None:
    """The same as text (UTF-8), without the NUL and white space that kernel files end with."""
    data = read_bytes(below)
    return None if data is None else data.decode(errors="replace").strip("\0 \t\r\n")


def is_raspberry_pi() -> bool:
    """True on a Raspberry Pi, by the device tree's model."""
    return (read_text("proc/device-tree/model") or "").startswith("Raspberry Pi")


def is_qemu() -> bool:
    """True in a QEMU machine, by DMI's vendor; machines without DMI: by the firmware configuration device."""
    vendor = read_text("sys/class/dmi/id/sys_vendor")
    if vendor is not None:
        return vendor == "QEMU"
    return os.path.isdir(text_path(FIRMWARE_CONFIG))


def load_firmware_config() -> None:
    """Load qemu_fw_cfg in a QEMU machine whose initramfs did not."""
    if not os.path.isdir(text_path(FIRMWARE_CONFIG)) and is_qemu():
        spawn_quietly(["modprobe", "-q", "qemu_fw_cfg"])


if TYPE_CHECKING:

    @overload
    def read_qemu_firmware_config(name: str, *, binary: Literal[False] = False) -> str | None: ...
    @overload
    def read_qemu_firmware_config(name: str, *, binary: Literal[True]) -> bytes | None: ...


def read_qemu_firmware_config(name: str, *, binary: bool = False) -> str | bytes | None:
    """The value of a fw_cfg name such as "opt/vmname": text (UTF-8), or bytes if `binary`; None if it is not given."""
    data = read_bytes(f"{FIRMWARE_CONFIG}/by_name/{name}/raw")
    return data if binary or data is None else data.decode(errors="replace")


def kernel_option(name: str) -> str | None:
    """The value of the last `name=value` on the kernel command line ("" for a bare `name`), or None."""
    value = None
    for word in (read_text("proc/cmdline") or "").split():
        key, _, text = word.partition("=")
        if key == name:
            value = text.strip('"')
    return value


def coldplug() -> None:
    """Load the module for every device that the kernel knows: all of /sys/devices' modaliases, one modprobe."""
    found = set()
    for folder, _, files in os.walk(text_path("sys/devices")):
        if "modalias" in files and (alias := read_text(os.path.relpath(f"{folder}/modalias", text_path("")))):
            found.add(alias)
    if found:
        spawn_quietly(["modprobe", "-a", "-b", "-q", "--", *sorted(found)])
