# SPDX-License-Identifier: MIT
"""--cdrom: an ISO 9660 file that boots by BIOS and UEFI, from a CD and, written to it as it is, from a memory stick."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from genpack_install import disks, files, inputs, process, steps
from genpack_install.errors import UsageError
from genpack_install.inputs import IMAGE_NAME, Inputs
from genpack_install.log import Log
from genpack_install.model import BootFile, Options, Talk
from genpack_install.steps import Plan, Step

LABEL = "GENPACK"
_LABEL_LIMIT = 32
#: Where BIOS and UEFI find their boot images in the ISO.
_BIOS_IMAGE, _EFI_IMAGE = "boot/grub/eltorito-bios.img", "boot/grub/eltorito-efi.img"


def check_label(label: str) -> str:
    """The volume's name; UsageError if ISO 9660 can't hold it."""
    if not 1 <= len(label) <= _LABEL_LIMIT or not label.isascii() or not label.isprintable():
        raise UsageError(
            f"--label {label!r} can't be the name of an ISO 9660 volume", tip="1 to 32 characters of ASCII"
        )
    return label


@dataclass(frozen=True)
class CdWork:
    """`made`: the temporary file."""

    made: Path
    given: Inputs
    label: str
    log: Log

    def volume_date(self) -> str:
        """The volume's modification date, which is its UUID for blkid, GRUB and the initramfs: YYYYMMDDhhmmsscc. Made
        of the identifier, between 1980 and 2079, so that two images have two."""
        number = int.from_bytes(self.given.identifier[:8], "big")
        seconds, hundredths = divmod(number % (100 * 365 * 86400 * 100), 100)
        moment = datetime(1980, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
        return f"{moment:%Y%m%d%H%M%S}{hundredths:02}"

    def content(self) -> list[BootFile]:
        """All files of the volume."""
        loaders, found = self.given.loaders, list(self.given.files)
        if loaders.cd_bios is not None:
            found.append(BootFile(_BIOS_IMAGE, content=loaders.cd_bios))
        if loaders.cd_efi is not None:
            found.append(BootFile(_EFI_IMAGE, content=loaders.cd_efi))
        return found

    def run(self) -> None:
        """Lets xorriso make it."""
        with TemporaryDirectory(prefix="genpack-install-") as temporary:
            folder = Path(temporary)
            grafts = [f"{IMAGE_NAME}={_escaped(self.given.image.path)}"]
            for number, file in enumerate(self.content()):
                source = file.source
                if source is None:
                    source = folder / str(number)
                    source.write_bytes(file.content or b"")
                grafts.append(f"{_escaped(Path(file.name))}={_escaped(source.absolute())}")
            process.run([*self._words(folder), "-graft-points", *grafts], self.log, env=self._environment())

    def _environment(self) -> dict[str, str]:
        return {"SOURCE_DATE_EPOCH": str(self.given.epoch), "TZ": "UTC"}

    def _words(self, folder: Path) -> Iterator[str | Path]:
        loaders = self.given.loaders
        yield from ("xorriso", "-as", "mkisofs", "-quiet", "-volid", self.label, "-rational-rock", "-joliet")
        yield from ("-iso-level", "3", "-output", self.made, f"--modification-date={self.volume_date()}")
        yield from ("--set_all_file_dates", f"{datetime.fromtimestamp(self.given.epoch, UTC):%Y%m%d%H%M%S}00")
        if loaders.cd_bios is not None:
            yield from ("-eltorito-boot", _BIOS_IMAGE, "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table")
            yield "--grub2-boot-info"
            if loaders.hybrid is not None:
                hybrid = folder / "hybrid"
                hybrid.write_bytes(loaders.hybrid)
                yield from ("--grub2-mbr", hybrid)
        if loaders.cd_efi is not None:
            efi = folder / "efi"
            efi.write_bytes(loaders.cd_efi)
            # As a partition, which UEFI finds on a memory stick, and as El Torito image, which it finds on a CD.
            yield from ("-append_partition", "2", "0xef", efi)
            yield from ("-eltorito-alt-boot", "-e", "--interval:appended_partition_2:all::", "-no-emul-boot")


def _escaped(path: Path) -> str:
    """For -graft-points, which splits at = and knows backslashes."""
    return str(path).replace("\\", "\\\\").replace("=", "\\=")


def run(options: Options, talk: Talk, log: Log) -> None:
    """Check everything, plan, show, do."""
    process.require(("unsquashfs", "xorriso"))
    label = check_label(LABEL if options.label is None else options.label)
    disks.output_file(options.target)
    with TemporaryDirectory(prefix="genpack-install-") as temporary:
        given = inputs.gather(options, Path(temporary), log)
        files.check_other_than(options.target, (given.image.path, *inputs.sources(options)))
        if given.image.raspberry_pi:
            raise UsageError("a Raspberry Pi does not boot from CDs", tip="--disk makes a card for it, --zip its files")
        if given.loaders.cd_bios is None and given.loaders.cd_efi is None:
            raise UsageError(
                f"no boot loader for CDs in {given.loaders.origin}", tip="genpack-install build-bootloaders makes them"
            )
        with files.replacing(options.target) as made:
            steps.execute(plan(CdWork(made, given, label, log), options.target), talk, log)


def plan(work: CdWork, target: Path) -> Plan:
    """One step, by xorriso."""
    image, content = work.given.image, work.content()
    exists = target.exists()
    return Plan(
        "cdrom",
        target,
        image,
        (Step(f"write the ISO file, label {work.label}", work.run, image.size + sum(file.size for file in content)),),
        files=(*((file.name, file.size) for file in content), (IMAGE_NAME, image.size)),
        destroys=f"{target} will be replaced" if exists else None,
        spoilt=f"{target} was not {'changed' if exists else 'made'}",
    )
