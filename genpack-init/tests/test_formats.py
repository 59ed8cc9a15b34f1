# SPDX-License-Identifier: MIT
"""The golden samples of system.ini and of the JSON that this package writes."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import pytest

from genpack_init import boot, commands, systemini
from genpack_init.testing import FakeSystem

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


OWN = SAMPLES.parent / "genpack-init"


def test_what_check_prints(system: FakeSystem, capsys: pytest.CaptureFixture[str]) -> None:
    system.write("usr/lib/genpack-init/10-sample.py", (OWN / "10-sample.py").read_text())
    assert commands.check(Namespace(ini=None, json=True)) == 0
    assert capsys.readouterr().out == (OWN / "system_ini.json").read_text()


def test_state_file(system: FakeSystem, capsys: pytest.CaptureFixture[str]) -> None:
    """As the end of a boot writes it, but for the milliseconds; and blame reads the sample."""
    sample = json.loads((OWN / "state.json").read_text())
    sources = ("def configure(): pass", "", "def configure(): raise ValueError('no')")
    paths = [
        system.write(f"usr/lib/genpack-init/{row['name']}", text)
        for row, text in zip(sample["plugins"], sources, strict=True)
    ]
    boot.summarize([system.run(path) for path in paths], sample["system_ini"], sample["total_ms"])
    made = json.loads(system.read("run/genpack-init.json"))
    for row, expected in zip(made["plugins"], sample["plugins"], strict=True):
        assert row["ms"] >= 0
        row["ms"] = expected["ms"]
    assert json.dumps(made, indent=1) + "\n" == (OWN / "state.json").read_text()
    system.write("run/genpack-init.json", (OWN / "state.json").read_text())
    assert commands.blame() == 0
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == [
        "30-raises.py", "10-good.py", "20-none.py",
    ]  # fmt: skip
