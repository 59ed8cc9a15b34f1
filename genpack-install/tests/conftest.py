# SPDX-License-Identifier: MIT
"""Fixtures: tiny images, boot loaders made once, the command in this process. A test starts programs only if it is
marked `spawns`."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from genpack_install import bootloader, cli
from genpack_install.log import Log

GRUB = Path("/usr/lib/grub")
Run = Callable[..., tuple[int, str, str]]
Make = Callable[..., Path]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "spawns: the test may start programs")


@pytest.fixture(autouse=True)
def _no_programs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("spawns") is None:

        def refuse(*words: object, **_: object) -> None:
            raise AssertionError(f"a test that is not marked `spawns` starts a program: {words}")

        monkeypatch.setattr(subprocess, "Popen", refuse)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.setenv("NO_COLOR", "1")


def make_image(path: Path, tree: Path, *, compressor: str = "gzip", remove: tuple[str, ...] = ()) -> Path:
    """A SquashFS of what genpack-install looks at: .genpack, kernel, initramfs; and a file of 300 KB to be larger."""
    (tree / ".genpack").mkdir(parents=True, exist_ok=True)
    (tree / "boot").mkdir(exist_ok=True)
    (tree / "usr/share").mkdir(parents=True, exist_ok=True)
    for name, text in (("artifact", "tiny"), ("variant", "small"), ("arch", "x86_64")):
        (tree / ".genpack" / name).write_text(text)
    for name in ("kernel", "initramfs"):
        (tree / "boot" / f"{name}-6.1").write_text(f"{name}\n")
        if not (tree / "boot" / name).is_symlink():
            (tree / "boot" / name).symlink_to(f"{name}-6.1")
    (tree / "usr/share/noise").write_bytes(random.Random(1).randbytes(300_000))
    for name in remove:
        (tree / name).unlink()
    argv = ["mksquashfs", str(tree), str(path), "-comp", compressor, "-noappend", "-quiet", "-no-progress"]
    subprocess.run([*argv, "-all-root", "-mkfs-time", "1700000000"], check=True, capture_output=True)
    return path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return make_image(tmp_path / "tiny.squashfs", tmp_path / "tree")


@pytest.fixture(scope="session")
def loaders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real boot loaders."""
    folder = tmp_path_factory.mktemp("loaders") / "made"
    bootloader.build(folder, [], GRUB, Log())
    return folder


@pytest.fixture
def install(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line; (status, stdout, stderr)."""

    def run(*words: object) -> tuple[int, str, str]:
        status = cli.execute([str(word) for word in words])
        out, err = capsys.readouterr()
        return status, out, err

    return run


@pytest.fixture
def refused(install: Run, tmp_path: Path) -> Callable[..., str]:
    """Run a command line that must be refused with status 2, one error line, and nothing new in the folder."""

    def run(*words: object) -> str:
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
        status, out, err = install(*words)
        assert status == 2, err
        assert out == ""
        lines = [line for line in err.splitlines() if not line.startswith("tip: ")]
        assert len(lines) == 1 and lines[0].startswith("genpack-install: error: "), err
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before
        return err.removeprefix("genpack-install: error: ")

    return run
