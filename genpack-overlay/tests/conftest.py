# SPDX-License-Identifier: MIT
from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1]
FORMATS = PACKAGE.parent / "ci/formats"
MASTER = PACKAGE.parent / "ci/mirror/tree"
PROGS = PACKAGE / "genpack/genpack-progs/files"
DRACUT = PACKAGE / "sys-kernel/dracut-genpack/files/90genpack"

Fake = Callable[[str, str], Path]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Put a command on PATH: fake(NAME, BODY of a sh script). Its calls are appended to the file it returns."""
    folder = tmp_path / "fake-bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def make(name: str, body: str) -> Path:
        calls = tmp_path / f"{name}.calls"
        program = folder / name
        program.write_text(f'#!/bin/sh\necho "$*" >> "{calls}"\n{body}\n')
        program.chmod(0o755)
        return calls

    return make
