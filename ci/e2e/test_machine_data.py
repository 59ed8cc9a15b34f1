# SPDX-License-Identifier: MIT
"""Three boots of the hello image on one Btrfs data disk, which also carries system.ini and plugins that misbehave:
the first boot, one with nothing changed, one with every key changed.

The disk is made without a mount: what lies below root/ on it is the writable layer of the overlay.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from harness.commands import run
from harness.machine import STOP_LIMIT, Machine, Timing
from harness.plugins import EXITS, FORKS, MOUNTS, QUITS, RAISES

REPO = Path(__file__).resolve().parents[2]
#: Plain text, in which the reader has to see a percent sign, a semicolon and a hash sign.
PASSWORD = "s;e#same%1"
FIRST_INI = f"""\
hostname = lotus
timezone = Europe/Berlin
locale = ja_JP.UTF-8
keymap = jp106
root_password = {PASSWORD.replace("%", "%%")}
autologin = yes
ntp = 192.0.2.123 ntp.example.org
swapfile = perhaps
ssh_pubkey = {{key}}
"""
#: 10.0.2.15 is the one that QEMU's network forwards to; the others are seen in the guest alone.
CHANGED_INI = """\
hostname = iris
greeting = Guten Tag
timezone = Asia/Tokyo
locale = de_DE.UTF-8
keymap = us
root_password = {hashed}
autologin = no
swapfile = no
ssh_pubkey = {key}
[network:{link}]
address = 10.0.2.15/24 192.0.2.10/24 2001:db8::10/64
gateway = 10.0.2.2
dns = 192.0.2.53
domains = example.org
mtu = 1400
vlan = 30 40
[network:{link}.30]
address = 198.51.100.2/24
[network:{link}.40]
bridge = br0
[network:br0]
address = 203.0.113.1/24
"""
#: crypt(5) of "changed", SHA-512.
HASHED = "$6$saltsalt$xDrMCoCSsBWt0sUUEhib9k4XyuzorE/Cy.p8vW2kPuFL11C2vssxWtqahFC17fGDdU7D93VtnRfRvymd7unSL/"
PLUGINS = "usr/lib/genpack-init"
# In the guest: a shutdown of a namespace whose root is an overlay over an image on a FAT partition.
SHUTDOWN = r"""
unshare --mount --pid --fork sh -ec '
mount --make-rprivate /
N=/mnt
mount -t tmpfs tmpfs $N
cd $N
mkdir proc sys dev old boot ro rw oldroot
mount --rbind /dev dev
mount -t sysfs -o ro sysfs sys
cp /usr/libexec/genpack-shutdown shutdown
mount -o loop /run/initramfs/rw/fat.img boot
mount -o loop,ro boot/system.img ro
mount -t tmpfs tmpfs rw
mkdir rw/root rw/work
mount -t overlay -o lowerdir=ro,upperdir=rw/root,workdir=rw/work overlay oldroot
mkdir oldroot/run
mount -t tmpfs tmpfs oldroot/run
mkdir -p oldroot/run/initramfs/boot oldroot/run/initramfs/ro oldroot/run/initramfs/rw
for name in boot ro rw; do mount --move $name oldroot/run/initramfs/$name; done
mount -t proc proc proc
pivot_root . old
exec /shutdown poweroff'
echo "ended with $?"
"""
#: Finished (its unit may still be waiting for an address), read, unmounted: genpack-shutdown expects no boot partition
#: on the data disk.
REPORT = (
    "systemctl start --wait genpack-boot-report.service && base64 -w0 /run/initramfs/boot/boot-report.txt"
    " && umount /run/initramfs/boot"
)
SIZE_MIB = 512
#: What the plugins are expected to leave on the console.
ON_PURPOSE = r"Traceback \(most recent call last\)"


def make_disk(path: Path, tree: Path) -> None:
    """A data disk with the files of `tree`."""
    with path.open("wb") as file:
        file.truncate(SIZE_MIB << 20)
    run("mkfs.btrfs", "-q", "-L", "data", "--rootdir", tree, path).ok()


def make_fat(path: Path, folder: Path) -> None:
    """A boot partition as genpack-shutdown finds it: FAT with an image and boottime.txt."""
    (folder / "empty").mkdir()
    run("mksquashfs", folder / "empty", folder / "system.img", "-quiet", "-no-progress").ok()
    (folder / "boottime.txt").write_text("2026-11-27T00:00:00Z\n")
    run("mkfs.fat", "-C", path, "4096").ok()
    run("mcopy", "-i", path, folder / "system.img", folder / "boottime.txt", "::/").ok()


@pytest.fixture(scope="module")
def disk(ssh_key: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("disk")
    tree = folder / "tree"
    plugins = tree / "root" / PLUGINS
    plugins.mkdir(parents=True)
    # The first and the last in byte order: between them every other plugin runs.
    (plugins / "00-raises.py").write_text(RAISES)
    (plugins / "00-quits.py").write_text(QUITS)
    (plugins / "zy-forks.py").write_text(FORKS)
    (plugins / "zz-exits.py").write_text(EXITS)
    (plugins / "98-mounts.py").write_text(MOUNTS)
    shutil.copy(REPO / "genpack-overlay/genpack/systemimg/files/plugins/99-report.py", plugins)
    run("mkfs.fat", "-C", tree / "boot.img", "1024").ok()
    make_fat(tree / "fat.img", folder)
    key = ssh_key.with_suffix(".pub").read_text().strip()
    ini = tree / "system.ini"
    ini.write_text(FIRST_INI.format(key=key))
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


def check_fat(folder: Path) -> None:
    """The FAT file system that genpack-shutdown unmounted in the guest is clean and has lost boottime.txt."""
    path = folder / "fat.img"
    path.write_bytes(gzip.decompress(base64.b64decode((folder / "fat.b64").read_text())))
    run("fsck.fat", "-n", path).ok()
    names = run("mdir", "-b", "-i", path, "::/").ok().stdout
    assert ("system.img" in names, "boottime.txt" in names) == (True, False)


def check_disk(disk: Path) -> None:
    result = run("btrfs", "check", disk)
    assert result.status == 0, str(result)
    assert "no error found" in result.output


Said = dict[str, str]
Start = Callable[[str], Machine]

#: What the plugins write, and what must not change when nothing in system.ini does.
WRITTEN = (
    "etc/hostname etc/localtime etc/locale.conf etc/vconsole.conf etc/shadow etc/machine-id root/.ssh/authorized_keys"
    " home/hello/.ssh/authorized_keys etc/systemd/system/serial-getty@.service.d/50-genpack-autologin.conf"
)
ADDRESSES = 'ip -o addr show scope global | awk \'{print $2, $4, $0 ~ / dynamic/ ? "dynamic" : "static"}\''
ASKED = {
    "pid1": "cat /proc/1/comm",
    "hosts": "cat /proc/[0-9]*/comm | grep -c genpack-init || :",
    "hostname": "cat /proc/sys/kernel/hostname",
    "timezone": "readlink /etc/localtime",
    "lang": "systemctl show-environment | grep ^LANG=",
    "keymap": "cat /etc/vconsole.conf",
    "shadow": "getent shadow root",
    "swap": "tail -n +2 /proc/swaps",
    "addresses": ADDRESSES,
    "default": "ip route show default",
    "ntp": "timedatectl show-timesync --property=SystemNTPServers",
    "rw": "awk '$2 == \"/run/initramfs/rw\" {print $3}' /proc/mounts",
    "log": "cat /var/log/genpack-init.log",
    "kernel": "dmesg",
    "journal": "journalctl -b --no-pager",
    "machine-id": "cat /etc/machine-id",
    "host-key": "cat /etc/ssh/ssh_host_ed25519_key.pub",
    "ini-mode": "stat -c %a /run/initramfs/rw/system.ini",
    "state": "cat /run/genpack-init.json",
    "keys": "cat /root/.ssh/authorized_keys",
    "written": f"cd / && stat -c '%n %i %Y %a %U' {WRITTEN}",
    "check": "genpack-init check 2>&1; echo status $?",
    "blame": "genpack-init blame",
}


def ask(vm: Machine) -> Said:
    """What the guest answers, in one login."""
    script = "\n".join(f"echo '=== {name}'\n{{ {command}; }} || echo FAILED" for name, command in ASKED.items())
    parts = vm.out(script, timeout=120).split("=== ")[1:]
    return {part.split("\n", 1)[0]: part.partition("\n")[2].strip() for part in parts}


def read_report(vm: Machine) -> str:
    """boot-report.txt, as it is on the FAT file system."""
    return base64.b64decode(vm.out(REPORT, timeout=120)).decode()


def is_password(vm: Machine, password: str) -> bool:
    """By PAM's own helper."""
    return vm.ssh(f"printf '{password.replace('%', '%%')}\\0' | unix_chkpwd root nullok").status == 0


@pytest.fixture(scope="module")
def start(hello_image: Path, disk: Path, ssh_key: Path, cache: Path, timing: Timing, watched: list[Machine]) -> Start:
    """A machine on the disk, by its name."""
    return lambda name: machine(name, hello_image, disk, ssh_key, cache, timing, watched)


@pytest.fixture(scope="module")
def first_boot(start: Start, disk: Path, host_keys: dict[str, str]) -> Said:
    """What the first boot said, and what it left to find; the machine is off afterwards."""
    with start("e2e-data-1") as vm:
        vm.booted()
        vm.console.wait(r"login: root \(automatic login\)", 240)
        said = ask(vm)
        host_keys[vm.name] = said["host-key"]
        said["good password"], said["bad password"] = str(is_password(vm, PASSWORD)), str(is_password(vm, "other"))
        vm.out("echo kept > /root/file")
        said["report"] = read_report(vm)
        vm.power_off()
        said["console"] = vm.console.text()
        said["trouble"] = "\n".join(vm.console.trouble(ON_PURPOSE))
    check_disk(disk)
    return said


@pytest.fixture(scope="module")
def second_boot(first_boot: Said, start: Start, disk: Path, ssh_key: Path) -> Said:
    """The same again; afterwards system.ini is another, and the bad plugins are gone."""
    key = ssh_key.with_suffix(".pub").read_text().strip()
    with start("e2e-data-2") as vm:
        vm.booted()
        said = ask(vm)
        said["file"] = vm.out("cat /root/file")
        said["report"] = read_report(vm)
        link = said["default"].split(" dev ")[1].split()[0]
        ini = CHANGED_INI.format(hashed=HASHED, key=key, link=link)
        vm.out(
            f"cat > /run/initramfs/rw/system.ini <<'EOF'\n{ini}EOF\ncd /{PLUGINS}\n"
            "rm 00-raises.py 00-quits.py zy-forks.py zz-exits.py"
        )
        vm.power_off()
    check_disk(disk)
    return said


def test_a_plugin_that_raises_and_one_that_exits_do_not_stop_the_boot(first_boot: Said) -> None:
    assert first_boot["pid1"] == "systemd"
    assert "this plugin raises on purpose" in first_boot["log"]
    assert "00-raises" in first_boot["log"]
    assert "plugin 00-quits.py failed: SystemExit: 4" in first_boot["log"]
    assert "an orphan loops for ever" in first_boot["console"]
    assert first_boot["hosts"] == "0"
    # PID 1 itself saw the other one end its child.
    assert re.search(r"genpack-init: .*\bstatus 3\b.*zz-exits\.py", first_boot["kernel"])
    assert first_boot["trouble"] == ""


def test_system_ini_of_the_data_disk_is_applied(first_boot: Said) -> None:
    assert first_boot["hostname"] == "lotus"
    assert first_boot["timezone"].endswith("Europe/Berlin")
    assert first_boot["lang"] == "LANG=ja_JP.UTF-8"
    assert "KEYMAP=jp106" in first_boot["keymap"].split()
    assert first_boot["rw"] == "btrfs"
    assert first_boot["ini-mode"] == "600"
    assert first_boot["ntp"] == "SystemNTPServers=192.0.2.123 ntp.example.org"


def test_root_password_is_hashed_works_and_is_nowhere_said(first_boot: Said) -> None:
    assert re.match(r"root:\$(y|6)\$", first_boot["shadow"])
    assert (first_boot["good password"], first_boot["bad password"]) == ("True", "False")
    hashed = first_boot["shadow"].split(":")[1]
    for place in ("log", "kernel", "journal", "console"):
        assert PASSWORD not in first_boot[place] and hashed not in first_boot[place], place


def test_dhcp_is_the_default_network(first_boot: Said) -> None:
    assert re.search(r"^\S+ 10\.0\.2\.15/24 dynamic$", first_boot["addresses"], re.MULTILINE)
    assert first_boot["default"].startswith("default via 10.0.2.2 ") and "proto dhcp" in first_boot["default"]


def test_swap_file_is_a_tenth_of_the_free_space(first_boot: Said) -> None:
    name, kind, kib, *_ = first_boot["swap"].split()
    assert name.endswith("/swapfile") and kind == "file"
    assert 16 << 10 <= int(kib) + 4 <= (SIZE_MIB << 10) // 10


def test_a_bad_value_is_one_line_and_the_rest_applies(first_boot: Said) -> None:
    line = "swapfile: 'perhaps' is not allowed; allowed: yes, no, on, off, true, false, 1 or 0"
    assert [text.split("system.ini: ")[1] for text in first_boot["log"].splitlines() if line in text] == [line]
    assert line in first_boot["kernel"]
    assert line in first_boot["check"] and first_boot["check"].endswith("status 2")


def test_boot_report(first_boot: Said, second_boot: Said) -> None:
    report = first_boot["report"]
    assert report.startswith("\ufeff") and "\n" not in report.replace("\r\n", "")
    lines = report.splitlines()
    assert any(line.startswith("Image: hello, x86_64, profile paravirt, packages of ") for line in lines)
    assert "  hostname = lotus" in lines and "  root_password (not shown)" in lines
    error = "  system.ini: swapfile: 'perhaps' is not allowed; allowed: yes, no, on, off, true, false, 1 or 0"
    assert error in lines and "  plugin 00-quits.py failed: SystemExit" in lines
    assert [line for line in lines if re.match("Boot: finished", line)], report
    assert [line for line in lines if re.fullmatch(r"  \S+: 10\.0\.2\.15/24.*", line)], report
    assert PASSWORD not in report
    assert second_boot["report"] == report  # nothing is different: nothing is written


def test_second_boot_finds_what_the_first_left_and_writes_nothing_new(first_boot: Said, second_boot: Said) -> None:
    assert second_boot["file"] == "kept"
    for what in ("machine-id", "host-key", "hostname", "timezone", "lang", "keymap", "shadow", "keys", "written"):
        assert second_boot[what] == first_boot[what], what
    assert len(second_boot["keys"].splitlines()) == 1  # a key that is there already is not added again
    assert second_boot["swap"].split()[:3] == first_boot["swap"].split()[:3]


def test_third_boot_applies_every_change(second_boot: Said, start: Start, disk: Path) -> None:
    with start("e2e-data-3") as vm:
        vm.booted()
        said = ask(vm)
        assert said["hostname"] == "iris"
        assert vm.out("date +%Z; cat /run/hello/greeting").splitlines() == ["JST", "Guten Tag from hello on iris"]
        assert said["lang"] == "LANG=de_DE.UTF-8"
        assert said["keymap"] == "KEYMAP=us"
        assert said["shadow"].split(":")[1] == HASHED
        assert is_password(vm, "changed") and not is_password(vm, PASSWORD)
        assert said["swap"] == "" and vm.ssh("ls /run/initramfs/rw/swapfile").status != 0
        assert said["default"].startswith("default via 10.0.2.2 ") and "proto static" in said["default"]
        link = said["default"].split(" dev ")[1].split()[0]
        assert sorted(said["addresses"].splitlines()) == sorted(
            f"{name} {address} static"
            for name, address in (
                (link, "10.0.2.15/24"), (link, "192.0.2.10/24"), (link, "2001:db8::10/64"),
                (f"{link}.30", "198.51.100.2/24"), ("br0", "203.0.113.1/24"),
            )
        )  # fmt: skip
        assert vm.out(f"cat /sys/class/net/{link}.40/brport/bridge/uevent | grep INTERFACE") == "INTERFACE=br0"
        assert "VID: 30" in vm.out(f"cat /proc/net/vlan/{link}.30")
        assert vm.out(f"cat /sys/class/net/{link}/mtu") == "1400"
        assert vm.out(f"resolvectl dns {link}").split()[-1] == "192.0.2.53"
        assert vm.out(f"resolvectl domain {link}").split()[-1] == "example.org"
        assert said["check"].endswith("status 0"), said["check"]
        state = json.loads(said["state"])
        assert (state["version"], state["failed"], state["run"] > 0) == (1, 0, True)
        assert {line.split()[-1] for line in said["blame"].splitlines()} == {row["name"] for row in state["plugins"]}
        assert said["machine-id"] == second_boot["machine-id"]
        assert len(said["keys"].splitlines()) == 1
        entries = read_report(vm).split("\r\n== ")[1:]
        assert len(entries) == 2 and "hostname = lotus\r\n" in entries[1]
        assert "  hostname = iris\r\n" in entries[0] and "\r\nErrors: none\r\n" in entries[0]
        assert "  br0: 203.0.113.1/24" in entries[0]
        # FAT has no namespace of its own to be tested in: the guest's kernel knows it.
        assert vm.out(SHUTDOWN).endswith("ended with 130"), "reboot(2) ends a namespace's PID 1 by SIGINT"
        assert vm.out("cat /sys/block/loop*/loop/backing_file 2>/dev/null || :") == ""
        (disk.parent / "fat.b64").write_text(vm.out("gzip -c /run/initramfs/rw/fat.img | base64"))
        vm.ssh("systemctl reboot")
        # The next start takes longer to reach the disk than QEMU's end does.
        vm.console.wait(r"genpack-shutdown: all unmounted: reboot", STOP_LIMIT)
        vm.console.wait(r"reboot: Restarting system", 30)
        vm.vm("stop", "-f", "-w", vm.name).ok()
        assert vm.console.trouble() == []
        assert "automatic login" not in vm.console.text()
    check_disk(disk)
    check_fat(disk.parent)
