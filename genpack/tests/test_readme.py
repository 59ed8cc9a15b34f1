# SPDX-License-Identifier: MIT
"""The README's examples are definitions without a problem, and show every key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import Reading
from genpack.keys import KEYS, STRUCTURE

from genpack import json5

TEXT = (Path(__file__).resolve().parents[1] / "README.md").read_text()
EXAMPLES = re.findall(r"^```json5\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_is_a_definition(read: Reading, example: str) -> None:
    _, problems = read(example)
    assert problems.found == problems.notes == []


def test_every_key_is_shown() -> None:
    shown = {member.key for example in EXAMPLES for member in json5.parse(example).members}
    inside = {key for key in (*KEYS, *STRUCTURE) if any(re.search(rf"\b{key}: ", example) for example in EXAMPLES)}
    assert {*KEYS, *STRUCTURE} - shown - inside == {"buildtime_packages_first"}
    assert "`buildtime_packages_first: true`" in TEXT
