# SPDX-License-Identifier: MIT
"""GRUB's environment block: 1024 bytes, a line a variable, the rest "#" (grub-core/lib/envblk.c).

What matters stands in the first 512 bytes, so a new value is one sector: it is there or not. The file is overwritten
in place, as GRUB does it; GRUB can't make one.
"""

from __future__ import annotations

import os
from pathlib import Path

from genpack_install import files
from genpack_install.generations import Env

NAME = "grubenv"
SIZE = 1024
_HEADER = b"# GRUB Environment Block\n"
_SECTOR = 512


def parse(data: bytes) -> dict[str, str] | None:
    """The variables; None if this is no environment block."""
    if len(data) != SIZE or not data.startswith(_HEADER):
        return None
    found: dict[str, str] = {}
    for line in data[len(_HEADER) :].decode("utf-8", "replace").split("\n"):
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found[key] = value
    return found


def block(variables: dict[str, str]) -> bytes:
    """The block with these variables. ValueError if they do not fit into one sector."""
    data = _HEADER + b"".join(f"{key}={value}\n".encode() for key, value in sorted(variables.items()))
    if len(data) > _SECTOR:
        raise ValueError(f"{len(data)} bytes of variables: {_SECTOR} fit")
    return data.ljust(SIZE, b"#")


def env(variables: dict[str, str] | None) -> Env:
    """What of them is about generations. A value that is none counts as absent, as for the boot loader."""
    variables = variables or {}
    tries = variables.get("tries", "")
    return Env(int(tries) if len(tries) == 1 and tries in "012345" else None, variables.get("new") or None)


def read(folder: Path) -> dict[str, str] | None:
    """The variables of a boot partition; None if its file is absent or damaged."""
    try:
        return parse((folder / NAME).read_bytes())
    except OSError:
        return None


def write(folder: Path, value: Env) -> None:
    """Sets what is about generations; other variables stay."""
    variables = dict(read(folder) or {})
    for key in ("tries", "new"):
        variables.pop(key, None)
    if value.tries is not None:
        variables["tries"] = str(value.tries)
    if value.new is not None:
        variables["new"] = value.new
    try:
        data = block(variables)
    except ValueError:
        # Others have filled it: what is about generations matters more.
        data = block({key: variables[key] for key in ("tries", "new") if key in variables})
    path = folder / NAME
    if path.is_file() and path.stat().st_size == SIZE:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.pwrite(fd, data, 0)
            os.fsync(fd)
        finally:
            os.close(fd)
    else:
        files.write(path, data)
