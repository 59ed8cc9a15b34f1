# SPDX-License-Identifier: MIT
"""Data of docker, MySQL and PostgreSQL on the writable layer; swap file; postfix; MemTest86."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from genpack_init.testing import FakeSystem

Errors = Callable[[], list[str]]

BIND = str(0x1000)
FOLDERS = {"docker": "var/lib/docker", "mysql": "var/lib/mysql", "postgresql": "var/lib/postgresql"}


@pytest.mark.parametrize("name", FOLDERS)
def test_copied_once_and_bound(system: FakeSystem, plugins: dict[str, Path], name: str) -> None:
    file = system.write(f"{FOLDERS[name]}/a/file", "first")
    file.chmod(0o640)
    (file.parent / "link").symlink_to("file")
    kept = system.root / f"run/initramfs/rw/{name}"
    half = system.write(f"run/initramfs/rw/{name}.tmp/rest", "half a copy").parent
    assert system.run(plugins[name]).status == "ok"
    assert (kept / "a/file").read_text() == "first" and (kept / "a/link").is_symlink()
    assert stat.S_IMODE((kept / "a/file").stat().st_mode) == 0o640
    assert not half.exists() and not (kept / "rest").exists()
    assert system.calls == [("mount", str(kept), str(system.root / FOLDERS[name]), "", BIND, "")]
    (kept / "a/file").write_text("newer")
    assert system.run(plugins[name]).status == "ok"
    assert (kept / "a/file").read_text() == "newer"  # what is there is not copied over


def test_copy_that_fails_leaves_nothing(
    system: FakeSystem, plugins: dict[str, Path], errors: Errors, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    system.write("var/lib/mysql/file", "x")
    rw = system.write("run/initramfs/rw/other", "").parent
    (tmp_path / "cp").write_text('#!/bin/sh\nfor to; do :; done\nmkdir -p "$to"; echo half > "$to/file"; exit 1\n')
    (tmp_path / "cp").chmod(0o755)
    with monkeypatch.context() as patched:
        patched.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        assert system.run(plugins["mysql"]).status == "ok"
    assert "could not be copied" in errors()[0]
    assert [path.name for path in rw.iterdir()] == ["other"] and system.calls == []


def test_disk_with_the_serial_number(system: FakeSystem, plugins: dict[str, Path], errors: Errors) -> None:
    system.write("var/lib/docker/file", "x")
    system.write("sys/block/vdb/serial", "data\n")
    system.write("sys/block/vdx/serial", "docker\n")
    disk = system.write("dev/vdx", bytes(120 << 20))
    assert system.run(plugins["docker"]).status == "ok"
    assert "has no file system; make one" in errors()[0] and system.calls == []
    subprocess.run(["mkfs.btrfs", "-q", disk], check=True)
    assert system.run(plugins["docker"]).status == "ok"
    at = system.root / "run/genpack-init/docker"
    assert system.calls == [
        ("mount", str(disk), str(at), "btrfs", "0", ""),
        ("mount", str(at / "docker"), str(system.root / "var/lib/docker"), "", BIND, ""),
    ]
    assert (at / "docker/file").read_text() == "x"
    system.status = 5
    system.run(plugins["docker"])
    assert "can't be mounted" in errors()[-1]


def test_service_that_the_image_lacks(system: FakeSystem, plugins: dict[str, Path], errors: Errors) -> None:
    assert system.run(plugins["docker"]).status == "ok"
    assert (errors(), system.calls) == ([], [])


@pytest.fixture
def persistent(system: FakeSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSystem:
    """A data partition, 100 MiB of RAM, and swapon and swapoff that write down what they are asked for."""
    rw = system.write("run/initramfs/rw/other", "").parent
    system.write("proc/self/mountinfo", f"1 0 0:1 / / rw - overlay o rw\n2 1 0:2 / {rw} rw - btrfs /dev/vdb rw\n")
    system.write("proc/meminfo", "MemTotal:         102400 kB\nMemFree:  1 kB\n")
    for name in ("swapon", "swapoff"):
        tool = tmp_path / name
        tool.write_text(f'#!/bin/sh\necho "{name} $1" >>{tmp_path}/log\n')
        tool.chmod(0o755)
    (tmp_path / "log").write_text("")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/sbin:/usr/bin:/sbin:/bin")
    return system


def test_swap_file(persistent: FakeSystem, plugins: dict[str, Path], tmp_path: Path, errors: Errors) -> None:
    system, file = persistent, persistent.root / "run/initramfs/rw/swapfile"
    assert system.run(plugins["swapfile"]).status == "ok"
    info = file.stat()
    assert (info.st_size >> 20, stat.S_IMODE(info.st_mode)) == (256, 0o600)  # 200 MiB, to the nearest power of two
    assert info.st_blocks * 512 >= info.st_size  # no holes
    assert subprocess.run(["blkid", "-p", "-o", "value", "-s", "TYPE", file], capture_output=True).stdout == b"swap\n"
    made = file.read_bytes()[:8192]
    assert system.run(plugins["swapfile"]).status == "ok"
    assert file.read_bytes()[:8192] == made
    assert (tmp_path / "log").read_text() == f"swapon {file}\n" * 2
    system.write("proc/swaps", f"Filename Type Size\n{file} file 1 0 -2\n")
    system.run(plugins["swapfile"])
    assert (tmp_path / "log").read_text() == f"swapon {file}\n" * 2
    assert system.run(plugins["swapfile"], "swapfile = no").status == "ok"
    assert (tmp_path / "log").read_text().endswith(f"swapoff {file}\n") and not file.exists()
    assert errors() == []


def test_swap_file_takes_a_tenth_at_most(
    persistent: FakeSystem, plugins: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def free(mib: int) -> None:
        info = os.statvfs_result((4096, 4096, 0, 0, mib << 8, 0, 0, 0, 0, 255))
        monkeypatch.setattr(os, "statvfs", lambda path: info)

    file = persistent.root / "run/initramfs/rw/swapfile"
    free(159)
    persistent.run(plugins["swapfile"])
    assert not file.exists() and (tmp_path / "log").read_text() == ""
    free(700)
    persistent.run(plugins["swapfile"])
    assert file.stat().st_size == 64 << 20


def test_no_swap_file_in_memory(persistent: FakeSystem, plugins: dict[str, Path]) -> None:
    rw = persistent.root / "run/initramfs/rw"
    persistent.write("proc/self/mountinfo", f"2 1 0:2 / {rw} rw - tmpfs tmpfs rw\n")
    persistent.run(plugins["swapfile"])
    assert not (rw / "swapfile").exists()


def test_swap_file_that_is_none_is_made_again(
    persistent: FakeSystem, plugins: dict[str, Path], tmp_path: Path, errors: Errors
) -> None:
    file = persistent.write("run/initramfs/rw/swapfile", "not swap")
    (tmp_path / "swapon").write_text("#!/bin/sh\nexit 255\n")
    persistent.run(plugins["swapfile"])
    assert not file.exists() and "can't be switched on" in errors()[0]
    (tmp_path / "mkswap").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "mkswap").chmod(0o755)
    persistent.run(plugins["swapfile"])
    assert not list(file.parent.glob("swapfile*"))


def test_postfix_aliases(system: FakeSystem, plugins: dict[str, Path], errors: Errors) -> None:
    assert system.run(plugins["postfix_aliases"]).status == "ok"
    assert not (system.root / "etc").exists()
    loader = system.write("usr/bin/mdb_load", '#!/bin/sh\n[ "$1 $2" = "-n -f" ] || exit 9\ncp "$3" "$4"\n')
    loader.chmod(0o755)
    for _ in range(2):
        assert system.run(plugins["postfix_aliases"]).status == "ok"
    assert system.read("etc/mail/aliases.lmdb").startswith("VERSION=3\nformat=bytevalue\n")
    assert [path.name for path in (system.root / "etc/mail").iterdir()] == ["aliases.lmdb"]
    (system.root / "etc/mail/aliases.lmdb").unlink()
    loader.write_text("#!/bin/sh\nexit 1\n")
    system.run(plugins["postfix_aliases"])
    assert not list((system.root / "etc/mail").iterdir()) and len(errors()) == 1


def test_memtest86(system: FakeSystem, plugins: dict[str, Path], errors: Errors) -> None:
    system.write("boot/memtest86plus/memtest.efi", "MZ one")
    target = system.root / "run/initramfs/boot/efi/boot/memtest86.efi"
    boot = system.root / "run/initramfs/boot"
    system.write("proc/self/mountinfo", f"1 0 0:1 / / rw - overlay o rw\n2 1 0:2 / {boot} rw - vfat /dev/sda1 rw\n")
    system.run(plugins["memtest86"])
    assert not target.exists()  # a direct boot: there is no boot partition
    system.write("run/initramfs/boot/system.img", "")
    for text in ("MZ one", "MZ one", "MZ two"):
        system.write("boot/memtest86plus/memtest.efi", text)
        system.run(plugins["memtest86"])
        assert target.read_text() == text
    system.write("proc/self/mountinfo", f"2 1 0:2 / {boot} rw - iso9660 /dev/sr0 ro\n")
    target.unlink()
    system.run(plugins["memtest86"])
    assert not target.exists() and errors() == []
    system.write("proc/self/mountinfo", f"2 1 0:2 / {boot} rw - vfat /dev/sda1 rw\n")
    target.parent.rmdir()
    target.parent.write_text("in the way")
    system.run(plugins["memtest86"])
    assert len(errors()) == 1 and not list(boot.rglob("*.tmp"))
