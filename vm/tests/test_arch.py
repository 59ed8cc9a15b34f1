# SPDX-License-Identifier: MIT
"""Architectures by the headers of kernels."""

from __future__ import annotations

import struct

import guest
import pytest
from genpack_vm.arch import Arch, of_kernel


def at(size: int, *pieces: tuple[int, bytes]) -> bytes:
    data = bytearray(size)
    for offset, piece in pieces:
        data[offset : offset + len(piece)] = piece
    return bytes(data)


def pe(machine: int) -> bytes:
    return at(512, (0, b"MZ"), (0x3C, struct.pack("<I", 0x80)), (0x80, b"PE\0\0" + struct.pack("<H", machine)))


@pytest.mark.parametrize(
    ("head", "arch"),
    [
        (guest.kernel(), Arch.X86_64),
        (guest.kernel(is_64=False), Arch.I686),
        (at(512, (0, b"MZ"), (56, b"ARM\x64")), Arch.AARCH64),
        (at(512, (48, b"RISCV"), (56, b"RSC\x05")), Arch.RISCV64),
        (at(64, (0, b"\x7fELF\x02\x01"), (18, struct.pack("<H", 62))), Arch.X86_64),
        (at(64, (0, b"\x7fELF\x01\x01"), (18, struct.pack("<H", 3))), Arch.I686),
        (at(64, (0, b"\x7fELF\x02\x01"), (18, struct.pack("<H", 183))), Arch.AARCH64),
        (at(64, (0, b"\x7fELF\x02\x01"), (18, struct.pack("<H", 243))), Arch.RISCV64),
        (pe(0x8664), Arch.X86_64),
        (pe(0x14C), Arch.I686),
        (pe(0xAA64), Arch.AARCH64),
        (pe(0x5064), Arch.RISCV64),
        (at(64, (0, b"\x7fELF\x02\x01"), (18, struct.pack("<H", 21))), None),  # ppc64
        (pe(0x1C0), None),
        (b"MZ" + bytes(10), None),
        (b"\x7fELF", None),
        (b"a text", None),
        (b"", None),
    ],
)
def test_of_kernel(head: bytes, arch: Arch | None) -> None:
    assert of_kernel(head) is arch


def test_programs() -> None:
    programs = [arch.qemu for arch in Arch]
    assert programs == ["qemu-system-x86_64", "qemu-system-i386", "qemu-system-aarch64", "qemu-system-riscv64"]


def test_kvm_runs_the_own_kind() -> None:
    assert Arch.X86_64.runs_on(Arch.X86_64)
    assert Arch.I686.runs_on(Arch.X86_64)
    assert not Arch.X86_64.runs_on(Arch.I686)
    assert not Arch.AARCH64.runs_on(Arch.X86_64)
    assert not Arch.AARCH64.runs_on(None)
