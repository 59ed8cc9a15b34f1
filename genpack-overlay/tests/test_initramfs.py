# SPDX-License-Identifier: MIT
"""The mount hook's decisions, with dracut's functions and the programs it calls replaced."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from conftest import DRACUT, Fake

DASH = "/bin/sh"
# dracut's own functions, as far as the hook uses them.
PRELUDE = """
getarg() { printf '%s\\n' $CMDLINE | sed -n "s/^$1//p" | tail -n 1 | grep .; }
getargbool() {
	case " $CMDLINE " in *" $2=0 "*) return 1 ;; *" $2 "* | *" $2=1 "*) return 0 ;; *) return "$((1 - $1))" ;; esac
}
die() { echo "die: $*"; exit 1; }
udevadm() { :; }
"""


@dataclass
class Machine:
    """A fake /sys and /dev, and what the commands of the hook answer."""

    root: Path
    fake: Fake
    cmdline: str = ""
    tags: dict[tuple[str, str], str] = field(default_factory=dict)

    def disk(self, name: str, *, serial: str | None = None, sectors: int = 1_000_000) -> str:
        """Add a disk; return its device."""
        for folder in (self.root / f"sys/block/{name}", self.root / f"sys/class/block/{name}"):
            folder.mkdir(parents=True)
            (folder / "size").write_text(f"{sectors}\n")
            if serial is not None:
                (folder / "serial").write_text(serial)
        device = self.root / "dev" / name
        device.parent.mkdir(exist_ok=True)
        device.touch()
        return str(device)

    def partition(self, disk: str, number: int) -> str:
        """Add a partition, with the link of /sys/class/block into its disk's folder; return its device."""
        name = f"{disk}{number}"
        folder = self.root / f"sys/devices/{disk}/{name}"
        folder.mkdir(parents=True)
        (folder / "partition").write_text(f"{number}\n")
        (folder / "size").write_text("1000000\n")
        links = self.root / "sys/class/block"
        links.mkdir(parents=True, exist_ok=True)
        (links / name).symlink_to(folder)
        return f"{self.root}/dev/{name}"

    def run(self, root: str, code: str) -> subprocess.CompletedProcess[str]:
        """Source the functions of the hook and run `code` in its shell, with root= as given."""
        cases = "\n".join(f'"{device} {tag}") echo {value} ;;' for (device, tag), value in self.tags.items())
        self.fake("blkid", f"""
case "$*" in
-p*) for last; do :; done; case "$last $3" in {cases} *) exit 2 ;; esac ;;
*) cat "{self.root}/with" 2> /dev/null ;;
esac""")
        env = {**os.environ, "CMDLINE": f"root={root} {self.cmdline}", "root": root, "NEWROOT": f"{self.root}/new",
               "GENPACK_SYS": f"{self.root}/sys", "GENPACK_DEV": f"{self.root}/dev", "GENPACK_DELAY": "0",
               "GENPACK_RUN": f"{self.root}/run", "GENPACK_KMSG": f"{self.root}/kmsg",
               "GENPACK_LIB": f"{self.root}/lib"}
        hook = (DRACUT / "genpack-mount.sh").read_text().replace("\ngenpack_main\n", "\n")
        script = PRELUDE + hook + "\n" + code
        return subprocess.run([DASH, "-c", script], env=env, capture_output=True, text=True, check=False)

    @property
    def kmsg(self) -> list[str]:
        """What was said."""
        path = self.root / "kmsg"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def machine(tmp_path: Path, fake: Fake) -> Machine:
    root = tmp_path / "machine"
    (root / "lib").mkdir(parents=True)
    for name in ("lib", "find", "fat", "update"):
        (root / f"lib/{name}.sh").symlink_to(DRACUT / f"genpack-{name}.sh")
    for folder in ("run/boot", "run/rw", "run/ro", "new"):
        (root / folder).mkdir(parents=True)
    # A device file of its own keeps the order of what is said: /dev/kmsg appends.
    (root / "kmsg").touch()
    fake("dmesg", "echo line")
    return Machine(root, fake)


APPEND = 'genpack_loud() { echo "loud: $*"; }; genpack_note() { echo "note: $*"; }\n'


def test_system_disk_by_serial_else_the_one_named(machine: Machine) -> None:
    machine.disk("vdb", serial="system")
    assert machine.run("/dev/vda", "genpack_system_disk").stdout == f"{machine.root}/dev/vdb\n"
    # Another disk than /dev/vda is meant as it is named (this one does not exist).
    done = machine.run("/dev/sda7", "genpack_system_disk")
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize(("disks", "expected"), [
    ({"vdb": "swap", "vdc": "data"}, "vdc"),
    ({"vdb": None}, "vdb"),
    ({"vdb": ""}, "vdb"),
    ({"vdb": "swap"}, None),
    ({"vda": "system"}, None),
])
def test_data_disk(machine: Machine, disks: dict[str, str | None], expected: str | None) -> None:
    for name, serial in disks.items():
        machine.disk(name, serial=serial)
    done = machine.run("/dev/vda", "genpack_data_disk")
    assert done.stdout == (f"{machine.root}/dev/{expected}\n" if expected else "")
    assert (done.returncode == 0) is bool(expected)


def test_virtiofs_device(machine: Machine) -> None:
    assert machine.run("/dev/vda", "genpack_has_virtiofs").returncode == 1
    folder = machine.root / "sys/bus/virtio/devices/virtio3"
    folder.mkdir(parents=True)
    (folder / "device").write_text("0x001a\n")
    assert machine.run("/dev/vda", "genpack_has_virtiofs").returncode == 0


def test_data_partition_by_label_else_the_next(machine: Machine) -> None:
    boot = machine.partition("sda", 1)
    after = machine.partition("sda", 2)
    machine.partition("sda", 3)
    code = f"genpack_data_partition {boot} ABCD-1234"
    assert machine.run("systemimg:ABCD-1234", code).stdout == f"{after}\n"
    first, second = machine.disk("vdb"), machine.disk("vdc")
    (machine.root / "with").write_text(f"{second}\n{first}\n")
    assert machine.run("systemimg:ABCD-1234", code).stdout == f"{first}\n"


def test_no_partition_after_the_last(machine: Machine) -> None:
    boot = machine.partition("sda", 2)
    machine.partition("sda", 1)
    assert machine.run("systemimg:X", f"genpack_data_partition {boot} X").returncode == 1


def test_waiting_ends_when_it_is_there_or_the_time_is_over(machine: Machine) -> None:
    machine.cmdline = "rd.timeout=60"  # a second may be over at once: the clock counts whole ones
    done = machine.run("/dev/vda", "t() { n=$((${n-0} + 1)); [ $n -gt 2 ]; }; genpack_wait t && echo there after $n")
    assert done.stdout == "there after 3\n"
    machine.cmdline = "rd.timeout=1"
    begin = time.monotonic()
    assert machine.run("/dev/vda", "genpack_wait false").returncode == 1
    assert time.monotonic() - begin < 5


RW = APPEND + 'genpack_mount_rw; echo "data: $GENPACK_DATA"'


def test_data_disk_is_mounted_writable(machine: Machine) -> None:
    device = machine.disk("vdb", serial="data")
    machine.tags[device, "TYPE"] = "ext4"
    calls = machine.fake("mount", "")
    assert machine.run("/dev/vda", RW).stdout == f"data: {device}\n"
    assert calls.read_text() == f"-w -t ext4 {device} {machine.root}/run/rw\n"


def test_a_dummy_is_silent(machine: Machine) -> None:
    machine.disk("vdb", serial="data", sectors=8)
    assert machine.run("/dev/vda", RW).stdout == "data: \n"


def test_a_blank_disk_is_said_loudly(machine: Machine) -> None:
    device = machine.disk("vdb", serial="data", sectors=2048 * 64)
    lines = machine.run("/dev/vda", RW).stdout.splitlines()
    assert lines[0].startswith(f"loud: the data disk {device} (64 MiB) holds no file system")
    assert lines[1:] == ["loud: going on in transient mode: nothing that is changed now is kept", "data: "]


def test_a_broken_file_system_is_said_with_command_and_errors(machine: Machine) -> None:
    device = machine.disk("vdb", serial="data")
    machine.tags[device, "TYPE"] = "ext4"
    mark = machine.root / "mounted"
    machine.fake("mount", f'touch {mark}; echo "mount: {device}: bad superblock." >&2; echo "  And more." >&2; exit 32')
    # Of more than three lines the last three.
    machine.fake("dmesg", f'echo "[1] old"; [ ! -e {mark} ] || printf "[%s] EXT4-fs error\\n" 2 3 4 5')
    first = machine.run("/dev/vda", RW).stdout.splitlines()[0]
    assert first == (
        f'loud: cannot mount the data disk {device} (ext4): tried "mount -w -t ext4 {device} {machine.root}/run/rw": '
        f"mount: {device}: bad superblock. And more.; the kernel said: "
        "[3] EXT4-fs error [4] EXT4-fs error [5] EXT4-fs error")


def test_a_broken_data_disk_is_not_replaced_by_virtiofs(machine: Machine) -> None:
    machine.disk("vdb", serial="data")
    folder = machine.root / "sys/bus/virtio/devices/virtio3"
    folder.mkdir(parents=True)
    (folder / "device").write_text("0x001a\n")
    calls = machine.fake("mount", "")
    assert machine.run("/dev/vda", RW).stdout.splitlines()[-1] == "data: "
    assert not calls.exists()


@pytest.mark.parametrize("argument", ["genpack.transient", "genpack.transient=1"])
def test_transient_leaves_the_disk_alone(machine: Machine, argument: str) -> None:
    device = machine.disk("vdb", serial="data")
    machine.tags[device, "TYPE"] = "ext4"
    calls = machine.fake("mount", "")
    machine.cmdline = argument
    assert machine.run("/dev/vda", RW).stdout.splitlines()[-1] == "data: "
    assert not calls.exists()


def test_virtiofs_is_the_data_without_a_disk(machine: Machine) -> None:
    folder = machine.root / "sys/bus/virtio/devices/virtio3"
    folder.mkdir(parents=True)
    (folder / "device").write_text("0x001a\n")
    calls = machine.fake("mount", "")
    assert machine.run("/dev/vda", RW).stdout == "data: the virtiofs tag fs\n"
    assert calls.read_text() == f"-t virtiofs fs {machine.root}/run/rw\n"


def test_image_that_can_not_be_mounted_ends_the_boot(machine: Machine) -> None:
    machine.fake("mount", "echo no squashfs >&2; exit 32")
    done = machine.run("/dev/vda", APPEND + "GENPACK_SYSTEM=/dev/vda; genpack_mount_image")
    assert done.returncode == 1
    assert "die: genpack: cannot mount the image on the disk /dev/vda: tried" in done.stdout
    assert "no squashfs" in done.stdout


IMAGE = APPEND + 'GENPACK_BOOT=/dev/sda1 GENPACK_IMAGE=; genpack_mount_image_file; echo "image: $GENPACK_IMAGE"'


def test_the_first_image_that_opens_is_taken(machine: Machine) -> None:
    (machine.root / "run/boot/system.img").write_text("damaged")
    (machine.root / "run/boot/system.old").write_text("x")
    machine.fake("mount", 'case "$*" in *img*) exit 32 ;; esac')
    code = "GENPACK_DATA=/dev/sda2 GENPACK_DATA_DEVICE=/dev/sda2\n" + IMAGE
    lines = machine.run("systemimg:X", code).stdout.splitlines()
    assert lines[0].startswith("loud: cannot open the image boot/system.img: tried")
    assert lines[-1] == "image: boot/system.old"


def test_the_boot_loaders_image_comes_first(machine: Machine) -> None:
    for name in ("boot/system.img", "rw/system.cur"):
        (machine.root / "run" / name).write_text("x")
    machine.fake("mount", "")
    machine.cmdline = "genpack.image=system.cur"
    code = "GENPACK_DATA=/dev/sda2 GENPACK_DATA_DEVICE=/dev/sda2\n" + IMAGE
    assert machine.run("systemimg:X", code).stdout == (
        "note: the image rw/system.cur is called system from now on\nimage: rw/system\n")


def test_transient_with_the_image_on_the_data_partition(machine: Machine) -> None:
    machine.tags["/dev/sda2", "TYPE"] = "btrfs"
    calls = machine.fake("mount", f'case "$*" in *sda2*) echo x > {machine.root}/run/data/system ;; esac')
    machine.fake("btrfs", "")
    code = "GENPACK_DATA= GENPACK_DATA_DEVICE=/dev/sda2\n" + IMAGE
    assert machine.run("systemimg:X", code).stdout == "image: data/system\n"
    assert calls.read_text().splitlines() == [
        f"-r -t btrfs /dev/sda2 {machine.root}/run/data",
        f"-t squashfs -o ro,loop {machine.root}/run/data/system {machine.root}/run/ro"]


def test_no_image_at_all_says_what_was_looked_for(machine: Machine) -> None:
    done = machine.run("systemimg:X", "GENPACK_DATA= GENPACK_DATA_DEVICE=\n" + IMAGE)
    assert done.returncode == 1
    assert "die: genpack: no image: looked for system.img, system.cur, system.old on /dev/sda1" in done.stdout


OVERLAY = APPEND + "GENPACK_IMAGE=; genpack_mount_root; echo \"data: $GENPACK_DATA\""


def test_overlay_options_and_the_old_layout(machine: Machine) -> None:
    calls = machine.fake("mount", "")
    run = f"{machine.root}/run"
    machine.run("/dev/vda", "GENPACK_DATA=/dev/vdb\n" + OVERLAY)
    assert calls.read_text() == (
        f"-t overlay -o lowerdir={run}/ro,upperdir={run}/rw/root,workdir={run}/rw/work root {machine.root}/new\n")
    calls.unlink()
    (machine.root / "run/rw/rw/root").mkdir(parents=True)
    machine.run("/dev/vda", "GENPACK_DATA=/dev/vdb\n" + OVERLAY)
    assert f"upperdir={run}/rw/rw/root,workdir={run}/rw/rw/work" in calls.read_text()


def test_usr_of_the_upper_layer_gets_the_time_of_the_image(machine: Machine) -> None:
    machine.fake("mount", "")
    for name in ("ro/usr", "rw/root/usr"):
        (machine.root / "run" / name).mkdir(parents=True)
    os.utime(machine.root / "run/ro/usr", (1_700_000_000, 1_700_000_000))
    machine.run("/dev/vda", "GENPACK_DATA=/dev/vdb\n" + OVERLAY)
    assert (machine.root / "run/rw/root/usr").stat().st_mtime == 1_700_000_000


def test_data_that_can_not_carry_an_overlay_is_left_for_memory(machine: Machine) -> None:
    machine.fake("umount", "")
    mark = machine.root / "tmpfs"
    machine.fake("mount", f'case "$*" in *overlay*) [ -e {mark} ] || exit 32 ;; *) touch {mark} ;; esac')
    lines = machine.run("/dev/vda", "GENPACK_DATA=/dev/vdb\n" + OVERLAY).stdout.splitlines()
    assert lines[0].startswith("loud: /dev/vdb can't be the writable layer: tried")
    assert lines[-1] == "data: "


@pytest.mark.parametrize(("cmdline", "ok"), [
    ("root=/dev/vda", True), ("root=systemimg:auto", True), ("root=systemimg:", False), ("root=UUID=1", False),
    ("root=fs rootfstype=virtiofs", True), ("root=fs", False), ("rootfstype=virtiofs", False),
])
def test_which_roots_are_ours(cmdline: str, ok: bool) -> None:
    script = PRELUDE + (DRACUT / "genpack-cmdline.sh").read_text() + '\necho "${rootok-0}"'
    env = {**os.environ, "CMDLINE": cmdline}
    done = subprocess.run([DASH, "-c", script], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == ("1\n" if ok else "0\n")


@pytest.mark.parametrize(("name", "key"), [("reboot", "b"), ("poweroff", "o"), ("halt", "o")])
def test_reboot_of_the_initramfs(tmp_path: Path, fake: Fake, name: str, key: str) -> None:
    for command in ("sync", "umount", "sleep"):
        fake(command, "")
    trigger = tmp_path / "trigger"
    program = tmp_path / name
    program.write_text((DRACUT / "genpack-reboot.sh").read_text().replace("/proc/sysrq-trigger", str(trigger)))
    assert subprocess.run([DASH, str(program)], check=False).returncode == 1
    assert trigger.read_text() == f"{key}\n"
