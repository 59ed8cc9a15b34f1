# SPDX-License-Identifier: MIT
"""Which disks are refused, and why: by what lsblk prints, here by a program in its place; and real errors of open."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Run
from genpack_install import disks
from genpack_install.errors import UsageError
from genpack_install.log import Log

pytestmark = pytest.mark.spawns
GIB = 1 << 30
Lsblk = Callable[..., None]


def node(path: str, kind: str = "disk", mounted: str | None = None, **more: Any) -> dict[str, Any]:
    """A device as lsblk of util-linux 2.38 prints it with --json --bytes."""
    shape: dict[str, Any] = {"path": path, "type": kind, "size": 8 * GIB, "log-sec": 512, "ro": False, "model": None}
    return {**shape, "tran": None, "fstype": None, "mountpoints": [mounted], "pkname": None, **more}


@pytest.fixture
def lsblk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lsblk:
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "lsblk"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/argv\ncat {tmp_path}/json\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def prints(*nodes: dict[str, Any]) -> None:
        (tmp_path / "json").write_text(json.dumps({"blockdevices": nodes}))

    return prints


BUSY = [
    (node("/dev/sdx", mounted="/"), "/dev/sdx is mounted on /"),
    (node("/dev/sdx", children=[node("/dev/sdx1", "part", "/boot")]), "/dev/sdx1 is mounted on /boot"),
    (node("/dev/sdx", children=[node("/dev/sdx2", "part", "[SWAP]")]), "/dev/sdx2 is used as swap"),
    (node("/dev/sdx", children=[node("/dev/sdx1", "part", children=[node("/dev/mapper/v-r", "lvm")])]),
     "/dev/mapper/v-r on it is a logical volume"),
    (node("/dev/sdx", children=[node("/dev/sdx1", "part", children=[node("/dev/mapper/c", "crypt")])]),
     "/dev/mapper/c on it is an encrypted volume"),
    (node("/dev/sdx", children=[node("/dev/md0", "raid1")]), "/dev/md0 on it is a RAID array"),
    (node("/dev/sdx", ro=True), "it is read-only"),
]  # fmt: skip


@pytest.mark.parametrize(("device", "reason"), BUSY, ids=[reason for _, reason in BUSY])
def test_a_disk_in_use(lsblk: Lsblk, device: dict[str, Any], reason: str) -> None:
    lsblk(device)
    with pytest.raises(UsageError, match=f"/dev/sdx can't be installed to: {reason}"):
        disks.device(Path("/dev/sdx"), Log())


def test_what_is_no_disk(lsblk: Lsblk) -> None:
    lsblk(node("/dev/sdx1", "part", pkname="sdx"))
    with pytest.raises(UsageError, match="/dev/sdx1 is a partition, not a disk") as error:
        disks.device(Path("/dev/sdx1"), Log())
    assert error.value.tip == "give the whole disk, /dev/sdx"
    lsblk(node("/dev/sr0", "rom"))
    with pytest.raises(UsageError, match="/dev/sr0 is a CD drive, not a disk"):
        disks.device(Path("/dev/sr0"), Log())


def test_the_list(install: Run, lsblk: Lsblk, tmp_path: Path) -> None:
    lsblk(
        node("/dev/sda", mounted="/", model="Big Disk ", tran="sata"),
        node("/dev/sdb", size=16 * GIB, model="Stick", tran="usb"),
        node("/dev/sr0", "rom"),
        node("/dev/zram0", size=0),
    )
    status, out, _ = install("--disk", "list")
    first, second = out.splitlines()
    assert status == 0
    assert first.split() == ["/dev/sda", "8.0", "GiB", "/dev/sda", "is", "mounted", "on", "/", "(Big", "Disk", "sata)"]
    assert second.split() == ["/dev/sdb", "16.0", "GiB", "free", "(Stick", "usb)"]
    assert "--json --bytes" in (tmp_path / "argv").read_text()
    status, out, _ = install("--disk", "list", "--json")
    assert [disk["reason"] for disk in json.loads(out)] == ["/dev/sda is mounted on /", None]


def test_a_device_that_is_not_there(install: Run, image: Path) -> None:
    status, _, err = install("--disk", "/dev/no-such-disk", "-y", image)
    assert status == 2 and "there is no device /dev/no-such-disk" in err


def test_open_says_why(lsblk: Lsblk, tmp_path: Path) -> None:
    """As a device that something of the kernel holds: open says so."""
    lsblk(node("/dev/sdx"))
    with pytest.raises(UsageError, match="can't be written to: No such file or directory"):
        disks.device(tmp_path / "gone", Log())


def test_lsblk_fails(install: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lsblk").write_text("#!/bin/sh\necho 'lsblk: it broke' >&2\nexit 32\n")
    (tmp_path / "lsblk").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    status, _, err = install("--disk", "list")
    assert status == 1 and "lsblk ended with status 32: lsblk: it broke" in err
