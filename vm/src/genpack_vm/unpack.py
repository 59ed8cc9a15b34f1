# SPDX-License-Identifier: MIT
"""Unpack compressed kernels: a gzip'ed Image, and EFI zboot files with gzip, zstd or xz inside."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

from genpack_vm.errors import ImageError

CHUNK = 1 << 20
LIMIT = 1 << 29  # bytes; no kernel is larger, a bomb is
_GZIP = b"\x1f\x8b"


def _feeder(method: str, name: str) -> tuple[Callable[[bytes], bytes], Callable[[], bool]]:
    """(decompress a piece, has the stream ended) of a compressor as EFI zboot names it."""
    if method.startswith("gzip"):
        inflate = zlib.decompressobj(wbits=31)
        return inflate.decompress, lambda: inflate.eof
    if method.startswith("xz"):  # xzkern: xz with a branch filter
        import lzma

        unxz = lzma.LZMADecompressor(lzma.FORMAT_XZ)
        return unxz.decompress, lambda: unxz.eof
    if method.startswith("zstd"):  # zstd22
        import zstandard

        unzstd = zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj()
        return unzstd.decompress, lambda: unzstd.eof
    raise ImageError(
        f"{name}: the kernel is compressed with {method}, which is not supported",
        tip="build the kernel with gzip, zstd or xz",
    )


def _pieces(source: BinaryIO, size: int) -> Iterator[bytes]:
    while size > 0 and (piece := source.read(min(CHUNK, size))):
        size -= len(piece)
        yield piece


def _stream(source: BinaryIO, size: int, method: str, target: BinaryIO, name: str) -> None:
    import lzma  # for its error class; 2 ms, and only for packed kernels

    feed, ended = _feeder(method, name)
    written = 0
    try:
        for piece in _pieces(source, size):
            plain = feed(piece)
            written += len(plain)
            if written > LIMIT:
                raise ImageError(f"{name}: the kernel unpacks to more than {LIMIT >> 20} MiB")
            target.write(plain)
            if ended():
                return  # zboot appends the length to some compressors' streams
    except (zlib.error, lzma.LZMAError, EOFError) as e:
        raise ImageError(f"{name}: the kernel's {method} data is damaged: {e}") from e
    except Exception as e:
        if type(e).__name__ != "ZstdError":  # its class is importable only where zstandard is loaded
            raise
        raise ImageError(f"{name}: the kernel's {method} data is damaged: {e}") from e
    raise ImageError(f"{name}: the kernel's {method} data ends too early")


def packing(head: bytes) -> str | None:
    """How the kernel that begins with `head` is packed: "gzip", "zboot", or None for not at all."""
    if head[:2] == _GZIP:
        return "gzip"
    if head[:2] == b"MZ" and head[4:8] == b"zimg":
        return "zboot"
    return None


def unpack(source: BinaryIO, target: BinaryIO, name: str) -> bool:
    """Write the unpacked kernel in `source` to `target`; False, and nothing written, when it is not packed.

    The zboot header is drivers/firmware/efi/libstub/zboot-header.S in Linux: "MZ", 2 bytes, "zimg", payload offset
    and size (32 bits, little-endian), 8 reserved bytes, the compressor's name at byte 24.
    """
    head = source.read(64)
    how = packing(head)
    if how == "gzip":
        source.seek(0)
        _stream(source, LIMIT, "gzip", target, name)
    elif how == "zboot":
        offset, size = struct.unpack_from("<II", head, 8)
        method = head[24:56].split(b"\0", 1)[0].decode("ascii", "replace")
        source.seek(offset)
        _stream(source, size, method, target, name)
    return how is not None
