# SPDX-License-Identifier: MIT
"""Fuzz target (atheris, libFuzzer's options): no bytes make the reader of system.ini raise or lose the other keys.

python fuzz_systemini.py -max_total_time=60 CORPUS-FOLDER
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["genpack_init.systemini"]):
    from genpack_init import systemini

BEFORE, AFTER = b"[first]\nhostname = orchid\n[noise]\n", b"\n[last section]\ntimezone = UTC\n"


def one_input(data: bytes) -> None:
    """The bytes as a whole file, and between keys that must be read whatever stands between them."""
    ini, problems = systemini.load([("fuzz", data)])
    for section in ini.sections():
        for key, value in ini.items(section):
            assert isinstance(value, str), key
    assert all(line.startswith("fuzz: line ") for line in problems)
    copied = ini.copy()
    assert {section: dict(copied.items(section)) for section in copied.sections()} == {
        section: dict(ini.items(section)) for section in ini.sections()
    }
    if b"first" in data or b"last section" in data:
        return  # it may set these keys itself
    ini, _ = systemini.load([("fuzz", BEFORE + data + AFTER)])
    assert ini.get("first", "hostname") == "orchid"
    assert ini.get("last section", "timezone") == "UTC"


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
