# SPDX-License-Identifier: MIT
"""The QEMU command line of each feature against a file in tests/qemu, one word a line; what real QEMU takes of them.

`GOLDEN=1 pytest tests/test_devices.py` writes the files anew: read their difference before you keep it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Vm
from genpack_vm import cli, qemu_args, virtiofs
from genpack_vm.accel import Accel
from genpack_vm.arch import Arch
from genpack_vm.config import Bus, Disk, KernelBoot, MachineSpec
from genpack_vm.devices import Display, Gpu, Pci, Share, Usb
from genpack_vm.fwcfg import Item
from genpack_vm.net import SSH_FORWARD
from genpack_vm.nic import Kind, Nic
from test_qemu_args import SPEC

GOLDEN = Path(__file__).with_name("qemu")
MAC = "52:54:00:00:00:01"


def with_nic(kind: Kind, where: str = "", **more: Any) -> MachineSpec:
    return replace(SPEC, nics=(Nic(kind, MAC, where, **more),))


def screen(**fields: Any) -> MachineSpec:
    return replace(SPEC, display=Display(**fields))


def machine(arch: Arch, **fields: Any) -> MachineSpec:
    line = qemu_args.command_line("hello", arch, Accel.TCG, None)
    return replace(SPEC, arch=arch, cpu_model="max", boot=KernelBoot(10, 11, line), **fields)


SPECS = {
    "net-user": with_nic(Kind.USER, forwards=(SSH_FORWARD,), guest_forwards=("tcp:10.0.2.100:80-cmd:nc a,b",)),
    "net-bridge": with_nic(Kind.BRIDGE, "br0", vhost=True, helper="/usr/lib/qemu/qemu-bridge-helper"),
    "net-tap": with_nic(Kind.TAP, "tap0"),
    "net-multicast": with_nic(Kind.MULTICAST, "230.0.0.1:1234"),
    "net-macvtap": with_nic(Kind.MACVTAP, "macvtap0", vhost=True, fd=14),
    "net-vde": with_nic(Kind.VDE, "/run/switch,1"),
    "net-sriov": with_nic(Kind.SRIOV, "0000:01:10.0"),
    "net-two": replace(SPEC, nics=(Nic(Kind.USER, MAC), Nic(Kind.TAP, "52:54:00:00:00:02", "tap1", vhost=True))),
    "disks": replace(
        SPEC,
        disks=(
            Disk("system", Path("/i"), read_only=True, direct=True),
            Disk("data", Path("/d"), direct=True),
            Disk("swap", None),
            Disk("docker", Path("/docker")),
            Disk("disk1", Path("/one"), bus=Bus.AHCI, serial="a,b"),
            Disk("cdrom", Path("/c.iso"), read_only=True, bus=Bus.SCSI_CD),
        ),
    ),
    "virtiofs": replace(SPEC, virtiofs=Path("/run/vm/hello/virtiofs.sock")),
    "virtiofs-root": replace(
        SPEC,
        disks=(Disk("system", None), Disk("data", None), Disk("swap", None)),
        boot=KernelBoot(10, 11, qemu_args.command_line("hello", Arch.X86_64, Accel.KVM, None, folder=True)),
        virtiofs=Path("/run/vm/hello/virtiofs.sock"),
    ),
    "9p": replace(SPEC, shares=(Share(Path("/a,b"), "one"), Share(Path("/c"), "two"))),
    "usb": replace(SPEC, usb=(Usb(1, 4), Usb(node=Path("/dev/bus/usb/001/004")))),
    "pci": replace(SPEC, pci=(Pci("01:00.0", True, True, Path("/rom,1")), Pci("0000:02:00.0"))),
    "spice": screen(spice="5930", width=1024, height=768),
    "spice-socket-opengl": screen(spice="/run/s,1", gpu=Gpu.OPENGL, render_node="/dev/dri/renderD128"),
    "spice-qxl": screen(spice="0.0.0.0:5930", gpu=Gpu.QXL, outputs=2),
    "vnc": screen(vnc=":1"),
    "vnc-vulkan": screen(vnc="/run/v", gpu=Gpu.VULKAN),
    "window": screen(backend="gtk"),
    "window-opengl": screen(backend="sdl", gpu=Gpu.OPENGL),
    "hvc": replace(
        SPEC,
        hvc=True,
        boot=KernelBoot(10, 11, qemu_args.command_line("hello", Arch.X86_64, Accel.TCG, None, hvc=True)),
    ),
    "no-agent": replace(SPEC, guest_agent=False),
    "fw-cfg": replace(SPEC, fw_cfg=(Item("opt/a,b", value="c,d\ne"), Item("opt/f", file=Path("/f,g")))),
    "aarch64": machine(Arch.AARCH64, display=Display(vnc=":1")),
    "riscv64": machine(Arch.RISCV64, display=Display(vnc=":1", gpu=Gpu.OPENGL)),
}


@pytest.mark.parametrize("name", SPECS)
def test_golden(name: str) -> None:
    found = [word.replace("\\", "\\\\").replace("\n", "\\n") for word in qemu_args.build(SPECS[name], 12)]
    text = "".join(f"{word}\n" for word in found)
    path = GOLDEN / f"{name}.args"
    if os.environ.get("GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


def test_no_golden_file_without_its_feature() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(SPECS)


def test_virtiofsd() -> None:
    shared = virtiofs.Shared(Path("/s"), "never", "mandatory", 99)
    program = Path("/usr/libexec/virtiofsd")
    assert virtiofs.command(program, shared, 5, in_rust=True) == [
        "/usr/libexec/virtiofsd",
        "--fd=5",
        "--shared-dir=/s",
        "--xattr",
        "--modcaps=+sys_admin",
        "--cache=never",
        "--inode-file-handles=mandatory",
        "--announce-submounts",
        "--rlimit-nofile=99",
    ]
    options = "source=/s,cache=never,xattr,modcaps=+sys_admin,announce_submounts"
    in_c = virtiofs.command(program, shared, 5, in_rust=False)
    assert in_c == [str(program), "--fd=5", "-o", options, "--rlimit-nofile=99"]
    assert virtiofs.is_rust("virtiofsd 1.10.0")
    assert not virtiofs.is_rust("virtiofsd version 7.2.9 (Debian)\nusing FUSE kernel interface version 7.36")


@pytest.mark.qemu
def test_real_qemu_takes_them(vm: Vm, stub_image: Path, tmp_path: Path) -> None:
    """One VM with a VNC screen, 9p, virtiofs, a forwarding from the guest, and hvc0, which the stub does not use."""
    shared = tmp_path / "a folder"
    shared.mkdir()
    options = ["--vnc", vm.root / "vnc", "--resolution", "800x600", "--9p", f"{shared}:s", "--virtiofs-path", shared]
    forward = ["--guestfwd", "tcp:10.0.2.100:80-cmd:cat"]
    done = vm("run", "--detach", "--hvc", *options, *forward, stub_image)
    assert done.returncode == 0, done.stderr
    up = vm.up("stub")
    assert up.virtiofs == str(shared)
    assert (vm.root / "vnc").is_socket()
    assert vm("stop", "-w", "stub").returncode == 0
    vm.until(lambda: not (vm.root / "stub").exists())


@pytest.mark.qemu
def test_a_folder_as_an_image(vm: Vm, stub_image: Path, tmp_path: Path) -> None:
    """Kernel behind symlinks that stay inside the folder; the guest gets the folder as its root."""
    import guest

    boot = tmp_path / "top" / "boot"
    boot.mkdir(parents=True)
    (boot / "vmlinuz-2").write_bytes(guest.kernel())
    (boot / "kernel").symlink_to("/boot/vmlinuz-2")
    log = tmp_path / "log"
    child = vm.start("run", "--name", "top", "--console-log", log, tmp_path / "top")
    vm.until(lambda: log.exists() and "STUB GUEST" in log.read_text(), 60)
    words = Path(f"/proc/{vm.up('top').pid}/cmdline").read_text()
    assert "root=fs rootfstype=virtiofs rw " in words
    assert "vhost-user-fs-pci" in words
    assert vm("stop", "-w", "top").returncode == 0
    assert child.wait(20) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--9p", "x"], "--9p 'x' is not PATH:TAG"),
        (["--9p", "/nonexistent:t"], "--9p: there is no folder /nonexistent"),
        (["--pci", "x"], "--pci 'x' is not a PCI address"),
        (["--pci", "01:00.0,vgaa"], "--pci '01:00.0,vgaa': 'vgaa' is unknown"),
        (["--display", "gkt"], "--display 'gkt' is unknown"),
        (["--spice", "70000"], "--spice '70000' is no place"),
        (["--vnc", "x"], "--vnc 'x' is no place"),
        (["--vnc", ":1", "--resolution", "axb"], "--resolution 'axb' is not a resolution"),
        (["--vnc", ":1", "--gpu-max-outputs", "0"], "--gpu-max-outputs 0"),
        (["--vnc", ":1", "--rendernode", "/nonexistent"], "--rendernode: there is no /nonexistent"),
        (["--accel", "3d"], "--accel '3d' is unknown"),
        (["--accel", "opengl"], "--accel needs --display, --spice or --vnc"),
        (["--usb", "//device[@vendor='none']"], "selects no device"),
        (["--virtiofs-path", "/nonexistent"], "--virtiofs-path: there is no folder /nonexistent"),
    ],
)
def test_bad_options(
    options: list[str], message: str, stub_image: Path, run_root: Path, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert cli.execute(["run", *options, str(stub_image)]) == 2
    assert message in capfd.readouterr().err


def test_without_virtiofsd(
    stub_image: Path,
    run_root: Path,
    home: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    fake_program: Callable[[str, str], Path],
) -> None:
    monkeypatch.setattr("genpack_vm.doctor.HELPERS", ())
    assert cli.execute(["run", "--virtiofs-path", str(tmp_path), str(stub_image)]) == 1
    assert "virtiofsd is required to share a folder with a VM" in capfd.readouterr().err
