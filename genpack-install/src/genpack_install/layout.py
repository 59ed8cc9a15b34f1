# SPDX-License-Identifier: MIT
"""How a disk is divided. Pure arithmetic; all in bytes."""

from __future__ import annotations

from dataclasses import dataclass

from genpack_install.errors import UsageError
from genpack_install.log import size as human
from genpack_install.model import GIB, MIB, SECTOR, Options, Scheme, Target

#: The largest file that FAT32 holds.
FAT_FILE_LIMIT = 4 * GIB - 1
#: FAT32 has 65,525 clusters at least (Microsoft's FAT specification); with sectors of 512 bytes as clusters, and both
#: tables, that is a little under 34 MiB.
SMALLEST_FAT = 34 * MIB
#: mkfs.btrfs wants 109 MiB at least.
SMALLEST_DATA = 128 * MIB
#: The first partition begins here: room for GRUB's core image, and alignment.
FIRST = MIB
#: GPT keeps its second copy at the end of the disk.
TAIL = MIB
#: MBR counts 2^32 sectors.
MBR_LIMIT = (1 << 32) * SECTOR


@dataclass(frozen=True)
class Layout:
    """Where the file systems lie. `data_size` 0: no data partition. `image_on_data`: FAT can't hold the image."""

    scheme: Scheme
    boot_start: int
    boot_size: int
    data_start: int
    data_size: int
    image_on_data: bool


def wanted_boot_size(image: int, *, on_data: bool) -> int:
    """Room for three generations of the image and what comes beside them; whole GiB."""
    if on_data:
        return GIB
    return max(4 * GIB, -(-(3 * image) // GIB) * GIB + GIB)


def smallest_boot_size(image: int, *, on_data: bool) -> int:
    """For a file: room for one update."""
    return 64 * MIB if on_data else -(-(22 * image // 10 + 64 * MIB) // MIB) * MIB


def _superfloppy(total: int, image: int, content: int) -> Layout:
    if image > FAT_FILE_LIMIT:
        raise UsageError(
            f"the image has {human(image)}: a FAT file system holds no file of 4 GiB or more",
            tip="without --superfloppy the image goes to the data partition",
        )
    need = max(SMALLEST_FAT, content + content // 64 + 16 * MIB)
    if total < need:
        raise UsageError(f"{human(total)} are too small: {human(need)} are needed", tip="take a larger disk, or --size")
    return Layout(Scheme.NONE, 0, total, 0, 0, image_on_data=False)


def default_size(options: Options, image: int, content: int) -> int:
    """The size of a disk file that does not exist yet, if --size gives none: the smallest that needs no thrift."""
    if options.superfloppy:
        return -(-max(SMALLEST_FAT, content + content // 64 + 64 * MIB) // MIB) * MIB
    on_data = image > FAT_FILE_LIMIT
    boot = wanted_boot_size(image, on_data=on_data)
    data = max(boot, image + image // 4 + GIB) if on_data else boot
    return FIRST + boot + data + TAIL


def plan(options: Options, target: Target, image: int, content: int) -> Layout:
    """The layout for an image of so many bytes, with `content` bytes for the boot partition in all. UsageError if it
    does not fit, with what would."""
    if options.superfloppy:
        return _superfloppy(target.size // SECTOR * SECTOR, image, content)
    scheme = Scheme.GPT if options.gpt or target.size > MBR_LIMIT or target.sector != SECTOR else Scheme.MBR
    on_data = image > FAT_FILE_LIMIT
    room = (target.size - FIRST - TAIL) // MIB * MIB
    boot = wanted_boot_size(image, on_data=on_data)
    least_data = max(SMALLEST_DATA, image + image // 4 + 64 * MIB if on_data else 0)
    if not target.device and boot > room // 2:
        boot = max(smallest_boot_size(image, on_data=on_data), min(boot, room // 2 // MIB * MIB))
    elif target.device:
        least_data = max(least_data, boot // 2)
    if boot < content + content // 64 + 16 * MIB:
        boot = -(-(content + content // 64 + 16 * MIB) // MIB) * MIB
    if room < boot + least_data:
        need = FIRST + boot + least_data + TAIL
        alone = "" if on_data else ", or use --superfloppy: one file system without a data partition"
        raise UsageError(
            f"{target.path} has {human(target.size)}: {human(need)} are needed for this image",
            tip=f"take a larger disk{'' if target.device else ' file (--size)'}{alone}",
        )
    return Layout(scheme, FIRST, boot, FIRST + boot, room - boot, on_data)


def table(layout: Layout, identifier: bytes, sector: int, *, esp: bool) -> str:
    """sfdisk's description of the partition table. `identifier`: 16 bytes, from which the ids are made."""
    if layout.scheme is Scheme.MBR:
        kind = "ef" if esp else "c"
        head = f"label: dos\nlabel-id: 0x{identifier[:4].hex()}\n"
        boot, data = f"type={kind}, bootable", "type=83"
    else:
        boot_type = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B" if esp else "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"
        head = f"label: gpt\nlabel-id: {_uuid(identifier, 0)}\n"
        boot = f'type={boot_type}, uuid={_uuid(identifier, 1)}, name="boot"'
        data = f'type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid={_uuid(identifier, 2)}, name="data"'
    lines = [f"start={layout.boot_start // sector}, size={layout.boot_size // sector}, {boot}"]
    lines.append(f"start={layout.data_start // sector}, size={layout.data_size // sector}, {data}")
    return head + "\n".join(lines) + "\n"


def _uuid(identifier: bytes, number: int) -> str:
    """A version 4 UUID; a different one for each number."""
    data = bytearray(identifier)
    data[15] ^= number
    data[6] = data[6] & 0x0F | 0x40
    data[8] = data[8] & 0x3F | 0x80
    text = data.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
