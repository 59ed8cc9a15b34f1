# SPDX-License-Identifier: MIT
"""The functions that plugins import."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path, PosixPath

import pytest

import genpack_init
from genpack_init import GenpackInitError, paths, platform
from genpack_init.ownership import new_mode
from genpack_init.testing import FakeSystem

PASSWD = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1001::/home/alice:/bin/sh\n"
GROUP = "root:x:0:\nusers:x:1001:alice\n"


def test_paths() -> None:
    assert genpack_init.root_path() == PosixPath("/")
    assert genpack_init.root_path("/etc", "hostname") == PosixPath("/etc/hostname")
    assert genpack_init.root_path("//etc", "/passwd") == PosixPath("/etc/passwd")
    assert genpack_init.boot_path("system.ini") == PosixPath("/run/initramfs/boot/system.ini")
    assert genpack_init.ro_path("/usr") == PosixPath("/run/initramfs/ro/usr")
    assert genpack_init.rw_path(PosixPath("x"), "y") == PosixPath("/run/initramfs/rw/x/y")


def test_paths_below_a_root(system: FakeSystem) -> None:
    assert genpack_init.root_path("/etc") == system.root / "etc"
    assert genpack_init.rw_path() == system.root / "run/initramfs/rw"
    assert not paths.is_real_root()


def test_replace_file(system: FakeSystem) -> None:
    path = system.root / "new/folder/file"
    assert genpack_init.replace_file(path, "é\n", 0o600)
    assert path.read_text() == "é\n" and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not genpack_init.replace_file(path, "é\n", 0o600)
    assert genpack_init.replace_file(path, "é\n", 0o644)
    victim = system.write("victim", "é\n")
    path.unlink()
    path.symlink_to(victim)
    (path.parent / "file.tmp").symlink_to(victim)
    assert genpack_init.replace_file(path, "mine\n")
    assert victim.read_text() == "é\n" and not path.is_symlink()
    assert sorted(p.name for p in path.parent.iterdir()) == ["file"]


def test_platform(system: FakeSystem) -> None:
    assert not genpack_init.is_qemu() and not genpack_init.is_raspberry_pi()
    system.write("sys/class/dmi/id/sys_vendor", "QEMU\n")
    system.write("proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0")
    assert genpack_init.is_qemu() and genpack_init.is_raspberry_pi()


def test_firmware_config(system: FakeSystem) -> None:
    assert genpack_init.read_qemu_firmware_config("opt/vmname") is None
    system.firmware_config("opt/vmname", b"orchid\xff")
    assert genpack_init.read_qemu_firmware_config("opt/vmname") == "orchid\ufffd"
    assert genpack_init.read_qemu_firmware_config("opt/vmname", binary=True) == b"orchid\xff"


def test_kernel_option(system: FakeSystem) -> None:
    assert genpack_init.kernel_option("ro") is None
    system.write("proc/cmdline", 'ro a=1 a=2 b="x" c=d=e\n')
    assert [genpack_init.kernel_option(name) for name in ("ro", "a", "b", "c", "d")] == ["", "2", "x", "d=e", None]


def test_modprobe_only_in_qemu(system: FakeSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(platform, "spawn_quietly", lambda argv: calls.append(argv) or 0)
    platform.load_firmware_config()
    assert calls == []
    system.write("sys/class/dmi/id/sys_vendor", "QEMU\n")
    platform.load_firmware_config()
    assert calls == [["modprobe", "-q", "qemu_fw_cfg"]]
    system.firmware_config("opt/vmname", "x")
    platform.load_firmware_config()
    assert len(calls) == 1


def test_coldplug(system: FakeSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(platform, "spawn_quietly", lambda argv: calls.append(argv) or 0)
    system.write("sys/devices/pci0/modalias", "pci:b\n")
    system.write("sys/devices/pci0/child/modalias", "-pci:a\n")
    system.write("sys/devices/other/modalias", "pci:b\n")
    genpack_init.coldplug()
    assert calls == [["modprobe", "-a", "-b", "-q", "--", "-pci:a", "pci:b"]]


def test_block_device_absent_or_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert genpack_init.get_block_device_info("/dev/no-such-device") is None
    assert genpack_init.get_block_device_info(tmp_path / "file") is None
    assert genpack_init.get_partition_info("/dev/no-such-device") is None


def test_block_device() -> None:
    seen = 0
    for folder in Path("/sys/block").glob("*"):
        device = Path("/dev", folder.name)
        try:
            os.close(os.open(device, os.O_RDONLY | os.O_NONBLOCK))
        except OSError:
            continue  # a container may list disks that it must not open
        info = genpack_init.get_block_device_info(device)
        assert info is not None and info["name"] == device
        assert info["logical_sector_size"] == int((folder / "queue/logical_block_size").read_text())
        assert info["physical_sector_size"] == int((folder / "queue/physical_block_size").read_text())
        assert info["num_logical_sectors"] >= 0
        seen += 1
    if not seen:
        pytest.skip("no readable block device here")


def test_partition_info_of_real_swap(tmp_path: Path) -> None:
    """mkswap and blkid for real, on a file."""
    file = tmp_path / "disk"
    file.write_bytes(bytes(1 << 20))
    file.chmod(0o600)
    info = genpack_init.get_partition_info(file)
    assert info == {"name": file, "uuid": None, "type": None}
    assert genpack_init.mkswap(file, label="spare") == 0
    info = genpack_init.get_partition_info(file)
    assert info is not None and info["type"] == "swap" and len(info["uuid"]) == 36


def fake_tool(folder: Path, name: str, status: int = 0) -> Path:
    """A program that writes its arguments to FOLDER/NAME.log."""
    tool = folder / name
    tool.write_text(f'#!/bin/sh\necho "$0 says hello"\nprintf "%s\\n" "$@" >"$0.log"\nexit {status}\n')
    tool.chmod(0o755)
    return folder / f"{name}.log"


def test_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    log = {name: fake_tool(tmp_path, name) for name in ("parted", "mkfs.btrfs", "mkfs.vfat", "mkfs.ext4", "mkswap")}
    caplog.set_level("INFO")
    assert genpack_init.parted("/dev/x", "mklabel gpt") == 0
    assert log["parted"].read_text().split() == ["--script", "/dev/x", "mklabel", "gpt"]
    assert genpack_init.mkfs(Path("/dev/x"), "btrfs", "data-1") == 0
    assert log["mkfs.btrfs"].read_text().split() == ["-f", "-L", "data-1", "/dev/x"]
    assert genpack_init.mkfs("/dev/x", "vfat", label="BOOT") == 0
    assert log["mkfs.vfat"].read_text().split() == ["-n", "BOOT", "/dev/x"]
    assert genpack_init.mkfs("/dev/x", "ext4") == 0
    assert log["mkfs.ext4"].read_text().split() == ["-F", "/dev/x"]
    assert genpack_init.mkswap("/dev/x") == 0
    assert log["mkswap"].read_text().split() == ["/dev/x"]
    assert any("says hello" in message for message in caplog.messages)
    fake_tool(tmp_path, "parted", 3)
    assert genpack_init.parted("/dev/x", "print") == 3
    with pytest.raises(GenpackInitError, match="parted --script /dev/x print: exited with status 3"):
        genpack_init.parted("/dev/x", "print", check=True)
    assert genpack_init.mkfs("/dev/x", "nosuchfs") == 127


def test_program_that_dies(tmp_path: Path) -> None:
    with pytest.raises(GenpackInitError, match="died of SIGTERM"):
        genpack_init.run(["sh", "-c", "kill $$"], check=True)
    assert genpack_init.run(["sleep", "20"], timeout=0.1) == 137
    with pytest.raises(GenpackInitError, match="was not found"):
        genpack_init.run(["no-such-program"], check=True)


def test_mount_arguments(system: FakeSystem) -> None:
    target = system.root / "t"
    assert genpack_init.mount("/dev/x", target, fstype="btrfs", options="ro,noatime,rw,compress=zstd,subvol=a") == 0
    assert genpack_init.mount(target, target, options="bind") == 0
    assert genpack_init.umount(target) == 0
    assert system.calls == [
        ("mount", "/dev/x", str(target), "btrfs", "1024", "compress=zstd,subvol=a"),
        ("mount", str(target), str(target), "", "4096", ""),
        ("umount", str(target), "0"),
    ]
    system.status = errno.EBUSY
    assert genpack_init.umount(target) == errno.EBUSY
    with pytest.raises(OSError, match="Device or resource busy") as caught:
        genpack_init.umount(target, check=True)
    assert caught.value.errno == errno.EBUSY


def test_native_mount_fails_with_errno(tmp_path: Path) -> None:
    status = genpack_init.umount(tmp_path / "none")
    assert status in (errno.ENOENT, errno.EPERM)


def test_mount_info(system: FakeSystem) -> None:
    system.write(
        "proc/self/mountinfo",
        "1 0 0:1 / / rw - overlay root rw,lowerdir=/x\n"
        "2 1 0:2 / /mnt/a\\040b rw,noatime shared:1 - ext4 /dev/s\\040x rw,errors=remount-ro\n"
        "3 1 0:3 / /mnt rw - tmpfs tmpfs rw\n4 1 0:4 / / ro - squashfs late ro\n",
    )
    info = genpack_init.get_mount_info("/mnt/a b/file")
    assert info == {
        "source": "/dev/s x", "target": "/mnt/a b", "fstype": "ext4", "options": "rw,noatime,errors=remount-ro",
    }  # fmt: skip
    assert genpack_init.get_mount_info("/mnt/a")["fstype"] == "tmpfs"
    assert genpack_init.get_mount_info("/mntx")["source"] == "late"


def test_mount_info_here() -> None:
    assert genpack_init.get_mount_info("/proc/self/status")["fstype"] == "proc"


# systemctl --root makes the same links; see the comparison below
UNITS = {
    "plain.service": "[Unit]\n[Install]\nWantedBy=multi-user.target \\\n  graphical.target\nAlias=other.service\n",
    "also.service": "[Install]\nAlso=plain.service also.service\nRequiredBy=x.target\n",
    "inst@.service": "[Install]\nDefaultInstance=tty1\nWantedBy=getty.target\n",
    "bare.service": "[Service]\nExecStart=/bin/true\n",
}


def links(root: Path) -> dict[str, str]:
    top = root / "etc/systemd/system"
    return {str(p.relative_to(top)): str(p.readlink()) for p in sorted(top.rglob("*")) if p.is_symlink()}


@pytest.mark.parametrize("unit", ["plain.service", "also.service", "inst@.service", "inst@ttyS0.service"])
def test_enable_as_systemctl_does(system: FakeSystem, tmp_path_factory: pytest.TempPathFactory, unit: str) -> None:
    import shutil
    import subprocess

    other = tmp_path_factory.mktemp("systemctl")
    for root in (system.root, other):
        for name, text in UNITS.items():
            path = root / "usr/lib/systemd/system" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    assert genpack_init.enable_systemd_service(unit) == 0
    found = links(system.root)
    assert found
    if shutil.which("systemctl"):
        subprocess.run(["systemctl", f"--root={other}", "enable", unit], check=True, capture_output=True)
        assert found == links(other)
    assert genpack_init.disable_systemd_service(unit) == 0
    left = links(system.root)
    assert unit != "plain.service" or left == {}
    if shutil.which("systemctl"):
        subprocess.run(["systemctl", f"--root={other}", "disable", unit], check=True, capture_output=True)
        if unit != "also.service":  # systemctl disables what Also= names too
            assert left == links(other)


def test_enable_without_suffix_and_missing(system: FakeSystem, caplog: pytest.LogCaptureFixture) -> None:
    system.write("usr/lib/systemd/system/plain.service", UNITS["plain.service"])
    assert genpack_init.enable_systemd_service("plain") == 0
    assert "multi-user.target.wants/plain.service" in links(system.root)
    assert genpack_init.enable_systemd_service("nothing") == 1
    assert caplog.messages[-1] == "cannot enable nothing.service: no such unit"
    (system.root / "etc/systemd/system/masked.service").symlink_to("/dev/null")
    assert genpack_init.enable_systemd_service("masked") == 1
    assert genpack_init.disable_systemd_service("masked") == 0
    assert (system.root / "etc/systemd/system/masked.service").is_symlink()


@pytest.fixture
def owned(system: FakeSystem, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    system.write("etc/passwd", PASSWD)
    system.write("etc/group", GROUP)
    calls: list[tuple[str, int, int]] = []

    def fake(path: str, uid: int, gid: int, *, follow_symlinks: bool) -> None:
        assert not follow_symlinks
        calls.append((os.path.relpath(path, system.root), uid, gid))

    monkeypatch.setattr(os, "chown", fake)
    return calls


def test_chown_forms(system: FakeSystem, owned: list[tuple[str, int, int]]) -> None:
    file = system.write("d/f", "")
    assert genpack_init.chown("alice", file) == 0
    genpack_init.chown("alice", file, file.parent, group="users")
    genpack_init.chown("7", system.root / "d", recursive=True)
    assert owned == [("d/f", 1000, -1), ("d/f", 1000, 1001), ("d", 1000, 1001), ("d", 7, -1), ("d/f", 7, -1)]
    assert genpack_init.chown("bob", file) == errno.EINVAL
    with pytest.raises(GenpackInitError, match="no such user: bob"):
        genpack_init.chown("bob", file, check=True)


def test_chgrp_forms(system: FakeSystem, owned: list[tuple[str, int, int]]) -> None:
    file = system.write("f", "")
    assert genpack_init.chgrp("users", file) == 0
    genpack_init.chgrp(file, group="users")
    genpack_init.chgrp(file, user="users")  # the name that the keyword once had
    assert owned == [("f", -1, 1001)] * 3
    assert genpack_init.chgrp("nobody", file) == errno.EINVAL
    with pytest.raises(GenpackInitError, match="no such group: nobody"):
        genpack_init.chgrp("nobody", file, check=True)
    with pytest.raises(TypeError):
        genpack_init.chgrp()


def test_chmod(system: FakeSystem) -> None:
    file = system.write("d/f", "")
    (system.root / "d/link").symlink_to("/etc/passwd")
    assert genpack_init.chmod("640", file) == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    genpack_init.chmod("u=rwX,go=", system.root / "d", recursive=True)
    assert (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(file.parent.stat().st_mode)) == (0o600, 0o700)
    genpack_init.chmod(0o644, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert genpack_init.chmod("u*x", file) == errno.EINVAL
    assert genpack_init.chmod("644", system.root / "none") == errno.ENOENT
    with pytest.raises(GenpackInitError, match="not a mode: u\\*x"):
        genpack_init.chmod("u*x", file, check=True)
    with pytest.raises(FileNotFoundError):
        genpack_init.chmod("644", system.root / "none", check=True)


@pytest.mark.parametrize("old", [0o644, 0o755, 0o4711, 0o1777, 0o000])
@pytest.mark.parametrize("mode", ["u+x", "go-rwx", "a=r", "+x", "u=rwx,g=u,o=", "ug+s", "+t", "a+X", "=rw", "u-s,g+w"])
def test_symbolic_modes_as_chmod_does(tmp_path: Path, old: int, mode: str) -> None:
    import subprocess

    file = tmp_path / "f"
    file.write_text("")
    file.chmod(old)
    subprocess.run(["chmod", mode, file], check=True, umask=0)
    assert oct(new_mode(mode, old, False)) == oct(stat.S_IMODE(file.stat().st_mode))


def test_password_hashes() -> None:
    text = genpack_init.hash_password("sesame")
    assert text.startswith("$") and genpack_init.is_password_of("sesame", text)
    assert text != genpack_init.hash_password("sesame")
    assert not genpack_init.is_password_of("other", text)
    assert not genpack_init.is_password_of("sesame", "*")
    known = "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/"
    assert genpack_init.is_password_of("password", known)
