# SPDX-License-Identifier: MIT
"""A whole guest in 2 KiB: an x86 bzImage whose real-mode code is the program.

It prints "STUB GUEST" on the first serial port and then
  * powers off when the power button is pressed, after "POWER BUTTON" (unless it is the deaf one);
  * powers off when it gets the letter q, hangs on h, resets on r; it answers any other byte with itself.
QEMU and its firmware are real, and so is everything that `vm` does with them. The same program is also a boot sector,
for disks and CDs that the BIOS starts.
"""

from __future__ import annotations

import struct

SETUP_SECTORS = 1
ORIGIN = 0x80  # the code's place in the setup segment, which is loaded from byte 0x200 of the file

COM1 = 0x3F8
PM1_STATUS, PM1_ENABLE, PM1_CONTROL = 0x600, 0x602, 0x604  # q35 as SeaBIOS sets it up
POWER_BUTTON = 0x100
SLEEP_S5 = 0x2000


class _Code:
    """Enough of an assembler: bytes, labels, short jumps."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.labels: dict[str, int] = {}
        self.jumps: list[tuple[int, str]] = []
        self.words: list[tuple[int, str]] = []

    def label(self, name: str) -> None:
        self.labels[name] = len(self.data)

    def emit(self, *values: int) -> None:
        self.data += bytes(values)

    def jump(self, opcode: int, target: str) -> None:
        self.emit(opcode, 0)
        self.jumps.append((len(self.data) - 1, target))

    def move_si(self, target: str) -> None:
        self.emit(0xBE, 0, 0)
        self.words.append((len(self.data) - 2, target))

    def move_dx(self, port: int) -> None:
        self.emit(0xBA, *struct.pack("<H", port))

    def move_ax(self, value: int) -> None:
        self.emit(0xB8, *struct.pack("<H", value))

    def text(self, name: str, text: str) -> None:
        self.label(name)
        self.data += text.encode() + b"\0"

    def assembled(self) -> bytes:
        for at, target in self.jumps:
            distance = self.labels[target] - (at + 1)
            assert -128 <= distance < 128, target
            self.data[at] = distance & 0xFF
        for at, target in self.words:
            struct.pack_into("<H", self.data, at, ORIGIN + self.labels[target])
        return bytes(self.data)


def _print(code: _Code, text: str) -> None:
    code.move_si(text)
    code.move_dx(COM1)
    code.label(f"{text} next")
    code.emit(0x2E, 0xAC)  # cs lodsb
    code.emit(0x84, 0xC0)  # test al, al
    code.jump(0x74, f"{text} end")  # jz
    code.emit(0xEE)  # out dx, al
    code.jump(0xEB, f"{text} next")
    code.label(f"{text} end")


def _program(deaf: bool) -> bytes:
    code = _Code()
    code.emit(0xFA)  # cli: the firmware's interrupt handlers are of no use here
    if not deaf:
        code.move_dx(PM1_ENABLE)  # QEMU drops the button's event unless it is enabled
        code.move_ax(POWER_BUTTON)
        code.emit(0xEF)  # out dx, ax
    _print(code, "hello")
    code.label("loop")
    if not deaf:
        code.move_dx(PM1_STATUS)
        code.emit(0xED)  # in ax, dx
        code.emit(0xF6, 0xC4, POWER_BUTTON >> 8)  # test ah, 1
        code.jump(0x75, "button")
    code.move_dx(COM1 + 5)
    code.emit(0xEC)  # in al, dx
    code.emit(0xA8, 0x01)  # test al, 1: a byte has come
    code.jump(0x74, "loop")
    code.move_dx(COM1)
    code.emit(0xEC)  # in al, dx
    for letter, target in (("q", "off"), ("h", "hang"), ("r", "reset")):
        code.emit(0x3C, ord(letter))  # cmp al, letter
        code.jump(0x74, target)
    code.emit(0xEE)  # out dx, al
    code.jump(0xEB, "loop")
    code.label("button")
    _print(code, "pressed")
    code.label("off")
    code.move_dx(PM1_CONTROL)
    code.move_ax(SLEEP_S5)
    code.emit(0xEF)  # out dx, ax
    code.label("hang")
    code.emit(0xF4)  # hlt
    code.jump(0xEB, "hang")
    code.label("reset")
    code.emit(0xB0, 0xFE, 0xE6, 0x64)  # out 0x64, 0xfe: the keyboard controller's reset line
    code.jump(0xEB, "hang")
    code.text("hello", "STUB GUEST\r\n")
    code.text("pressed", "POWER BUTTON\r\n")
    return code.assembled()


def kernel(*, deaf: bool = False, is_64: bool = True) -> bytes:
    """The bzImage (Documentation/arch/x86/boot.rst in Linux)."""
    image = bytearray(0x200 * (SETUP_SECTORS + 1) + 1024)
    image[0x1F1] = SETUP_SECTORS
    struct.pack_into("<H", image, 0x1FE, 0xAA55)
    image[0x200:0x202] = bytes([0xEB, ORIGIN - 2])  # jump over the header
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x206, 0x020C)
    image[0x211] = 1  # LOADED_HIGH
    struct.pack_into("<I", image, 0x214, 0x100000)  # code32_start
    struct.pack_into("<I", image, 0x22C, 0x7FFFFFFF)  # initrd_addr_max
    struct.pack_into("<H", image, 0x236, int(is_64))  # XLF_KERNEL_64
    struct.pack_into("<I", image, 0x238, 2047)  # cmdline_size
    program = _program(deaf)
    at = 0x200 + ORIGIN
    assert at + len(program) <= 0x200 * (SETUP_SECTORS + 1)
    image[at : at + len(program)] = program
    return bytes(image)


def boot_sector() -> bytes:
    """The first 512 bytes of a disk; the BIOS loads them to 0x7C00. Also El Torito's "no emulation" boot image."""
    program = _program(deaf=False)
    at = 0x10
    segment = (0x7C00 + at - ORIGIN) // 16
    sector = bytearray(512)
    sector[0:5] = b"\xea" + struct.pack("<HH", ORIGIN, segment)  # jmp far: CS as the program wants it
    assert at + len(program) <= 510
    sector[at : at + len(program)] = program
    sector[510:512] = b"\x55\xaa"
    return bytes(sector)


def iso() -> bytes:
    """As much of a bootable CD as a BIOS reads (El Torito Bootable CD-ROM Format 1.0): no file system in it."""
    sector = 2048
    image = bytearray(64 * sector)
    image[16 * sector : 16 * sector + 7] = b"\x01CD001\x01"
    record = 17 * sector
    image[record : record + 30] = b"\x00CD001\x01EL TORITO SPECIFICATION"
    struct.pack_into("<I", image, record + 0x47, 19)  # the catalogue's sector
    image[18 * sector : 18 * sector + 7] = b"\xffCD001\x01"
    validation = bytearray(32)
    validation[0], validation[30], validation[31] = 1, 0x55, 0xAA
    struct.pack_into("<H", validation, 28, -sum(struct.unpack("<16H", validation)) & 0xFFFF)
    entry = struct.pack("<BBHBBHI", 0x88, 0, 0, 0, 0, 1, 20)  # bootable, no emulation, one sector of 512 bytes at 20
    image[19 * sector : 19 * sector + 32 + len(entry)] = bytes(validation) + entry
    image[20 * sector : 20 * sector + 512] = boot_sector()
    return bytes(image)
