# SPDX-License-Identifier: MIT
"""Without IMAGE the running system's own image is taken; and the question before anything is written."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from conftest import Run
from genpack_install import installed
from genpack_install.errors import UsageError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("proc", "run/initramfs/boot", "run/initramfs/rw"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "proc/cmdline").write_text("quiet\n")
    return tmp_path


def test_where_it_lies(root: Path) -> None:
    """On the data partition, else on the boot partition; a file of no bytes is none."""
    boot, data = root / "run/initramfs/boot", root / "run/initramfs/rw"
    with pytest.raises(UsageError, match="no IMAGE is given, and this is no system that runs from one"):
        installed.image(root)
    (boot / "system.img").touch()
    (data / "system").write_text("x")
    assert installed.image(root) == data / "system"
    (boot / "system.img").write_text("x")
    assert installed.image(root) == boot / "system.img"


def test_the_one_that_the_boot_loader_named(root: Path) -> None:
    for name in ("system.img", "system.old"):
        (root / "run/initramfs/boot" / name).write_text(name)
    (root / "proc/cmdline").write_text("root=systemimg:1234-ABCD genpack.image=system.old quiet\n")
    assert installed.image(root).name == "system.old"


class Terminal(io.StringIO):
    """Standard input of a person."""

    def isatty(self) -> bool:
        return True


@pytest.mark.spawns
@pytest.mark.parametrize(("answer", "status"), [("yes\n", 0), ("y\n", 0), ("no\n", 2), ("\n", 2), ("", 2)])
def test_the_question(
    install: Run, image: Path, loaders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, status: int
) -> None:
    out = tmp_path / "out.zip"
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    found, _, err = install("--zip", out, "--bootloaders", loaders, image)
    assert found == status and f"Write {out}?" in err
    assert out.exists() == (status == 0)
    assert ("nothing was written" in err) == (status == 2)
