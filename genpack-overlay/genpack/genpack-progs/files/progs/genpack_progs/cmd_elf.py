# SPDX-License-Identifier: MIT
"""findelf: name the ELF files in folders."""

from __future__ import annotations

import argparse
import os
import stat
import sys
from collections.abc import Iterator

from .errors import ProgsError

PROG = "findelf"


def elf_files(path: str) -> Iterator[str]:
    """Regular files that are ELF: `path` itself, or those in the folder, in byte order. No link in it is followed."""
    try:
        if not os.path.isdir(path):
            if stat.S_ISREG(os.stat(path).st_mode) and _is_elf(path):
                yield path
            return
        entries = sorted(os.scandir(path), key=lambda entry: os.fsencode(entry.name))
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from elf_files(entry.path)
            elif entry.is_file(follow_symlinks=False) and _is_elf(entry.path):
                yield entry.path
    except OSError as e:
        raise ProgsError(f"{os.fsdecode(e.filename or path)}: {e.strerror}") from e


def _is_elf(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def command(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog=PROG, description="Print the paths of the ELF files (programs, libraries, objects) among each PATH and in "
        "it. Links in a folder are not followed.")
    parser.add_argument("-0", "--null", action="store_true", help="end each path with a NUL byte, not a line end")
    parser.add_argument("paths", nargs="*", metavar="PATH", default=["."], help="file or folder (default: .)")
    args = parser.parse_args(argv)
    end = b"\0" if args.null else b"\n"
    for path in args.paths:
        for found in elf_files(path):
            sys.stdout.buffer.write(os.fsencode(found) + end)
    sys.stdout.buffer.flush()
