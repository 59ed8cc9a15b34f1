# SPDX-License-Identifier: MIT
"""The golden samples of system.ini, which the builder of other packages' files and this reader share."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from genpack_init import systemini

SAMPLES = Path(__file__).resolve().parents[2] / "ci" / "formats" / "system.ini"
WARNS = {"broken-line", "duplicates", "cp1252", "explicit-default"}


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.ini")), ids=lambda path: path.stem)
def test_sample(path: Path) -> None:
    ini, problems = systemini.load([(path.name, path.read_bytes())])
    values = {section: dict(ini.items(section)) for section in ini.sections()}
    assert values == json.loads(path.with_suffix(".json").read_text())
    assert bool(problems) == (path.stem in WARNS)


def test_there_are_samples() -> None:
    assert {path.stem for path in SAMPLES.glob("*.ini")} >= WARNS | {"plain", "bom-crlf", "percent", "no-section"}
