# SPDX-License-Identifier: MIT
"""--zip: the files of a boot partition; unpacked on a FAT32 memory stick they make it boot by UEFI."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from genpack_install import disks, files, inputs, layout, process, steps, sums
from genpack_install.errors import UsageError
from genpack_install.inputs import GRUBENV, IMAGE_NAME, Inputs
from genpack_install.log import Log
from genpack_install.log import size as human
from genpack_install.model import MIB, BootFile, Options, Talk
from genpack_install.steps import Plan, Step

_BLOCK = MIB
#: The first year that ZIP knows.
_FIRST_YEAR = 1980


@dataclass(frozen=True)
class ZipWork:
    """`made`: the temporary file."""

    made: Path
    given: Inputs

    def content(self) -> list[BootFile]:
        """All files, the image last."""
        grubenv = BootFile(GRUBENV, content=inputs.EMPTY_GRUBENV)
        image = BootFile(IMAGE_NAME, source=self.given.image.path)
        return [grubenv, self.record, *(file for file in self.given.files if file.name != "boot/grub/grub.cfg"), image]

    @cached_property
    def record(self) -> BootFile:
        """The image's sum: all of it is read, once."""
        return BootFile(sums.NAME, content=sums.of(self.given.image).line().encode())

    def run(self) -> None:
        """Nothing is compressed: the image, nearly all of it, is already."""
        moment = datetime.fromtimestamp(self.given.epoch, UTC)
        date = max(moment.timetuple()[:6], (_FIRST_YEAR, 1, 1, 0, 0, 0))
        with zipfile.ZipFile(self.made, "w", zipfile.ZIP_STORED) as archive:
            for file in self.content():
                entry = zipfile.ZipInfo(file.name, date)
                entry.create_system = 3  # Unix, whatever machine makes it
                entry.external_attr = 0o100644 << 16
                size = self.given.image.size if file.name == IMAGE_NAME else file.size
                entry.file_size = size  # tells zipfile whether Zip64 is needed
                with archive.open(entry, "w") as target:
                    if file.content is not None:
                        target.write(file.content)
                        continue
                    assert file.source is not None
                    with file.source.open("rb") as source:
                        while size and (block := source.read(min(_BLOCK, size))):
                            target.write(block)
                            size -= len(block)


def run(options: Options, talk: Talk, log: Log) -> None:
    """Check everything, plan, show, do."""
    process.require(("unsquashfs",))
    disks.output_file(options.target)
    if options.label is not None:
        raise UsageError("--label is for disks and CDs: a ZIP has none")
    with TemporaryDirectory(prefix="genpack-install-") as temporary:
        given = inputs.gather(options, Path(temporary), log)
        files.check_other_than(options.target, (given.image.path, *inputs.sources(options)))
        if given.image.size > layout.FAT_FILE_LIMIT:
            raise UsageError(
                f"the image has {human(given.image.size)}: FAT, the ZIP's destination, holds no file of 4 GiB or more",
                tip="--disk puts it on a data partition",
            )
        if not given.image.raspberry_pi and not given.loaders.efi:
            raise UsageError(
                f"no boot loader for UEFI in {given.loaders.origin}", tip="genpack-install build-bootloaders makes them"
            )
        with files.replacing(options.target) as made:
            steps.execute(plan(ZipWork(made, given), options.target), talk, log)


def plan(work: ZipWork, target: Path) -> Plan:
    """One step."""
    exists = target.exists()
    content = [(file.name, work.given.image.size if file.name == IMAGE_NAME else file.size) for file in work.content()]
    return Plan(
        "zip",
        target,
        work.given.image,
        (Step("write the ZIP file", work.run, sum(size for _, size in content)),),
        files=tuple(content),
        destroys=f"{target} will be replaced" if exists else None,
        spoilt=f"{target} was not {'changed' if exists else 'made'}",
    )
