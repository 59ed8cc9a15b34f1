# SPDX-License-Identifier: MIT
"""The steps that make a disk: each a method, described and put in order by diskmode."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from genpack_install import biosdisk, btrfs, fat, fatfile, inputs, layout, process, sums
from genpack_install.inputs import IMAGE_NAME, Inputs
from genpack_install.layout import Layout
from genpack_install.log import Log
from genpack_install.model import MIB, BootFile, Scheme, Target


@dataclass(frozen=True)
class DiskWork:
    """`place`: where to write, the device or a temporary file. `folder`: for temporary files of the data partition's
    size (sparse)."""

    target: Target
    place: Path
    folder: Path
    given: Inputs
    divided: Layout
    label: str
    esp: bool
    log: Log

    @property
    def serial(self) -> int:
        """The boot partition's number, its UUID."""
        return int.from_bytes(self.given.identifier[:4], "big")

    @property
    def data_label(self) -> str:
        """By it boot loader and initramfs find the data partition."""
        return f"data-{fat.uuid(self.serial)}"

    @property
    def bios(self) -> bool:
        """Whether the boot loader for BIOS can be installed."""
        loaders = self.given.loaders
        return self.divided.scheme is Scheme.MBR and loaders.boot_img is not None and loaders.core_img is not None

    def boot_files(self) -> list[BootFile]:
        """What lies on the boot partition beside the image, in this order."""
        menu = self.divided.scheme is Scheme.MBR or self.given.image.raspberry_pi
        grubenv = BootFile(inputs.GRUBENV, content=inputs.EMPTY_GRUBENV)
        return [grubenv, *(file for file in self.given.files if menu or file.name != "boot/grub/grub.cfg")]

    def clear(self) -> None:
        """Makes the file, or wipes the table and the signatures of what was there."""
        if not self.target.device:
            with self.place.open("xb") as file:
                file.truncate(self.target.size)
            return
        for start in (0, self.target.size - MIB):
            btrfs.clear(self.place, start, MIB)

    def make_boot(self) -> None:
        """The empty FAT file system."""
        divided = self.divided
        fat.make(
            self.place,
            divided.boot_start,
            divided.boot_size,
            label=self.label,
            serial=self.serial,
            sector=self.target.sector,
            log=self.log,
        )

    def fill_boot(self) -> None:
        """The files. Every name that an image may get has its entry from now on, in the first sector of the root
        folder: an exchange of two names is then one write, which no power cut can halve."""
        names = () if self.divided.image_on_data else inputs.IMAGE_NAMES
        first = [BootFile(name, content=b"") for name in names]
        if names:
            first.append(BootFile(sums.NAME, content=b""))
        fat.fill(self.place, self.divided.boot_start, [*first, *self.boot_files()], self.log, epoch=self.given.epoch)

    def copy_image(self) -> None:
        """The image on the boot partition, and its sum, which comes of the copying."""
        image, start = self.given.image, self.divided.boot_start
        digest = fatfile.fill(self.place, start, IMAGE_NAME, image.path, image.size)
        line = sums.Sum(digest, image.size, image.fingerprint.hex(), image.title).line()
        record = BootFile(sums.NAME, content=line.encode())
        fat.fill(self.place, start, [record], self.log, epoch=self.given.epoch, replace=True)

    def make_data(self) -> None:
        """The data partition, with the image in it if FAT can't hold that."""
        image = self.given.image
        btrfs.make(
            self.place,
            self.divided.data_start,
            self.divided.data_size,
            label=self.data_label,
            identifier=self.given.identifier,
            image=(image.path, image.size) if self.divided.image_on_data else None,
            record=sums.of(image).line() if self.divided.image_on_data else "",
            beside=self.folder,
            log=self.log,
        )

    def write_table(self) -> None:
        """The table of partitions. sfdisk tells the kernel nothing: the mode does, when all is done."""
        text = layout.table(self.divided, self.given.identifier, self.target.sector, esp=self.esp)
        words: list[str | Path] = ["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", "--wipe", "never"]
        process.run([*words, "--wipe-partitions", "never", self.place], self.log, stdin=text)

    def write_bios(self) -> None:
        """The boot loader for BIOS, before the first partition."""
        loaders = self.given.loaders
        assert loaders.boot_img is not None and loaders.core_img is not None
        biosdisk.write(self.place, loaders.boot_img, loaders.core_img)
