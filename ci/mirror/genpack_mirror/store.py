# SPDX-License-Identifier: MIT
"""Content-addressed results: a step whose inputs did not change is not made again."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from .process import say


def digest(*parts: str | bytes | Path) -> str:
    """SHA-256 (hex) over texts and the content of files and folders (names, modes, link targets, bytes)."""
    state = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            for line in _describe(part):
                state.update(line)
        else:
            data = part.encode() if isinstance(part, str) else part
            state.update(b"T%d\0" % len(data) + data)
    return state.hexdigest()


def _describe(path: Path) -> Iterable[bytes]:
    names = [path] if not path.is_dir() else sorted(p for p in path.rglob("*") if "__pycache__" not in p.parts)
    for name in names:
        relative = os.fsencode(name.relative_to(path) if name != path else name.name)
        if name.is_symlink():
            yield b"L" + relative + b"\0" + os.fsencode(os.readlink(name)) + b"\0"
        elif name.is_file():
            content = hashlib.sha256(name.read_bytes()).digest()
            yield b"F" + relative + b"\0%o\0" % (name.stat().st_mode & 0o111) + content
        else:
            yield b"D" + relative + b"\0"


class Store:
    """A folder of finished results, each a folder ``STEP-KEY``. The caller sees that one process at a time has it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        for half_made in root.glob(".*.new"):
            shutil.rmtree(half_made)

    def get(self, step: str, key: str, make: Callable[[Path], None]) -> Path:
        """The result of ``step`` for ``key``; ``make(folder)`` fills a new one. Older results of the step go."""
        final = self.root / f"{step}-{key[:16]}"
        if final.is_dir():
            return final
        started = time.monotonic()
        temporary = self.root / f".{step}.new"
        temporary.mkdir()
        try:
            make(temporary)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        for old in self.root.glob(f"{step}-????????????????"):
            shutil.rmtree(old)
        temporary.rename(final)
        say(f"{step}: {time.monotonic() - started:.1f} s")
        return final
