# SPDX-License-Identifier: MIT
"""fw_cfg entries, and their names against the shared sample."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import FORMATS
from genpack_vm import fwcfg
from genpack_vm.errors import UsageError


def collect(given: tuple[fwcfg.Item, ...] = (), ini: Path | None = None) -> dict[str, fwcfg.Item]:
    items = fwcfg.collect(
        "hello",
        keys=["ssh-ed25519 A a", "ssh-rsa B b"],
        timezone="Asia/Tokyo",
        lang="ja_JP.UTF-8",
        system_ini=ini,
        application_ini=ini,
        given=given,
    )
    return {item.name: item for item in items}


def test_names_are_those_of_the_sample(tmp_path: Path) -> None:
    ini = tmp_path / "x.ini"
    ini.write_text("[_]\n")
    sample = json.loads((FORMATS / "fw_cfg" / "names.json").read_text())
    assert set(collect(ini=ini)) == set(sample["names"])


def test_values(tmp_path: Path) -> None:
    items = collect()
    assert {name: item.value for name, item in items.items()} == {
        "opt/vmname": "hello",
        "opt/ssh-public-key": "ssh-ed25519 A a\nssh-rsa B b",
        "opt/timezone": "Asia/Tokyo",
        "opt/lang": "ja_JP.UTF-8",
    }


def test_nothing_known_gives_only_the_name() -> None:
    items = fwcfg.collect("x", keys=[], timezone=None, lang=None, system_ini=None, application_ini=None, given=())
    assert [item.name for item in items] == ["opt/vmname"]


def test_given_replaces_the_automatic_one() -> None:
    assert collect((fwcfg.parse("timezone=Europe/Berlin"),))["opt/timezone"].value == "Europe/Berlin"


def test_given_twice(tmp_path: Path) -> None:
    ini = tmp_path / "x.ini"
    ini.write_text("[_]\n")
    with pytest.raises(UsageError, match="opt/a is given twice"):
        collect((fwcfg.parse("a=1"), fwcfg.parse("opt/a=2")))
    with pytest.raises(UsageError, match=r"opt/system\.ini is given twice"):
        collect((fwcfg.parse("system.ini=x"),), ini=ini)


def test_parse_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    assert fwcfg.parse("org/x=@f") == fwcfg.Item("opt/org/x", file=tmp_path / "f")
    assert fwcfg.parse("a=b=c") == fwcfg.Item("opt/a", value="b=c")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("abc", "neither NAME=VALUE"),
        ("=x", "is not a name"),
        ("a b=x", "is not a name"),
        ("a=", "has no value"),
        ("a=@/nonexistent", "No such file"),
        ("a=@/", "Is a directory"),
        ("x" * 60 + "=1", "64 characters, 55 are possible"),
        ("a=" + "x" * 70000, "larger than 64 KiB"),
    ],
)
def test_refuse(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        fwcfg.parse(text)


def test_file_sizes(tmp_path: Path) -> None:
    path = tmp_path / "x.ini"
    path.write_bytes(b"")
    with pytest.raises(UsageError, match="is empty"):
        fwcfg.check_file(path, "--system-ini")
    path.write_bytes(bytes(fwcfg.FILE_LIMIT))
    assert fwcfg.check_file(path, "--system-ini") == path
    path.write_bytes(bytes(fwcfg.FILE_LIMIT + 1))
    with pytest.raises(UsageError, match="larger than 4 MiB"):
        fwcfg.check_file(path, "--system-ini")
