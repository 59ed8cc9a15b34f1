# SPDX-License-Identifier: MIT
"""`vm service`: a folder as a VM, systemd's protocol by a real socket, a real QEMU and virtiofsd, all ways to end."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Vm, lines
from genpack_vm import info, service
from genpack_vm.config import Boot, Bus
from genpack_vm.errors import UsageError
from genpack_vm.notify import notify

Folder = Callable[..., Path]


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch, run_root: Path) -> Iterator[socket.socket]:
    """systemd's end of the protocol."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as here:
        here.bind(str(run_root / ".notify"))
        here.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(run_root / ".notify"))
        yield here


def until(manager: socket.socket, line: str) -> list[str]:
    """The lines up to the one wanted."""
    said: list[str] = []
    while line not in said:
        said += manager.recv(4096).decode().splitlines()
    return said


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A VM's folder; files are text, or the target of a symlink."""

    def make(ini: str | None = None, **files: str | Path) -> Path:
        top = tmp_path / "web"
        top.mkdir()
        if ini is not None:
            (top / "vm.ini").write_text(ini)
        for name, content in files.items():
            if isinstance(content, Path):
                (top / name).symlink_to(content)
            else:
                (top / name).write_text(content)
        return top

    return make


def left(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if not path.name.startswith("."))


@pytest.mark.qemu
def test_from_start_to_power_down(vm: Vm, manager: socket.socket, folder: Folder, stub_image: Path) -> None:
    """Only `system` is there: the defaults do. SIGTERM is a clean end."""
    top = folder(system=stub_image)
    child = vm.start("service", top)
    said = until(manager, "READY=1")
    assert any(line.startswith("STATUS=reading") for line in said)
    up = vm.up("web")
    assert (up.image, up.memory, up.virtiofs) == (str(top / "system"), 2048, str(top / "fs"))
    assert (top / "fs").is_dir()
    argv = Path(f"/proc/{up.pid}/cmdline").read_text().split("\0")
    assert "vhost-user-fs-pci,chardev=fs,tag=fs,queue-size=1024" in argv
    assert vm("list", "-q").stdout == "web\n"
    log = vm.root / "web" / "console.log"
    vm.until(lambda: "STUB GUEST" in log.read_text())
    daemons = [int(p) for p in Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()]
    assert len(daemons) == 2
    child.send_signal(signal.SIGTERM)
    assert "STATUS=asked the guest to power down" in until(manager, "STOPPING=1")
    _, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    assert until(manager, "STATUS=ended")
    assert left(vm.root) == []
    assert [info.start_ticks(pid) for pid in daemons] == [None, None]


@pytest.mark.qemu
def test_a_guest_that_ignores_the_power_button(
    vm: Vm, manager: socket.socket, folder: Folder, deaf_image: Path
) -> None:
    child = vm.start("service", "--name", "deaf", folder("stop_timeout = 1\nmemory = 256\n", system=deaf_image))
    until(manager, "READY=1")
    child.send_signal(signal.SIGTERM)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 1
    assert "deaf was ended by SIGTERM: the guest did not power down in time" in err
    assert until(manager, "STATUS=the guest did not power down; QEMU was ended")
    assert left(vm.root) == []


@pytest.mark.qemu
def test_the_end_of_qemu_is_reported(vm: Vm, manager: socket.socket, folder: Folder, stub_image: Path) -> None:
    child = vm.start("service", folder(system=stub_image))
    until(manager, "READY=1")
    os.kill(vm.up("web").pid, signal.SIGKILL)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 1
    assert "QEMU of web was killed by SIGKILL" in err
    assert left(vm.root) == []


@pytest.mark.qemu
def test_a_mistake_starts_nothing(vm: Vm, manager: socket.socket, folder: Folder, stub_image: Path) -> None:
    top = folder("memroy = 1\n", system=stub_image)
    done = vm("service", top)
    assert (done.returncode, done.stdout) == (2, "")
    assert lines(done.stderr) == [f"vm: error: {top}/vm.ini:1: there is no key memroy; did you mean memory?"]
    assert not (top / "fs").exists()
    assert f"STATUS={top}/vm.ini:1: there is no key memroy; did you mean memory?" in until(manager, "ERRNO=2")


def test_everything_in_a_folder(folder: Folder, tmp_path: Path) -> None:
    image, rom = tmp_path / "i.squashfs", tmp_path / "rom"
    image.write_text("i")
    rom.write_text("r")
    top = folder(
        f"""
memory = 512
append = quiet
kvm = no
qga = no
spice = 127.0.0.1:5930
accel = qxl
resolution = 800x600
[net0]
interface = user
hostfwd = 8080-80, 2222-22
mac = 52:54:00:00:00:01
[net1]
interface = 230.0.0.1:1234
vhost = no
[disk1]
virtio = no
serial = other
[pci0]
id = 01:00.0
vga = yes
romfile = {rom}
[firmware-string]
greeting = @hello
[application]
Key = value
[virtiofs]
cache = always
""",
        **{
            "system": image,
            "data": "d",
            "swapfile": "s",
            "docker": "x",
            "disk0": "0",
            "disk1": "1",
            "system.ini": "a=b\n",
        },
        usb0=Path("/dev/null"),
        cdrom=image,
    )
    found = service.read(top, None, "br7")
    assert (found.name, found.boot, found.image) == ("web", Boot.DIRECT, top / "system")
    assert (found.memory, found.append, found.kvm, found.guest_agent) == (512, "quiet", False, False)
    assert (found.data_file, found.swap, found.cdrom) == (top / "data", top / "swapfile", top / "cdrom")
    assert found.system_ini == top / "system.ini"
    assert [(d.label, d.bus, d.serial) for d in found.more_disks] == [
        ("docker", Bus.VIRTIO, None),
        ("disk0", Bus.VIRTIO, None),
        ("disk1", Bus.AHCI, "other"),
    ]
    assert [(r.interface, r.mac, r.vhost) for r in found.interfaces] == [
        ("user", "52:54:00:00:00:01", True),
        ("230.0.0.1:1234", None, False),
    ]
    assert found.hostfwd == ("8080-80", "2222-22")
    assert found.display is not None
    assert (found.display.spice, found.display.gpu.value, found.display.width) == ("127.0.0.1:5930", "qxl", 800)
    assert [(p.address, p.vga, p.rom) for p in found.pci] == [("01:00.0", True, rom)]
    assert [(i.name, i.value) for i in found.items] == [
        ("opt/greeting", "@hello"),
        ("opt/application.ini", "Key=value\n"),
    ]
    assert [u.node for u in found.usb] == [Path("/dev/null")]
    assert found.virtiofs is not None
    assert (found.virtiofs.folder, found.virtiofs.cache) == (top / "fs", "always")


def test_a_folder_with_a_kernel_in_fs(folder: Folder) -> None:
    top = folder("")
    (top / "fs" / "boot").mkdir(parents=True)
    assert service.read(top, "x", "user").image == top / "fs"


@pytest.mark.parametrize(
    ("ini", "message"),
    [
        ("[net0]\ninterface = user\n[net1]\ninterface = user\n", "vm.ini:4: a second user network"),
        ("[net0]\nmac = zz\n", "vm.ini:2: mac: 'zz' is not a MAC address"),
        ("[net0]\nmac = 53:54:00:00:00:01\n", "vm.ini:2: mac: .* is a multicast address"),
        ("[net0]\ninterface = nosuch\n", "vm.ini:2: -i 'nosuch': there is no such network interface"),
        ("[net0]\nbridge = lo\ninterface = user\n", "vm.ini:2: bridge and interface are two names"),
        ("[net0]\nhostfwd = x-80\n", "vm.ini:2: --hostfwd 'x-80' is not a port forwarding"),
        ("[net0]\ninterface = 230.0.0.1:1\nhostfwd = 1-2\n", "vm.ini:3: hostfwd is for the user network"),
        ("[disk4]\nserial = x\n", r"vm.ini:1: \[disk4\] says how .*/disk4 is attached, which is not there"),
        ("[pci0]\nid = 99\n", "vm.ini:2: id '99' is not a PCI address"),
        ("spice = x\n", "vm.ini:1: spice 'x' is no place"),
        ("vnc = :1\nresolution = axb\n", "vm.ini:2: resolution 'axb' is not a resolution"),
        ("resolution = 800x600\n", "vm.ini:1: resolution needs"),
        ("[firmware-string]\na b = c\n", "vm.ini:2: .* is not a name"),
        ("type = bios\nappend = x\n", "vm.ini:2: append is for type = genpack"),
    ],
)
def test_mistakes(folder: Folder, tmp_path: Path, ini: str, message: str) -> None:
    image = tmp_path / "image"
    image.write_text("i")
    top = folder(ini, system=image)
    with pytest.raises(UsageError, match=message):
        service.read(top, None, "user")
    assert not (top / "fs").exists()


def test_folders_that_are_none(folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a folder"):
        service.read(tmp_path / "none", None, "user")
    top = folder("type = uefi\n")
    with pytest.raises(UsageError, match="has no `system`, the disk that uefi boots"):
        service.read(top, None, "user")
    (top / "vm.ini").write_text("")
    with pytest.raises(UsageError, match="neither `system` nor a kernel in fs/boot"):
        service.read(top, None, "user")
    (top / "vm.ini").write_bytes(b"append = \xff\n")
    with pytest.raises(UsageError, match=r"cannot read .*vm\.ini"):
        service.read(top, None, "user")


def test_notify_by_an_abstract_socket() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as here:
        here.bind(f"\0vm-test-{os.getpid()}")
        notify({"NOTIFY_SOCKET": f"@vm-test-{os.getpid()}"}, "READY=1", "STATUS=x")
        assert here.recv(100) == b"READY=1\nSTATUS=x"
    notify({"NOTIFY_SOCKET": "/nonexistent/socket"}, "READY=1")
    notify({}, "READY=1")
