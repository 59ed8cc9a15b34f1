# SPDX-License-Identifier: MIT
"""UEFI firmware by descriptors of the form that docs/interop/firmware.json in QEMU describes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from genpack_vm import firmware
from genpack_vm.arch import Arch
from genpack_vm.errors import VmError

MACHINES = {"x86_64": ["pc-i440fx-*", "pc-q35-*"], "i386": ["pc-q35-*"], "aarch64": ["virt-*"], "riscv64": ["virt"]}


class Host:
    """Three folders of descriptors, as on a host, and the flash files that they name."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.places = firmware.folders({"XDG_CONFIG_HOME": str(top / "config")}, top)[:1]
        self.places += (top / "etc", top / "usr")

    def add(self, name: str, arch: str = "x86_64", *, place: int = 2, files: bool = True, **changes: Any) -> Path:
        """A descriptor; the name of its code file is returned."""
        code, template = self.top / f"{name}.code", self.top / f"{name}.vars"
        for path in (code, template) if files else ():
            path.touch()
        data = {
            "interface-types": ["uefi"],
            "mapping": {
                "device": "flash",
                "executable": {"filename": str(code), "format": "raw"},
                "nvram-template": {"filename": str(template), "format": "raw"},
            },
            "targets": [{"architecture": arch, "machines": MACHINES[arch]}],
            "features": ["acpi-s3"],
            **changes,
        }
        self.write(name, json.dumps(data), place)
        return code

    def write(self, name: str, text: str, place: int = 2) -> None:
        self.places[place].mkdir(parents=True, exist_ok=True)
        (self.places[place] / f"{name}.json").write_text(text)

    def found(self, arch: Arch = Arch.X86_64) -> Path:
        return firmware.find(arch, self.places).code


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_the_first_that_fits(host: Host) -> None:
    host.add("10-secure", features=["requires-smm", "secure-boot"])
    host.add("11-enrolled", features=["enrolled-keys"])
    host.add("12-bios", **{"interface-types": ["bios"]})
    host.add("13-memory", mapping={"device": "memory", "filename": "/x"})
    host.add("14-stateless", mapping={"device": "flash", "executable": {"filename": "/x", "format": "raw"}})
    host.add("15-microvm", targets=[{"architecture": "x86_64", "machines": ["microvm"]}])
    host.add("16-gone", files=False)
    host.add("17-arm", "aarch64")
    wanted = host.add("60-good")
    host.add("70-later")
    assert host.found() == wanted


@pytest.mark.parametrize(
    ("arch", "qemu"),
    [(Arch.I686, "i386"), (Arch.AARCH64, "aarch64"), (Arch.RISCV64, "riscv64"), (Arch.X86_64, "x86_64")],
)
def test_architectures(host: Host, arch: Arch, qemu: str) -> None:
    made = {name: host.add(name, name) for name in MACHINES}
    assert host.found(arch) == made[qemu]


def test_an_earlier_folder_overrides_and_masks(host: Host) -> None:
    host.add("50-a")
    assert host.found() == host.top / "50-a.code"
    own = host.add("50-a", place=0, targets=[{"architecture": "x86_64", "machines": ["pc-q35-*"]}])
    other = host.add("60-b")
    assert host.found() == own
    host.write("50-a", "", place=0)
    assert host.found() == other


def test_nothing_there(host: Host) -> None:
    with pytest.raises(VmError, match=r"no UEFI firmware for aarch64 is installed$") as caught:
        host.found(Arch.AARCH64)
    assert caught.value.tip == "on Debian: apt install qemu-efi-aarch64"


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"targets": 1}', '{"targets": [{"architecture": "x86_64"}]}'])
def test_a_damaged_descriptor_is_passed_over(host: Host, text: str) -> None:
    host.write("10-damaged", text)
    with pytest.raises(VmError, match=r"10-damaged\.json can't be read"):
        host.found()
    assert host.add("60-good") == host.found()
