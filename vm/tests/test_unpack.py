# SPDX-License-Identifier: MIT
"""Compressed kernels."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import struct

import pytest
import zstandard
from genpack_vm import unpack
from genpack_vm.errors import ImageError

PLAIN = b"kernel " * 5000 + os.urandom(3 << 20)


def zboot(method: bytes, payload: bytes, tail: bytes = b"") -> bytes:
    head = bytearray(0x200)
    head[0:2], head[4:8] = b"MZ", b"zimg"
    struct.pack_into("<II", head, 8, len(head), len(payload))
    head[24 : 24 + len(method)] = method
    return bytes(head) + payload + tail


def unpacked(data: bytes) -> bytes | None:
    target = io.BytesIO()
    return target.getvalue() if unpack.unpack(io.BytesIO(data), target, "k") else None


def zstd_long(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=3).compress(data)


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(PLAIN, 1),
        gzip.compress(PLAIN, 1) + b"trailing",
        zboot(b"gzip", gzip.compress(PLAIN, 1)),
        zboot(b"zstd22", zstd_long(PLAIN), b"size"),
        zboot(b"zstd", zstd_long(PLAIN)),
        zboot(b"xzkern", lzma.compress(PLAIN, preset=0) + b"size"),
    ],
)
def test_unpack(data: bytes) -> None:
    assert unpacked(data) == PLAIN


def test_not_packed() -> None:
    assert unpacked(b"MZ" + bytes(100)) is None
    assert unpacked(b"") is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (zboot(b"lz4", b"x"), "compressed with lz4, which is not supported"),
        (gzip.compress(PLAIN, 1)[:1000], "ends too early"),
        (zboot(b"zstd22", zstd_long(PLAIN)[:1000]), "ends too early"),
        (zboot(b"zstd22", b"not zstd at all"), "zstd22 data is damaged"),
        (zboot(b"xzkern", b"not xz at all"), "xzkern data is damaged"),
        (b"\x1f\x8b" + b"\xff" * 100, "gzip data is damaged"),
    ],
)
def test_damage(data: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        unpacked(data)


def test_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "LIMIT", 1 << 20)
    with pytest.raises(ImageError, match="more than 1 MiB"):
        unpacked(gzip.compress(bytes(8 << 20)))
