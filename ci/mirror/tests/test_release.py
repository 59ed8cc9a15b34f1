# SPDX-License-Identifier: MIT
"""ci/release-ebuilds on a copy of what it changes: a package is released, and its ebuild follows."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from pathlib import Path

import pytest
from genpack_mirror.release import main

REPO = Path(__file__).resolve().parents[3]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    repo = tmp_path / "repo"
    shutil.copytree(REPO / "vm", repo / "vm", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(REPO / "genpack-overlay/app-emulation/vm", repo / "genpack-overlay/app-emulation/vm")
    return repo


def set_version(repo: Path, version: str) -> None:
    path = repo / "vm/pyproject.toml"
    path.write_text(path.read_text().replace('version = "0.1.0"', f'version = "{version}"'))


def test_release(checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_version(checkout, "7.8.9")
    dist, folder = tmp_path / "dist", checkout / "genpack-overlay/app-emulation/vm"
    before = next(folder.glob("*.ebuild")).read_bytes()
    main(["--dist", str(dist), "--repository", str(checkout), "vm"])
    ebuild = folder / "vm-7.8.9.ebuild"
    assert capsys.readouterr().out.strip() == str(ebuild)
    assert [path.read_bytes() for path in folder.glob("*.ebuild")] == [before]
    archive = dist / "genpack_vm-7.8.9.tar.gz"
    with tarfile.open(archive) as content:
        assert "genpack_vm-7.8.9/pyproject.toml" in content.getnames()
    data = archive.read_bytes()
    hashes = f"BLAKE2B {hashlib.blake2b(data).hexdigest()} SHA512 {hashlib.sha512(data).hexdigest()}"
    assert (folder / "Manifest").read_text() == f"DIST {archive.name} {len(data)} {hashes}\n"
    # What SRC_URI names.
    assert '/genpack_vm-${PV}.tar.gz"' in before.decode() or "genpack_vm" in before.decode()

    (checkout / "vm/README.md").write_text("changed after the release\n")
    with pytest.raises(SystemExit, match=r"another content.*raise the version"):
        main(["--dist", str(dist), "--repository", str(checkout), "vm"])
    assert archive.read_bytes() == data


def test_version_that_no_ebuild_has(checkout: Path, tmp_path: Path) -> None:
    set_version(checkout, "1.0.dev3")
    with pytest.raises(SystemExit, match=r"vm: an ebuild can't have the version 1\.0\.dev3"):
        main(["--dist", str(tmp_path / "dist"), "--repository", str(checkout), "vm"])
    assert [path.name for path in (checkout / "genpack-overlay/app-emulation/vm").glob("*.ebuild")] == [
        "vm-0.1.0.ebuild"
    ]
