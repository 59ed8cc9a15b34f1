# SPDX-License-Identifier: MIT
"""--disk: a disk or a disk file with boot and data partition, or with one FAT file system over all of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from genpack_install import btrfs, disks, fat, files, inputs, layout, process, steps
from genpack_install.diskwork import DiskWork
from genpack_install.inputs import IMAGE_NAME, IMAGE_NAME_ON_DATA
from genpack_install.log import Log
from genpack_install.log import size as human
from genpack_install.model import SECTOR, Options, Scheme, Talk, Target
from genpack_install.steps import Part, Plan, Step

LABEL = "GENPACK"


def show(talk: Talk, log: Log) -> None:
    """--disk=list: the machine's disks, on stdout."""
    found = disks.every(log)
    if talk.json:
        print(json.dumps([asdict(disk) for disk in found]))
        return
    for disk in found:
        name = " ".join(word for word in (disk.model, disk.transport) if word)
        print(f"{disk.path:16} {human(disk.size):>10}  {disk.reason or 'free'}{f'  ({name})' if name else ''}")
    if not found:
        log.line("there is no disk")


def run(options: Options, talk: Talk, log: Log) -> None:
    """Check everything, plan, show, do."""
    superfloppy = options.superfloppy
    process.require(("unsquashfs", *fat.PROGRAMS, *(() if superfloppy else ("sfdisk", *btrfs.PROGRAMS))))
    label = fat.check_label(LABEL if options.label is None else options.label)
    target = disks.target(options.target, options.size, log)
    with TemporaryDirectory(prefix="genpack-install-") as temporary:
        given = inputs.gather(options, Path(temporary), log, random=True)
        files.check_other_than(options.target, (given.image.path, *inputs.sources(options)))
        on_fat = given.content + (0 if given.image.size > layout.FAT_FILE_LIMIT else given.image.size)
        if target is None:
            size = options.size or layout.default_size(options, given.image.size, on_fat)
            target = Target(options.target, size, SECTOR, device=False)
        divided = layout.plan(options, target, given.image.size, on_fat)
        with _place(target) as place:
            # A device's own folder is /dev: the sparse file lies where temporary files do.
            folder = Path(temporary) if target.device else target.path.absolute().parent
            work = DiskWork(target, place, folder, given, divided, label, options.esp, log)
            steps.execute(plan(work, _finish(target, place, log, partitions=not superfloppy)), talk, log)


@contextmanager
def _place(target: Target) -> Iterator[Path]:
    """Where to write: the device, or a temporary file beside the file, which is removed unless it was renamed."""
    if target.device:
        yield target.path
        return
    temporary = files.temporary_name(target.path)
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _finish(target: Target, place: Path, log: Log, *, partitions: bool) -> Step:
    if target.device:

        def flush() -> None:
            files.sync(place)
            if partitions:
                disks.reread(place, log)

        return Step(f"flush{', and tell the kernel of the new partitions' if partitions else ''}", flush)
    return Step(f"flush, and give the file its name {target.path.name}", lambda: files.put(place, target.path))


def plan(work: DiskWork, finish: Step) -> Plan:
    """The steps. The table of partitions comes late: a disk that is broken off before has none, and boots nothing."""
    target, divided, image = work.target, work.divided, work.given.image
    size = 0 if divided.image_on_data else image.size
    make = f"wipe the beginning and the end of {target.path}" if target.device else "make a sparse file"
    todo = [
        Step(make, work.clear, 0 if target.device else target.size),
        Step(f"make the boot file system: FAT32, {fat.uuid(work.serial)}", work.make_boot, divided.boot_size),
        Step("copy the boot files to it", work.fill_boot, sum(file.size for file in work.boot_files())),
    ]
    if size:
        todo.append(Step(f"copy the image to it as {IMAGE_NAME}", work.copy_image, size))
    if divided.scheme is not Scheme.NONE:
        inside = f", with the image as {IMAGE_NAME_ON_DATA}" if divided.image_on_data else ""
        text = f"make the data file system: Btrfs, label {work.data_label}{inside}"
        todo.append(Step(text, work.make_data, divided.data_size))
        todo.append(Step(f"write the table of partitions: {divided.scheme.name}", work.write_table))
    if work.bios:
        todo.append(Step("install the boot loader for BIOS", work.write_bios))
    exists = target.path.exists()
    broken = f"{target.path} is half written and boots nothing: run the same command again"
    return Plan(
        "disk",
        target.path,
        image,
        (*todo, finish),
        parts=_parts(work),
        files=(
            *((file.name, file.size) for file in work.boot_files()),
            (IMAGE_NAME_ON_DATA if divided.image_on_data else IMAGE_NAME, image.size),
        ),
        notes=tuple(_notes(work)),
        destroys=f"everything on {target.path} will be lost" if exists else None,
        spoilt=broken if target.device else f"{target.path} was not {'changed' if exists else 'made'}",
    )


def _parts(work: DiskWork) -> tuple[Part, ...]:
    divided = work.divided
    if divided.scheme is Scheme.NONE:
        return (Part(0, "FAT32", work.label, 0, divided.boot_size),)
    return (
        Part(1, "FAT32", work.label, divided.boot_start, divided.boot_size),
        Part(2, "Btrfs", work.data_label, divided.data_start, divided.data_size),
    )


def _notes(work: DiskWork) -> Iterator[str]:
    if work.given.image.raspberry_pi:
        return
    loaders = work.given.loaders
    if work.divided.scheme is not Scheme.MBR:
        why = "a GPT disk" if work.divided.scheme is Scheme.GPT else "a disk without partitions"
        yield f"the boot loader for BIOS is left out on {why}: it boots by UEFI alone"
    elif not work.bios:
        yield f"no boot loader for BIOS in {loaders.origin}: the disk boots by UEFI alone"
    if not loaders.efi:
        yield f"no boot loader for UEFI in {loaders.origin}: the disk boots by BIOS alone"
