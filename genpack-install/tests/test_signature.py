# SPDX-License-Identifier: MIT
"""Detached signatures, with real keys and the real gpg."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from genpack_install import signature
from genpack_install.errors import ImageError, UsageError
from genpack_install.log import Log

pytestmark = pytest.mark.spawns


def gpg(home: Path, *words: object) -> str:
    argv = ["gpg", "--batch", "--quiet", "--homedir", str(home), "--passphrase", "", *map(str, words)]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


@pytest.fixture(autouse=True)
def _no_agent_stays(tmp_path: Path) -> Iterator[None]:
    """Making keys and signatures starts an agent for each home."""
    yield
    for home in (path.parent for path in tmp_path.glob("*/pubring.kbx")):
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)


def make_key(folder: Path, name: str) -> tuple[Path, Path]:
    """(home of gpg, file with the public key)."""
    home, key = folder / name, folder / f"{name}.asc"
    home.mkdir(mode=0o700)
    gpg(home, "--quick-generate-key", f"{name}@example.invalid", "ed25519", "sign", "never")
    gpg(home, "--armor", "--output", key, "--export")
    return home, key


@pytest.fixture
def signed(tmp_path: Path) -> tuple[Path, Path, Path]:
    """(image, its signature, the key)."""
    home, key = make_key(tmp_path, "one")
    image = tmp_path / "image.squashfs"
    image.write_bytes(b"an image")
    gpg(home, "--output", tmp_path / "image.squashfs.sig", "--detach-sign", image)
    return image, signature.beside(image), key


def test_good(signed: tuple[Path, Path, Path], tmp_path: Path) -> None:
    image, seal, key = signed
    _, other = make_key(tmp_path, "two")
    assert len(signature.check(image, seal, [other, key], Log())) == 40


def test_bad(signed: tuple[Path, Path, Path], tmp_path: Path) -> None:
    image, seal, key = signed
    _, other = make_key(tmp_path, "two")
    with pytest.raises(ImageError, match=r"no good signature of .*two\.asc"):
        signature.check(image, seal, [other], Log())
    image.write_bytes(b"another")
    with pytest.raises(ImageError, match="no good signature"):
        signature.check(image, seal, [key], Log())
    with pytest.raises(UsageError, match="holds no OpenPGP key"):
        signature.check(image, seal, [image], Log())
    seal.unlink()
    with pytest.raises(ImageError, match=r"is not signed: there is no image\.squashfs\.sig"):
        signature.beside(image)


def test_an_expired_key_does_not_count(tmp_path: Path) -> None:
    home, key = tmp_path / "old", tmp_path / "old.asc"
    home.mkdir(mode=0o700)
    past = "--faked-system-time=20200101T000000"
    gpg(home, past, "--quick-generate-key", "old@example.invalid", "ed25519", "sign", "1d")
    gpg(home, "--armor", "--output", key, "--export")
    image = tmp_path / "image"
    image.write_bytes(b"x")
    gpg(home, past, "--output", tmp_path / "image.sig", "--detach-sign", image)
    with pytest.raises(ImageError, match="expired or was revoked"):
        signature.check(image, tmp_path / "image.sig", [key], Log())


def test_which_keys_count(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    assert signature.keys(None, folder) == []
    folder.mkdir()
    for name in ("b.gpg", "a.asc", "README"):
        (folder / name).touch()
    assert [path.name for path in signature.keys(None, folder)] == ["a.asc", "b.gpg"]
    assert signature.keys(folder / "README", folder) == [folder / "README"]
    with pytest.raises(UsageError, match="there is no file"):
        signature.keys(tmp_path / "gone", folder)
