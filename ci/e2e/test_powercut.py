# SPDX-License-Identifier: MIT
"""The power fails while genpack-install changes images: no state of the disk is one that does not boot.

A machine records what an update and all that follows it write to a FAT. Then the power is cut after every flush, and at
random places in between, where of the sectors that were not flushed some are on the disk and some are not.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness import fatcheck, logwrites
from harness.bed import Bed
from harness.commands import run
from harness.console import Console
from harness.logwrites import Disk, Entry
from harness.machine import BOOT_LIMIT, Machine, Timing

REPO = Path(__file__).resolve().parents[2]
HOOK = REPO / "genpack-overlay/sys-kernel/dracut-genpack/files/90genpack"
MIB = 1 << 20
CUTS = 100

#: The parts of the record. Each begins where the one before has ended.
PHASES = {
    "update": "genpack-install /tmp/new.squashfs -y",
    "initramfs after the update": "tidy system.img",
    "good": "genpack-install --mark-good",
    "rollback": "genpack-install --rollback -y",
    "good again": "genpack-install --mark-good",
    "update without exchange": "python3 -c 'import sys; from genpack_install import cli, update\n"
    "update.can_exchange = lambda: False\nsys.exit(cli.execute([\"/tmp/new.squashfs\", \"-y\"]))'",
    "taken back": "genpack-install --rollback -y",
}

#: The machine's own image is on another disk: in a mount namespace the recorded FAT is its boot partition.
SCRIPT = """
set -e
mkdir -p /tmp/hook
cat > /tmp/hook/lib.sh <<'EOF1'
{lib}
EOF1
cat > /tmp/hook/update.sh <<'EOF1'
{update}
EOF1
cat > /tmp/inside <<'EOF1'
set -e
tidy() (. /tmp/hook/lib.sh; . /tmp/hook/update.sh; umount $GENPACK_RUN/ro; genpack_tidy boot "$1")
mark() {{ printf '%512s' "$1" | dd of=$disk bs=512 seek=$end oflag=direct conv=notrunc status=none; }}
attach() {{
	umount /run/initramfs/ro 2> /dev/null || :
	losetup -D
	mount -o ro,loop "/run/initramfs/boot/$1" /run/initramfs/ro
}}
begin() {{
	disk=$(readlink -f /dev/disk/by-id/virtio-$1) end=$2
	cat /dev/disk/by-id/virtio-new$1 > /tmp/new.squashfs
	mount -t vfat -o fmask=0177,dmask=0077 $disk /run/initramfs/boot
}}
end() {{
	umount /run/initramfs/ro
	umount /run/initramfs/boot
	mark end
}}
mount -t tmpfs tmpfs /run/initramfs
mkdir /run/initramfs/boot /run/initramfs/ro /run/initramfs/rw
{work}
EOF1
unshare --mount sh /tmp/inside 2>&1
"""


@dataclass(frozen=True)
class Plan:
    """A disk to record: its FAT's size, its images by what they are at the beginning, and the parts of the record."""

    name: str
    sectors: int
    options: tuple[str, ...]  # of mkfs.fat
    images: dict[str, Path]
    files: dict[str, Path]
    phases: dict[str, str]

    def script(self) -> str:
        lines = [f"begin {self.name} {self.sectors}"]
        for number, (phase, command) in enumerate(self.phases.items()):
            lines.append(f"attach {'system.cur' if phase == 'taken back' else 'system.img'}")
            lines += [f"mark {number}", command, "sync"]
        return "\n".join([*lines, "end"])

    def make(self, folder: Path) -> Path:
        """The disk as it is before."""
        disk = folder / f"{self.name}.disk"
        with disk.open("wb") as file:
            file.truncate((self.sectors + 2048) * 512)
        run("mkfs.fat", "-F", "32", *self.options, "-n", "GENPACK", disk, str(self.sectors // 2)).ok()
        (folder / "grubenv").write_bytes(b"# GRUB Environment Block\n".ljust(1024, b"#"))
        (folder / "empty").touch()
        places = {"system.img": self.images["current"], "system.cur": folder / "empty", "system.new": folder / "empty",
                  "system.old": self.images["previous"], "grubenv": folder / "grubenv", **self.files}  # fmt: skip
        for name, source in places.items():
            if "/" in name:
                parents = [f"::{parent}" for parent in reversed(Path(name).parents) if str(parent) != "."]
                run("mmd", "-i", disk, *parents).ok()
            run("mcopy", "-i", disk, source, f"::{name}").ok()
        return disk

    def qemu(self, disk: Path, log: Path) -> tuple[str | Path, ...]:
        log.touch()
        recorded = f"driver=blklogwrites,node-name={self.name},log-sector-size=512,file.driver=file,"
        return (
            "-blockdev", f"{recorded}file.filename={disk},log.driver=file,log.filename={log}",
            "-device", f"virtio-blk-pci,drive={self.name},serial={self.name}",
            "-drive", f"if=none,id=new{self.name},format=raw,readonly=on,file={self.images['new']}",
            "-device", f"virtio-blk-pci,drive=new{self.name},serial=new{self.name}",
        )  # fmt: skip


def bootable(bed: Bed, name: str) -> Path:
    """A tiny system that tells its name, with the kernel and the initramfs of a real image."""
    tree = bed.image(name).with_name(f"{name}.tree")
    unit = tree / "usr/lib/systemd/system/genpack-boot-complete.service"
    unit.parent.mkdir(parents=True)
    unit.touch()
    for path, source in ((".genpack/artifact", None), ("boot/kernel", bed.kernel), ("boot/initramfs", bed.initramfs)):
        (tree / path).parent.mkdir(exist_ok=True)
        if source is None:
            (tree / path).write_text(name)
        else:
            shutil.copyfile(source, tree / path)
    made = bed.folder / f"{name}-bootable.squashfs"
    run("mksquashfs", tree, made, "-quiet", "-no-progress", "-all-root", "-comp", "gzip").ok()
    return made


def image(folder: Path, name: str) -> Path:
    """What genpack-install takes for an image that can say that it is good."""
    tree = folder / f"{name}.tree"
    unit = "usr/lib/systemd/system/genpack-boot-complete.service"
    for path in (".genpack/artifact", "boot/kernel", "boot/initramfs", unit):
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(name)
    (tree / "filler").write_bytes(os.urandom(400_000))
    run("mksquashfs", tree, folder / f"{name}.squashfs", "-quiet", "-no-progress", "-comp", "gzip").ok()
    return folder / f"{name}.squashfs"


@dataclass(frozen=True)
class Record:
    """`logs`: the writes of each phase. `before`: the disk when it begins. `digests`: SHA-256 of the images."""

    plan: Plan
    logs: dict[str, list[Entry]]
    before: dict[str, Disk]
    digests: dict[str, str]

    def cuts(self, phase: str, count: int) -> Iterator[logwrites.Cut]:
        """After every flush, and `count` at random."""
        base, log = self.before[phase], self.logs[phase]
        seed = int.from_bytes(hashlib.sha256(phase.encode()).digest()[:4], "big")
        return itertools.chain(logwrites.flushed(base, log), logwrites.random_cuts(base, log, count, seed))

    def trouble(self, cut: logwrites.Cut, scratch: Path) -> str | None:
        """Why a cut is not harmless."""
        return fatcheck.trouble(cut.disk, 0, self.plan.sectors, set(self.digests.values()), HOOK, scratch)


def split(plan: Plan, base: Disk, log: list[Entry]) -> Record:
    logs: dict[str, list[Entry]] = {}
    before: dict[str, Disk] = {}
    names, phase, disk = iter(plan.phases), "", Disk(base.base, base.changed)
    for entry in log:
        if entry.sector == plan.sectors and entry.data:
            phase = next(names, "")
            if phase:
                logs[phase], before[phase] = [], Disk(disk.base, disk.changed)
        if entry.data:
            disk.write(entry.sector, entry.data)
        if phase:
            logs[phase].append(entry)
    assert list(logs) == list(plan.phases)
    digests = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in plan.images.items()}
    return Record(plan, logs, before, digests)


@pytest.fixture(scope="module")
def records(
    systemimg_image: Path, cache: Path, ssh_key: Path, timing: Timing, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Record]:
    """One machine does it all, once: on a small FAT for the checker, and on one that really boots."""
    folder = tmp_path_factory.mktemp("powercut")
    run("genpack-install", "build-bootloaders", "--output", folder / "loaders", "--targets", "x86_64-efi").ok()
    small = {name: image(folder, name) for name in ("current", "previous", "new")}
    (folder / "bed").mkdir()
    bed = Bed(systemimg_image, folder / "bed", cache / "logs", timing)
    large = {name: bootable(bed, name) for name in small}
    first_phases = dict(list(PHASES.items())[:4])
    (folder / "system.cfg").write_text('set LINUX_ARGS="console=ttyS0"\n')  # where the tiny system tells its name
    loader = {"efi/boot/bootx64.efi": folder / "loaders/bootx64.efi", "system.cfg": folder / "system.cfg"}
    plans = (
        Plan("small", 40 * MIB // 512, (), small, {}, PHASES),
        Plan("large", 320 * MIB // 512, ("-s", "8"), large, loader, first_phases),
    )
    disks = {plan.name: plan.make(folder) for plan in plans}
    bases = {name: Disk(disk.read_bytes()) for name, disk in disks.items()}
    logs = {plan.name: folder / f"{plan.name}.log" for plan in plans}
    qemu = [word for plan in plans for word in plan.qemu(disks[plan.name], logs[plan.name])]
    texts = {name: (HOOK / f"genpack-{name}.sh").read_text() for name in ("lib", "update")}
    script = SCRIPT.format(work="\n".join(plan.script() for plan in plans), **texts)
    ini = folder / "system.ini"
    ini.write_text(f"ssh_pubkey = {ssh_key.with_suffix('.pub').read_text()}")
    machine = Machine(
        "powercut", systemimg_image, work=folder, keep=cache / "logs", key=ssh_key, timing=timing,
        options=("--system-ini", ini), qemu=tuple(qemu),
    )  # fmt: skip
    with machine:
        print(machine.out(script, timeout=900))
        machine.power_off()
    return {plan.name: split(plan, bases[plan.name], logwrites.read(logs[plan.name])) for plan in plans}


@pytest.fixture(scope="module")
def record(records: dict[str, Record]) -> Record:
    return records["small"]


@pytest.mark.parametrize("phase", PHASES)
def test_no_cut_makes_the_disk_unbootable(record: Record, phase: str, tmp_path: Path) -> None:
    count = CUTS if phase == "update" else CUTS // 2
    seen, bad = 0, []
    for cut in record.cuts(phase, count):
        seen += 1
        if why := record.trouble(cut, tmp_path / "fat"):
            bad.append(f"after {cut.at} of {len(record.logs[phase])} entries ({cut.what}): {why}")
    assert bad == []
    assert seen > count


def boot(records: dict[str, Record], cut: logwrites.Cut, folder: Path, timing: Timing) -> None:
    """GRUB, kernel, initramfs and a tiny system, which says what it is and powers off."""
    record, disk, log = records["large"], folder / "disk", folder / "console.log"
    cut.disk.save(disk, 0, record.plan.sectors)
    wanted = fatcheck.Fat(cut.disk, 0).starts()
    assert wanted is not None
    image = next(name for name, digest in record.digests.items() if digest == wanted[1].digest)
    begun = time.monotonic()
    env = {"VM_RUN_ROOT": str(folder / "run"), "HOME": str(folder)}
    words = ("--memory", "512", "--console-log", log, "--timeout", str(int(BOOT_LIMIT)))
    run("vm", "run", "--uefi-disk", *words, disk, timeout=BOOT_LIMIT + 60, env=env)
    timing.add(f"boot after a cut ({cut.what})", time.monotonic() - begun)
    console = Console(log)
    assert console.lines(f"tiny: image {image}$"), console.text()[-3000:]
    assert console.lines("tiny: end")
    disk.unlink()


def chosen(record: Record, phase: str, count: int) -> list[logwrites.Cut]:
    """Cuts spread over those at which names or grubenv are not what they were before the phase."""
    def seen(disk: Disk) -> tuple[object, ...]:
        fat = fatcheck.Fat(disk, 0)
        # That system.new is being written is no news.
        clusters = [file.cluster for name, file in sorted(fat.files.items()) if name != "system.new"]
        return fat.variable("tries"), fat.variable("new"), clusters

    begun = seen(record.before[phase])
    # A cut takes memory, so only the chosen ones are kept.
    wanted = [number for number, cut in enumerate(record.cuts(phase, CUTS)) if seen(cut.disk) != begun]
    assert len(wanted) >= count
    wanted = wanted[:: len(wanted) // count][:count]
    return [cut for number, cut in enumerate(record.cuts(phase, CUTS)) if number in wanted]


def test_two_cuts_really_boot(records: dict[str, Record], tmp_path: Path, timing: Timing) -> None:
    for cut in chosen(records["large"], "update", 2):
        boot(records, cut, tmp_path, timing)


@pytest.mark.full
@pytest.mark.parametrize(("phase", "count"), [("update", 10), ("rollback", 3), ("good", 3)])
def test_more_cuts_really_boot(
    records: dict[str, Record], tmp_path: Path, timing: Timing, phase: str, count: int
) -> None:
    for cut in chosen(records["large"], phase, count):
        boot(records, cut, tmp_path, timing)


def test_the_record_is_one_of_an_update(record: Record) -> None:
    """What each part was to leave behind it, read from the disk: else the cuts would prove nothing."""
    names = {digest: name for name, digest in record.digests.items()}
    left = {}
    for phase, disk in zip(list(PHASES)[:-1], list(record.before.values())[1:], strict=True):
        fat = fatcheck.Fat(disk, 0)
        images = {name.removeprefix("system."): names[file.digest] for name, file in sorted(fat.files.items())
                  if file.size and name != "grubenv"}  # fmt: skip
        left[phase] = (images, fat.variable("tries"), fat.variable("new"))
    assert left == {
        "update": ({"img": "new", "cur": "current", "old": "previous"}, "3", ""),
        "initramfs after the update": ({"img": "new", "old": "current"}, "3", ""),
        "good": ({"img": "new", "old": "current"}, "", ""),
        "rollback": ({"img": "current", "old": "new"}, "3", ""),
        "good again": ({"img": "current", "old": "new"}, "", ""),
        "update without exchange": ({"img": "new", "cur": "current", "old": "new"}, "3", ""),
    }
    assert sum(entry.flush for entry in record.logs["update"]) >= 5


def test_the_checker_sees_a_careless_update(record: Record, tmp_path: Path) -> None:
    """The image written over in place: some cut must leave it broken."""
    base = record.before["update"]
    fat = fatcheck.Fat(base, 0)
    at = fat.data + (fat.files["system.img"].cluster - 2) * fat.per_cluster
    log = [Entry(at, os.urandom(512 * 64), flush=False), Entry(0, b"", flush=True)]
    troubles = [record.trouble(cut, tmp_path / "fat")
                for cut in logwrites.flushed(base, log)]  # fmt: skip
    assert troubles and all(text and "is not whole" in text for text in troubles)
