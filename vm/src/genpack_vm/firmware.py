# SPDX-License-Identifier: MIT
"""UEFI firmware of this host, found by the descriptors that its packages install for QEMU.

Source: docs/interop/firmware.json in QEMU: JSON files in three folders, looked through in the order of their names; one
in an earlier folder stands before one of the same name in a later folder, and an empty one takes it away.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genpack_vm.arch import Arch
from genpack_vm.errors import VmError

#: Secure Boot refuses what it has no key for, and SMM is not emulated by the machine that vm makes.
_UNWANTED = {"requires-smm", "enrolled-keys", "secure-boot"}

#: What Debian calls the firmware, for the tip.
_PACKAGES = {
    Arch.X86_64: "ovmf",
    Arch.I686: "ovmf-ia32",
    Arch.AARCH64: "qemu-efi-aarch64",
    Arch.RISCV64: "qemu-efi-riscv64",
}


@dataclass(frozen=True)
class Firmware:
    """Two flash images: `code` is used as it is, `template` is copied for each VM (its variables)."""

    code: Path
    code_format: str
    template: Path
    template_format: str


def folders(environment: Mapping[str, str], home: Path) -> tuple[Path, ...]:
    """Where descriptors lie, the user's first."""
    config = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    return (config / "qemu/firmware", Path("/etc/qemu/firmware"), Path("/usr/share/qemu/firmware"))


def _descriptors(places: Sequence[Path]) -> list[Path]:
    """The descriptor files that count, in their order."""
    found: dict[str, Path] = {}
    for place in places:
        for path in place.glob("*.json") if place.is_dir() else ():
            found.setdefault(path.name, path)
    return [found[name] for name in sorted(found)]


def _parse(data: Any, arch: Arch) -> Firmware | None:
    """A descriptor as firmware for `arch`; None if it is for something else. Errors of its form are the caller's."""
    qemu = arch.qemu.removeprefix("qemu-system-")
    machine = "pc-q35-0" if arch.is_x86 else "virt-0"
    machines = [m for t in data["targets"] if t["architecture"] == qemu for m in t["machines"]]
    # "virt" is how some descriptors write "virt-*".
    if not any(fnmatch.fnmatchcase(machine, m) or machine.removesuffix("-0") == m for m in machines):
        return None
    mapping = data["mapping"]
    usable = "uefi" in data["interface-types"] and mapping["device"] == "flash" and "nvram-template" in mapping
    if not usable or _UNWANTED & set(data["features"]):
        return None
    code, template = mapping["executable"], mapping["nvram-template"]
    return Firmware(Path(code["filename"]), code["format"], Path(template["filename"]), template["format"])


def find(arch: Arch, places: Sequence[Path]) -> Firmware:
    """The first UEFI firmware for `arch` whose files are there; VmError that says what to install."""
    broken = []
    for path in _descriptors(places):
        try:
            text = path.read_text(encoding="utf-8")
            found = _parse(json.loads(text), arch) if text.strip() else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            broken.append(path)  # somebody else's file: not a reason to stop at
            continue
        if found is not None and found.code.is_file() and found.template.is_file():
            return found
    why = f" ({broken[0]} can't be read)" if broken else ""
    raise VmError(
        f"no UEFI firmware for {arch.value} is installed{why}",
        tip=f"on Debian: apt install {_PACKAGES[arch]}",
    )
