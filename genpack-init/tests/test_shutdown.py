# SPDX-License-Identifier: MIT
"""genpack-shutdown, as PID 1 of a PID namespace, in a root as systemd-shutdown leaves it. Needs root."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import namespaces
import pytest

REASON = namespaces.why_not()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))

# reboot(2) in a PID namespace kills that namespace: its PID 1 seems to die of SIGHUP (restart) or SIGINT (halt, off).
ENDS = {"reboot": signal.SIGHUP, "poweroff": signal.SIGINT, "halt": signal.SIGINT, "kexec": signal.SIGHUP}

# $N: the initramfs' tmpfs. boot holds the image, image and data are the overlay at /oldroot, and boot, ro and rw are
# mounted below that: the circle of a real boot.
SETUP = """\
set -e
mount --make-rprivate /
N=$T/new
mount -t tmpfs tmpfs "$N"
mkdir "$N/dev" "$N/proc" "$N/sys" "$N/oldroot" "$N/old" "$N/boot" "$N/ro" "$N/rw"
cp "$PROGRAM" "$N/shutdown"
ldd "$PROGRAM" 2>&1 | grep -o '/[^ ]*[.]so[^ ]*' | while read -r f; do mkdir -p "$N${f%/*}"; cp -L "$f" "$N$f"; done
if [ -n "$KEEP" ]; then mkdir -p "$N$KEEP"; mount --bind "$KEEP" "$N$KEEP"; fi
mount --rbind /dev "$N/dev"
touch "$N/kmsg"
mount --bind "$T/kmsg" "$N/dev/kmsg"
mount -t sysfs -o ro sysfs "$N/sys"
[ -n "$DIRECT" ] || mount -o loop "$T/boot.img" "$N/boot"
mount -o loop,ro "${DIRECT:-$N/boot/system.img}" "$N/ro"
mount -o loop "$T/rw.img" "$N/rw"
mkdir -p "$N/rw/root" "$N/rw/work"
mount -t overlay -o lowerdir="$N/ro",upperdir="$N/rw/root",workdir="$N/rw/work" overlay "$N/oldroot"
mkdir -p "$N/oldroot/run" "$N/oldroot/tmp/a b"
mount -t tmpfs tmpfs "$N/oldroot/run"
mkdir -p "$N/oldroot/run/initramfs/boot" "$N/oldroot/run/initramfs/ro" "$N/oldroot/run/initramfs/rw"
for name in ${DIRECT:-boot} ro rw; do
    case $name in /*) continue ;; esac
    mount --move "$N/$name" "$N/oldroot/run/initramfs/$name"
done
mount -t tmpfs tmpfs "$N/oldroot/tmp/a b"
mount --bind "$N/oldroot/tmp" "$N/oldroot/usr"
echo written >"$N/oldroot/file"
mount -t proc proc "$N/proc"
eval "$EXTRA"
cd "$N"
pivot_root . old
exec /shutdown $VERB
"""


def free_loops_can_be_written() -> None:
    """A loop device keeps its read-only mark when it lets go of its file, and the next one that gets it has it."""
    for device in Path("/sys/block").glob("loop*"):
        if not (device / "loop/backing_file").exists() and (device / "ro").read_text() != "0\n":
            subprocess.run(["blockdev", "--setrw", f"/dev/{device.name}"], check=True)


@pytest.fixture
def disks(tmp_path: Path) -> Iterator[Path]:
    """boot.img (ext4, with system.img and boottime.txt), rw.img (btrfs)."""
    free_loops_can_be_written()
    (tmp_path / "tree/usr").mkdir(parents=True)
    (tmp_path / "boot").mkdir()
    (tmp_path / "new").mkdir()
    (tmp_path / "kmsg").write_text("")
    (tmp_path / "boot/boottime.txt").write_text("now")
    for name, size in (("boot.img", 16 << 20), ("rw.img", 128 << 20)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
    for command in (
        ["mksquashfs", "tree", "boot/system.img", "-quiet", "-no-progress"],
        ["mkfs.ext4", "-q", "-d", "boot", "boot.img"],
        ["mkfs.btrfs", "-q", "rw.img"],
    ):
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    yield tmp_path
    free_loops_can_be_written()


def shut_down(folder: Path, prefix: Path, verb: str, extra: str = "", direct: str = "") -> tuple[int, str]:
    """(how PID 1 ended, kernel log). `direct`: an image that does not lie on a boot partition."""
    done = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", SETUP],
        env={
            "T": str(folder), "PROGRAM": str(prefix / "libexec/genpack-shutdown"), "VERB": verb, "EXTRA": extra,
            "DIRECT": direct, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **namespaces.instrumented(),
        },
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    log = (folder / "kmsg").read_text()
    assert log, done
    return done.returncode, log


def check_disks(folder: Path) -> None:
    """Both file systems are clean, what was written is there, and no loop device holds them."""
    subprocess.run(["btrfs", "check", "--readonly", folder / "rw.img"], check=True, capture_output=True)
    subprocess.run(["e2fsck", "-n", "-f", folder / "boot.img"], check=True, capture_output=True)
    state = subprocess.run(["dumpe2fs", "-h", folder / "boot.img"], check=True, capture_output=True, text=True).stdout
    assert "needs_recovery" not in state
    loops = subprocess.run(["losetup", "-n", "-O", "BACK-FILE"], check=True, capture_output=True, text=True).stdout
    assert str(folder) not in loops


@pytest.mark.parametrize("verb", ENDS)
def test_circle_is_unmounted(disks: Path, prefix: Path, verb: str) -> None:
    status, log = shut_down(disks, prefix, verb)
    assert status == -ENDS[verb]
    lines = [line.split("genpack-shutdown: ")[1] for line in log.splitlines()]
    assert [line for line in lines if line.startswith("moved")] == [
        f"moved /oldroot/run/initramfs/{name} to /{name}" for name in ("boot", "rw", "ro")
    ]
    off = [line.removeprefix("unmounted ") for line in lines if line.startswith("unmounted ")]
    assert off[-4:] == ["/oldroot", "/ro", "/rw", "/boot"]
    assert "/oldroot/tmp/a b" in off
    assert f"<3>genpack-shutdown: all unmounted: {verb}\n" in log
    assert ("kexec: " in log) == (verb == "kexec")
    check_disks(disks)
    assert boot_files(disks) == [".", "..", "lost+found", "system.img"]


def boot_files(folder: Path) -> list[str]:
    listing = ["debugfs", "-R", "ls -p /", folder / "boot.img"]
    lines = subprocess.run(listing, check=True, capture_output=True, text=True).stdout.split()
    return sorted(line.split("/")[5] for line in lines)


def test_a_boot_partition_that_systemd_has_made_read_only(disks: Path, prefix: Path) -> None:
    """As systemd-shutdown leaves everything that it can't unmount."""
    status, log = shut_down(disks, prefix, "poweroff", 'mount -o remount,ro "$N/oldroot/run/initramfs/boot"')
    assert status == -signal.SIGINT
    assert "<3>genpack-shutdown: all unmounted: poweroff\n" in log and "cannot remove" not in log
    check_disks(disks)
    assert boot_files(disks) == [".", "..", "lost+found", "system.img"]


def test_boottime_that_can_not_be_removed_is_said(disks: Path, prefix: Path) -> None:
    """A medium that can't be written: the kernel refuses to make it writable again."""
    extra = 'B="$N/oldroot/run/initramfs/boot"; mount -o remount,ro "$B"; blockdev --setro "$(findmnt -no SOURCE "$B")"'
    status, log = shut_down(disks, prefix, "poweroff", extra)
    assert status == -signal.SIGINT
    assert "<3>genpack-shutdown: cannot remove /boot/boottime.txt: " in log
    assert boot_files(disks) == [".", "..", "boottime.txt", "lost+found", "system.img"]


def test_busy_mount_is_detached_and_said(disks: Path, prefix: Path) -> None:
    busy = """(cd "$N/oldroot/tmp/a b"; exec sleep 60 <&- >&- 2>&-) & sleep 0.3"""
    status, log = shut_down(disks, prefix, "poweroff", busy)
    assert status == -signal.SIGINT
    assert "<3>genpack-shutdown: /oldroot/tmp/a b is busy (Device or resource busy): detached\n" in log
    assert "<3>genpack-shutdown: not all was unmounted: poweroff\n" in log
    check_disks(disks)


def test_unknown_verb_powers_off(disks: Path, prefix: Path) -> None:
    status, log = shut_down(disks, prefix, "explode")
    assert status == -signal.SIGINT
    assert "unknown verb 'explode' (reboot, poweroff, halt, kexec): powering off" in log


def test_direct_boot_with_a_data_mount_for_the_image(disks: Path, prefix: Path) -> None:
    """Nothing at /run/initramfs/boot, something at /run/initramfs/data."""
    extra = 'mkdir "$N/oldroot/run/initramfs/data"; mount -t tmpfs tmpfs "$N/oldroot/run/initramfs/data"'
    status, log = shut_down(disks, prefix, "poweroff", extra, str(disks / "boot/system.img"))
    assert status == -signal.SIGINT
    assert "moved /oldroot/run/initramfs/data to /data" in log and "unmounted /data" in log
    assert "cannot move" not in log and "all unmounted: poweroff" in log


def test_only_as_pid_1(prefix: Path) -> None:
    command = [prefix / "libexec/genpack-shutdown", "poweroff"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "genpack-shutdown: error: runs only as PID 1, at the end of a shutdown\n"


def test_is_static(prefix: Path) -> None:
    done = subprocess.run(["ldd", prefix / "libexec/genpack-shutdown"], capture_output=True, text=True, check=False)
    assert "not a dynamic executable" in done.stderr + done.stdout
