# SPDX-License-Identifier: MIT
"""/.genpack is written exactly as the golden sample has it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import FORMATS
from genpack_progs import metadata
from genpack_progs.errors import ProgsError
from genpack_progs.metadata import Package

SAMPLE = FORMATS / "squashfs"
ENVIRONMENT = {"GENPACK_ARCH": "x86_64", "PROFILE": "paravirt", "ARTIFACT": "hello", "VARIANT": "debug"}


def sample_text() -> str:
    entries = json.loads((SAMPLE / "packages.json").read_text())["packages"]
    packages = [
        Package(name=e["name"], slot=e["slot"], description=e["description"] or "", use=e["use"] or "",
                homepage=e["homepage"] or "", license=e["license"] or "")
        for e in entries
    ]
    needed_by = {e["name"]: set(e["needed_by"]) for e in entries}
    return metadata.packages_text(reversed(packages), needed_by)


def test_packages_as_in_the_sample() -> None:
    assert sample_text() == (SAMPLE / "tree/.genpack/packages").read_text()


def test_folder_as_in_the_sample(tmp_path: Path) -> None:
    want = {path.name: path.read_bytes() for path in (SAMPLE / "tree/.genpack").iterdir()}
    stamp = tmp_path / metadata.TIMESTAMP
    stamp.parent.mkdir(parents=True)
    stamp.write_bytes(want["timestamp.commit"])
    metadata.write(tmp_path, ENVIRONMENT, sample_text())
    assert {path.name: path.read_bytes() for path in (tmp_path / ".genpack").iterdir()} == want
    metadata.write(tmp_path, {**ENVIRONMENT, "VARIANT": "", "PROFILE": ""}, sample_text())
    assert not (tmp_path / ".genpack/variant").exists()
    assert (tmp_path / ".genpack/profile").read_text() == ""  # of the architecture itself


def test_white_space_in_a_field_is_one_space() -> None:
    package = Package("c/p-1", "0", "two\n lines", "", "", "")
    assert metadata.packages_text([package], {}) == "c/p-1[0]\n# DESCRIPTION: two lines\n\n"


def test_missing_environment_and_timestamp_are_named(tmp_path: Path) -> None:
    with pytest.raises(ProgsError, match="ARTIFACT"):
        metadata.write(tmp_path, {**ENVIRONMENT, "ARTIFACT": ""}, "")
    with pytest.raises(ProgsError, match="PROFILE"):
        metadata.write(tmp_path, {k: v for k, v in ENVIRONMENT.items() if k != "PROFILE"}, "")
    with pytest.raises(ProgsError, match=r"timestamp\.commit is missing"):
        metadata.write(tmp_path, ENVIRONMENT, "")
