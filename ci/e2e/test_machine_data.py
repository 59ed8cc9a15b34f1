# SPDX-License-Identifier: MIT
"""Two boots of the hello image on one Btrfs data disk, which also carries system.ini and two plugins that misbehave.

The disk is made without a mount: what lies below root/ on it is the writable layer of the overlay.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from harness.commands import run
from harness.machine import Machine, Timing

RAISES = """\
# SPDX-License-Identifier: MIT
def configure(ini):
    raise RuntimeError("this plugin raises on purpose")
"""
EXITS = """\
# SPDX-License-Identifier: MIT
import os
def configure(ini):
    os._exit(3)
"""
INI = "hostname = {hostname}\ntimezone = {timezone}\nssh_pubkey = {key}\n"
PLUGINS = "usr/lib/genpack-init"
SIZE_MIB = 512
#: What the two plugins are expected to leave on the console.
ON_PURPOSE = r"Traceback \(most recent call last\)"


def make_disk(path: Path, tree: Path) -> None:
    """A data disk with the files of `tree`."""
    with path.open("wb") as file:
        file.truncate(SIZE_MIB << 20)
    run("mkfs.btrfs", "-q", "-L", "data", "--rootdir", tree, path).ok()


@pytest.fixture(scope="module")
def disk(ssh_key: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("disk")
    tree = folder / "tree"
    plugins = tree / "root" / PLUGINS
    plugins.mkdir(parents=True)
    # The first and the last in byte order: between them every other plugin runs.
    (plugins / "00-raises.py").write_text(RAISES)
    (plugins / "zz-exits.py").write_text(EXITS)
    key = ssh_key.with_suffix(".pub").read_text().strip()
    ini = tree / "system.ini"
    ini.write_text(INI.format(hostname="lotus", timezone="Europe/Berlin", key=key))
    ini.chmod(0o600)
    path = folder / "data.btrfs"
    make_disk(path, tree)
    return path


def machine(
    name: str, image: Path, disk: Path, key: Path, cache: Path, timing: Timing, watched: list[Machine]
) -> Machine:
    options = ("--data-file", disk)
    made = Machine(name, image, work=disk.parent, keep=cache / "logs", key=key, options=options, timing=timing)
    watched.append(made)
    return made


def check_disk(disk: Path) -> None:
    result = run("btrfs", "check", disk)
    assert result.status == 0, str(result)
    assert "no error found" in result.output


@pytest.fixture(scope="module")
def first_boot(
    hello_image: Path, disk: Path, ssh_key: Path, cache: Path, timing: Timing, watched: list[Machine]
) -> dict[str, str]:
    """What the first boot said, and what it left to find; the machine is off afterwards."""
    with machine("e2e-data-1", hello_image, disk, ssh_key, cache, timing, watched) as vm:
        vm.booted()
        said = {
            "pid1": vm.out("cat /proc/1/comm"),
            "hostname": vm.out("cat /proc/sys/kernel/hostname"),
            "timezone": vm.out("readlink /etc/localtime"),
            "rw": vm.out("awk '$2 == \"/run/initramfs/rw\" {print $3}' /proc/mounts"),
            "log": vm.out("cat /var/log/genpack-init.log"),
            "kernel": vm.out("dmesg"),
            "machine-id": vm.out("cat /etc/machine-id"),
            "host-key": vm.out("cat /etc/ssh/ssh_host_ed25519_key.pub"),
            "ini-mode": vm.out("stat -c %a /run/initramfs/rw/system.ini"),
        }
        # For the second boot: a file, another system.ini, no more bad plugins.
        vm.out(
            "echo kept > /root/file"
            " && sed -i 's/lotus/iris/; s#Europe/Berlin#Asia/Tokyo#' /run/initramfs/rw/system.ini"
            f" && rm /{PLUGINS}/00-raises.py /{PLUGINS}/zz-exits.py"
        )
        vm.power_off()
        said["trouble"] = "\n".join(vm.console.trouble(ON_PURPOSE))
    check_disk(disk)
    return said


def test_a_plugin_that_raises_and_one_that_exits_do_not_stop_the_boot(first_boot: dict[str, str]) -> None:
    assert first_boot["pid1"] == "systemd"
    assert "this plugin raises on purpose" in first_boot["log"]
    assert "00-raises" in first_boot["log"]
    # PID 1 itself saw the other one end its child.
    assert re.search(r"genpack-init: .*\bstatus 3\b.*zz-exits\.py", first_boot["kernel"])
    assert first_boot["trouble"] == ""


def test_system_ini_of_the_data_disk_is_applied(first_boot: dict[str, str]) -> None:
    assert first_boot["hostname"] == "lotus"
    assert first_boot["timezone"].endswith("Europe/Berlin")
    assert first_boot["rw"] == "btrfs"
    assert first_boot["ini-mode"] == "600"


def test_second_boot_finds_what_the_first_left(
    first_boot: dict[str, str],
    hello_image: Path,
    disk: Path,
    ssh_key: Path,
    cache: Path,
    timing: Timing,
    watched: list[Machine],
) -> None:
    with machine("e2e-data-2", hello_image, disk, ssh_key, cache, timing, watched) as vm:
        vm.booted()
        assert vm.out("cat /root/file") == "kept"
        assert vm.out("cat /etc/machine-id") == first_boot["machine-id"]
        assert vm.out("cat /etc/ssh/ssh_host_ed25519_key.pub") == first_boot["host-key"]
        assert vm.out("cat /proc/sys/kernel/hostname") == "iris"
        assert vm.out("date +%Z") == "JST"
        assert vm.out("cat /run/hello/greeting") == "Hello from hello on iris"
        state = json.loads(vm.out("cat /run/genpack-init.json"))
        assert (state["failed"], state["run"] > 0) == (0, True)
        # A key that is there already is not added again.
        assert len(vm.out("cat /root/.ssh/authorized_keys").splitlines()) == 1
        vm.power_off()
        assert vm.console.trouble() == []
    check_disk(disk)
