# SPDX-License-Identifier: MIT
"""`vm usb` and `vm doctor`: what is there, on made-up machines and on this one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from genpack_vm import accel, cli, doctor, host, usb
from genpack_vm.arch import Arch
from genpack_vm.errors import UsageError

# usb


@pytest.fixture
def sysfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two hubs and a receiver with two interfaces, as Linux shows them."""
    top = tmp_path / "devices"

    def device(name: str, interfaces: dict[str, dict[str, str]], driver: str | None = None, **files: str) -> None:
        for folder, content in ((top / name, files), *((top / f"{name}:{i}", f) for i, f in interfaces.items())):
            folder.mkdir(parents=True)
            for file, text in content.items():
                (folder / file).write_text(f"{text}\n")
        for where in interfaces:
            # The kernel shows interfaces below their device and as a link beside it.
            (top / name / f"{name}:{where}").symlink_to(top / f"{name}:{where}")
            if driver:
                (top / f"{name}:{where}" / "driver").symlink_to(f"/drivers/{driver}")

    device("usb2", {}, busnum="2", devnum="1", idVendor="1d6b", idProduct="0003", bDeviceClass="09")
    device("usb1", {}, busnum="1", devnum="1", idVendor="1d6b", idProduct="0002", bDeviceClass="09")
    device(
        "1-2",
        {
            "1.0": {"bInterfaceNumber": "00", "bInterfaceClass": "03"},
            "1.1": {"bInterfaceNumber": "01", "bInterfaceClass": "08"},
        },
        driver="usbhid",
        busnum="1",
        devnum="10",
        idVendor="046d",
        idProduct="c52b",
        product="Receiver \x01<&>",
        speed="12",
    )
    monkeypatch.setattr(usb, "SYSFS", top)
    monkeypatch.setattr(usb.tree, "__defaults__", (top,))
    return top


def test_tree(sysfs: Path) -> None:
    devices = list(usb.tree())
    (receiver,) = [d for d in devices if d.get("path") == "1-2"]
    assert (receiver.get("vendor"), receiver.get("product"), receiver.get("address")) == ("046d", "c52b", "10")
    assert receiver.get("name") == "Receiver <&>"
    assert [dict(i.attrib) for i in receiver] == [
        {"number": "00", "class": "03", "driver": "usbhid"},
        {"number": "01", "class": "08", "driver": "usbhid"},
    ]


def test_order_is_by_number(sysfs: Path) -> None:
    assert [(d.get("bus"), d.get("address")) for d in usb.tree()] == [("1", "1"), ("1", "10"), ("2", "1")]


@pytest.mark.parametrize(
    ("xpath", "paths"),
    [
        ("//device[@vendor='046d']", ["1-2"]),
        ("device", ["usb1", "1-2", "usb2"]),
        ("//interface[@class='08']", ["1-2"]),  # in which it selects something
        ("//interface", ["1-2"]),
        ("//device[starts-with(@path, 'usb')][2]", ["usb2"]),
        ("//device[@vendor='ffff']", []),
    ],
)
def test_select(sysfs: Path, xpath: str, paths: list[str]) -> None:
    assert [d.get("path") for d in usb.select(usb.tree(), xpath)] == paths


@pytest.mark.parametrize("xpath", ["//device[", "", "//device/@vendor", "count(//device)", "'x'", "f()", "//x:device"])
def test_no_xpath(sysfs: Path, xpath: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match=r"is no XPath|selects no elements"):
        usb.select(usb.tree(), xpath)
    assert cli.execute(["usb", "-q", xpath]) == 2
    assert "Traceback" not in capfd.readouterr().err


def test_usb_command(sysfs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.execute(["usb", "-q", "//device[@product='c52b']"]) == 0
    out = capfd.readouterr().out
    assert out.startswith('<usb>\n  <device path="1-2" ')
    assert out.count("<device") == 1
    assert "&lt;&amp;&gt;" in out


def test_no_usb(tmp_path: Path) -> None:
    assert len(usb.tree(tmp_path / "none")) == 0


# doctor


def found(findings: list[doctor.Finding]) -> dict[str, doctor.Finding]:
    return {finding.piece: finding for finding in findings}


@pytest.mark.spawn
def test_this_machine(run_root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Every program of ci/apt-packages.txt is found, and what is said of KVM is what `vm run` goes by."""
    assert cli.execute(["doctor", "--format", "json"]) == 0
    data = json.loads(capfd.readouterr().out)
    assert data["version"] == 1
    pieces = {f["piece"]: f for f in data["findings"]}
    for piece in ("qemu-system-x86_64", "libsquashfuse", "UEFI for x86_64", "ssh", "scp", "qemu-img", "mkfs.btrfs"):
        assert pieces[piece]["found"], pieces[piece]
    choice = accel.choose(Arch.X86_64, accel.look(), None)
    assert pieces["KVM"]["found"] == (choice.reason is None)
    assert choice.reason is None or choice.reason in pieces["KVM"]["detail"]
    assert pieces["vhost-vsock"]["found"] == host.vsock_usable()
    assert cli.execute(["doctor"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == len(pieces)
    assert all(line.split()[0] in ("found", "missing") for line in lines)


@pytest.mark.spawn
def test_an_empty_machine(
    run_root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("VM_RUN_ROOT", "/dev/null/x")
    monkeypatch.setattr(doctor, "HELPERS", ())
    monkeypatch.setattr(doctor.firmware, "folders", lambda environment, home: ())
    monkeypatch.setattr(doctor.host, "vsock_usable", lambda: False)
    assert cli.execute(["doctor"]) == 1
    out, err = capfd.readouterr()
    assert out.startswith("missing  qemu-system-x86_64 ")
    assert "(Debian: qemu-system-x86, Gentoo: app-emulation/qemu)" in out
    assert "cannot use the run directory" in out
    for piece in ("virtiofsd", "qemu-bridge-helper", "vhost-vsock", "UEFI for x86_64", "scp"):
        assert not found(doctor.examine())[piece].found
    assert "no VM runs here without qemu-system-x86_64, run directory" in err


@pytest.mark.spawn
def test_a_qemu_that_does_not_start(run_root: Path, fake_program: Callable[[str, str], Path]) -> None:
    fake_program("qemu-system-x86_64", "exit 127")
    finding = found(doctor.examine())["qemu-system-x86_64"]
    assert (finding.found, finding.detail) == (False, "it does not start: ended with status 127")


def test_helpers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(doctor, "HELPERS", (str(tmp_path),))
    assert doctor.helper("virtiofsd") is None
    (tmp_path / "virtiofsd").touch(mode=0o644)
    assert doctor.helper("virtiofsd") is None
    (tmp_path / "virtiofsd").chmod(0o755)
    assert doctor.helper("virtiofsd") == tmp_path / "virtiofsd"
