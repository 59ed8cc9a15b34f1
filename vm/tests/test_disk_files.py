# SPDX-License-Identifier: MIT
"""`vm allocate`, `vm expand`, `vm snapshot`: disk files that keep their data, whatever is asked of them."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import FakeVm, Vm, check
from genpack_vm import allocate, cli, expand, info, snapshots
from genpack_vm.errors import UsageError, VmError

MIB = 1 << 20
Make = Callable[[str], FakeVm]
SMALL = 4 / 1024  # GiB


@pytest.fixture
def bad(run_root: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., None]:
    def run(arguments: list[str | Path], message: str, status: int = 2) -> None:
        found = cli.execute([str(a) for a in arguments])
        check((found, *capfd.readouterr()), run_root, message, status)

    return run


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# allocate


def test_allocate_and_grow(tmp_path: Path) -> None:
    path = tmp_path / "data.img"
    allocate.allocate(path, SMALL, None)
    found = path.stat()
    assert found.st_size == 4 * MIB
    assert found.st_blocks * 512 >= 4 * MIB  # all there
    assert found.st_mode & 0o777 == 0o600
    path.write_bytes(b"\xaa" * 4 * MIB)
    allocate.allocate(path, 2 * SMALL, None)
    assert path.read_bytes() == b"\xaa" * 4 * MIB + bytes(4 * MIB)
    allocate.allocate(path, 2 * SMALL, None)
    assert names(tmp_path) == ["data.img"]


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    allocate.allocate(tmp_path / "link", SMALL, None)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").stat().st_size == 4 * MIB


@pytest.mark.spawn
def test_mkfs(tmp_path: Path) -> None:
    path = tmp_path / "data.img"
    assert cli.execute(["allocate", "--mkfs", "btrfs", str(path), "0.125"]) == 0
    assert path.stat().st_size == 128 * MIB
    with path.open("rb") as file:
        file.seek(0x10040)
        assert file.read(8) == b"_BHRfS_M"


@pytest.mark.spawn
def test_allocate_refuses(bad: Callable[..., None], tmp_path: Path) -> None:
    path = tmp_path / "data.img"
    for size in ("0", "-1", "nan", "inf"):
        bad(["allocate", path, "--", size], "GIB is .*: it must be more than 0")
    bad(["allocate", path, "big"], "Invalid value for 'GIB'")
    bad(["allocate", tmp_path / "none" / "x", "1"], "there is no folder")
    bad(["allocate", path, "1000000"], "GiB free, 1000000.0 GiB are needed", 1)
    bad(["allocate", "--mkfs", "btrfs", path, str(SMALL)], "mkfs.btrfs failed: ", 1)
    bad(["allocate", "--mkfs", "vfat", path, "1"], "Invalid value for '--mkfs'")
    assert names(tmp_path) == []
    path.write_bytes(bytes(8 * MIB))
    bad(["allocate", path, str(SMALL)], "a disk never shrinks")
    bad(["allocate", "--mkfs", "btrfs", path, "1"], "is there already; --mkfs is for a new file")
    bad(["allocate", tmp_path, "1"], "cannot write .*: Is a directory")
    bad(["allocate", "/dev/null", "1"], "/dev/null is no file")
    (tmp_path / "x.qcow2").touch()
    bad(["allocate", tmp_path / "x.qcow2", "1"], "is no raw disk")
    assert path.stat().st_size == 8 * MIB


def test_a_full_disk_leaves_the_old_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data.img"
    allocate.allocate(path, SMALL, None)

    def full(fd: int, offset: int, size: int) -> None:
        os.ftruncate(fd, size)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(VmError, match=r"cannot allocate .*: No space left"):
        allocate.allocate(path, 2 * SMALL, None)
    assert path.stat().st_size == 4 * MIB
    with pytest.raises(VmError, match="No space left"):
        allocate.allocate(tmp_path / "other", SMALL, None)
    assert names(tmp_path) == ["data.img"]


# expand


def block(path: Path, size: int, **changes: Any) -> dict[str, Any]:
    image = {"filename": str(path), "virtual-size": size}
    return {"device": path.stem, "inserted": {"ro": False, "drv": "raw", "image": image} | changes}


def test_growths(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "data.img"
    path.write_bytes(bytes(2 * MIB))
    assert expand.growths([block(path, MIB)]) == [expand.Growth("data", MIB, 2 * MIB)]
    assert expand.growths([block(path, 2 * MIB), {"device": "cd"}]) == []
    assert expand.growths([block(path, MIB, ro=True), block(path, MIB, drv="qcow2")]) == []
    assert capfd.readouterr().err == ""
    assert expand.growths([block(path, 3 * MIB)]) == []
    assert "is smaller than the disk data that the guest sees" in capfd.readouterr().err
    assert expand.growths([block(tmp_path / "none", 1)]) == []
    assert "cannot look at" in capfd.readouterr().err


@pytest.mark.qemu
def test_expand_of_a_running_vm(vm: Vm, stub_image: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.img"
    assert vm("allocate", data, SMALL).returncode == 0
    assert vm("run", "--detach", "-d", data, stub_image).returncode == 0
    assert "no disk file of stub has grown" in vm("expand", "stub").stderr
    assert vm("allocate", data, 2 * SMALL).returncode == 0
    done = vm("expand", "stub")
    assert (done.returncode, done.stdout) == (0, "data: 4 MiB, now 8 MiB\n")
    assert vm("expand", "stub").stdout == ""
    refused = vm("snapshot", "-d", data, "other", "save", "x")
    assert refused.returncode == 1
    assert f"{data} is in use" in refused.stderr
    assert "stub is running" in vm("snapshot", "stub", "list").stderr
    assert vm("stop", "-w", "stub").returncode == 0
    # The disk of the last run is known.
    assert json.loads(vm("snapshot", "stub", "list", "--format", "json").stdout)["disk"] == str(data)
    assert vm("expand", "stub").returncode == 1


# snapshot


def qemu_img(*words: str | Path) -> None:
    subprocess.run(["qemu-img", *words], check=True, stdout=subprocess.DEVNULL)


def write(path: Path, pattern: int) -> None:
    command = ["qemu-io", "-f", "qcow2", "-c", f"write -P {pattern} 0 1M", path]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def holds(path: Path, pattern: int) -> bool:
    command = ["qemu-io", "-f", "qcow2", "-c", f"read -P {pattern} 0 1M", path]
    return "verification failed" not in subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.spawn
def test_states_of_a_qcow2_disk(run_root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What was in the disk is in it again."""
    disk = tmp_path / "data.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", disk, "4M")

    def snapshot(*words: str) -> str:
        assert cli.execute(["snapshot", "-d", str(disk), "web", *words]) == 0
        return capfd.readouterr().out

    write(disk, 1)
    assert snapshot("save", "first") == "first\n"
    write(disk, 2)
    stamp = snapshot("save").strip()
    write(disk, 3)
    assert [line.split()[0] for line in snapshot("list").splitlines()] == ["first", stamp]
    snapshot("revert", "first")
    assert holds(disk, 1)
    snapshot("revert", stamp)
    assert holds(disk, 2)
    snapshot("delete", "first")
    listed = json.loads(snapshot("list", "--format", "json"))
    assert [(s["name"], set(s)) for s in listed["states"]] == [(stamp, {"name", "saved"})]
    assert listed["version"] == 1


@pytest.fixture
def reflink(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that shares blocks, as far as one can tell from outside. ci/e2e has a real one."""
    real = fcntl.ioctl

    def ioctl(fd: int, request: int, argument: Any) -> Any:
        if request != 0x40049409:
            return real(fd, request, argument)
        os.sendfile(fd, argument, 0, os.fstat(argument).st_size)
        return 0

    monkeypatch.setattr(snapshots.fcntl, "ioctl", ioctl)


def test_states_of_a_raw_disk(run_root: Path, tmp_path: Path, reflink: None) -> None:
    disk = tmp_path / "data"
    disk.write_bytes(b"one")
    disk.chmod(0o640)

    def snapshot(*words: str | None) -> str:
        action, state = (*words, None)[:2]
        return snapshots.snapshot("web", str(action), state, disk, as_json=False)

    assert snapshot("list") == ""
    assert snapshot("save", "first") == "first\n"
    disk.write_bytes(b"two")
    snapshot("save", "second")
    disk.write_bytes(b"three")
    assert [line.split()[0] for line in snapshot("list").splitlines()] == ["first", "second"]
    snapshot("revert", "first")
    assert disk.read_bytes() == b"one"
    assert disk.stat().st_mode & 0o777 == 0o640
    snapshot("revert", "second")
    assert disk.read_bytes() == b"two"
    snapshot("delete", "first")
    snapshot("delete", "second")
    assert names(tmp_path) == ["data"]


def test_no_reflink(run_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = tmp_path / "data"
    disk.write_bytes(b"one")

    def ioctl(*arguments: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(snapshots.fcntl, "ioctl", ioctl)
    with pytest.raises(VmError, match="cannot share blocks between files") as e:
        snapshots.snapshot("web", "save", "x", disk, as_json=False)
    assert "qcow2" in str(e.value.tip)
    assert names(tmp_path) == ["data"]


def test_a_disk_in_use(run_root: Path, tmp_path: Path, reflink: None) -> None:
    """QEMU's locks are open file description locks of single bytes, shared ones."""
    disk = tmp_path / "data"
    disk.write_bytes(bytes(512))
    with disk.open("rb") as other:
        fcntl.fcntl(other, 37, struct.pack("@hhqqi0q", fcntl.F_RDLCK, os.SEEK_SET, 100, 1, 0))
        for action in ("save", "revert"):
            (tmp_path / "data.snapshots").mkdir(exist_ok=True)
            shutil.copy(disk, tmp_path / "data.snapshots" / "x")
            with pytest.raises(VmError, match="data is in use"):
                snapshots.snapshot("web", action, "y" if action == "save" else "x", disk, as_json=False)


def test_which_disk(fake_vm: Make, run_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "_SERVICES", tmp_path / "vm")
    with pytest.raises(UsageError, match="the data disk of web is not known"):
        snapshots.disk_of("web", None)
    service = tmp_path / "vm" / "web" / "data"
    service.parent.mkdir(parents=True)
    service.touch()
    assert snapshots.disk_of("web", None).path == service
    last = tmp_path / "last.qcow2"
    last.touch()
    (run_root / ".ended").mkdir()
    info.write_json(info.ended_file(run_root, "web"), {"version": 1, "data_file": str(last)})
    found = snapshots.disk_of("web", None)
    assert (found.path, type(found)) == (last, snapshots.Qcow2)
    assert snapshots.disk_of("web", service).path == service
    fake_vm("web")
    with pytest.raises(VmError, match="web is running"):
        snapshots.disk_of("web", service)


def test_snapshot_refuses(bad: Callable[..., None], tmp_path: Path, reflink: None) -> None:
    disk = tmp_path / "data"
    disk.write_bytes(b"x")
    option = ["snapshot", "-d", disk]
    bad([*option, "../x", "list"], "is not a VM name")
    bad([*option, "web", "frob"], "Invalid value for 'save|list|revert|delete'")
    bad([*option, "web", "revert"], "revert needs the name of a state")
    bad([*option, "web", "list", "x"], "list takes no state")
    bad([*option, "web", "save", "../x"], "is no name for a state")
    bad([*option, "web", "revert", "x"], "has no state x")
    bad([*option, "web", "delete", "x"], "has no state x")
    bad(["snapshot", "-d", tmp_path / "none", "web", "list"], "there is no disk file")
    assert snapshots.snapshot("web", "save", "x", disk, as_json=False) == "x\n"
    bad([*option, "web", "save", "x"], "has a state x already")


@pytest.mark.spawn
def test_no_qemu_img(
    run_root: Path, tmp_path: Path, fake_program: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "data.qcow2"
    disk.write_bytes(b"no qcow2")
    fake_program("qemu-img", 'echo "qemu-img: Could not open: Failed to get shared \\"write\\" lock" >&2; exit 1')
    with pytest.raises(VmError, match="Could not open: Failed to get") as e:
        snapshots.snapshot("web", "list", None, disk, as_json=False)
    assert e.value.tip == "stop the VM that uses it"
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(VmError, match="qemu-img is required to keep states of qcow2 disks"):
        snapshots.snapshot("web", "list", None, disk, as_json=False)
