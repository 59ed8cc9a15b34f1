# SPDX-License-Identifier: MIT
"""The reader of system.ini: no input makes it raise or lose other keys."""

from __future__ import annotations

import configparser
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genpack_init import systemini
from genpack_init.testing import FakeSystem, ini


def read(data: bytes) -> tuple[dict[str, dict[str, str]], list[str]]:
    parser, problems = systemini.load([("f", data)])
    return {section: dict(parser.items(section)) for section in parser.sections()}, problems


@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    values, _ = read(data)
    assert "_default" in values


PIECES = ["[", "]", "=", ":", "%", "(", ")s", "%(a)s", "a", "b", " ", "\t", "\n", "#", ";", "\r", "é", "DEFAULT"]


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_any_text_and_the_other_keys_stay(noise: str) -> None:
    """Keys in a section before and one after the noise are read, whatever stands between."""
    text = f"[first]\nhostname = orchid\n[noise]\n{noise}\n[last section]\ntimezone = UTC\n"
    values, _ = read(text.encode())
    assert values["first"]["hostname"] == "orchid"
    assert values["last section"]["timezone"] == "UTC"


NAMES = st.text("abcxyz019_", min_size=1, max_size=8)
VALUES = st.text("ab =:#;%[]()é€\"'\\$,.", max_size=20).map(str.strip)


@given(st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES), max_size=4))
def test_same_as_configparser(data: dict[str, dict[str, str]]) -> None:
    """What the standard library reads without complaint means the same here (interpolation aside)."""
    text = "".join(f"[{s}]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items()) for s, keys in data.items())
    standard = configparser.RawConfigParser()
    standard.read_string(text)
    expected = {section: dict(standard.items(section)) for section in standard.sections()}
    parser, problems = systemini.load([("f", text.encode())])
    ours = {section: dict(parser.items(section, raw=True)) for section in parser.sections() if section != "_default"}
    assert (ours, problems) == (expected, [])


TABLES = st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES.filter(lambda text: "%" not in text)), max_size=4)


@given(TABLES, st.sampled_from([b"", b"\xef\xbb\xbf"]), st.sampled_from(["\n", "\r\n", "\r"]))
def test_byte_order_mark_and_line_ends_change_nothing(
    data: dict[str, dict[str, str]], mark: bytes, end: str
) -> None:
    lines = [line for s, keys in data.items() for line in (f"[{s}]", *(f"{k} = {v}" for k, v in keys.items()))]
    values, problems = read(mark + end.join([*lines, ""]).encode())
    assert ({section: values[section] for section in data}, problems) == (data, [])


@given(st.dictionaries(NAMES, st.text("abé ÄÖÜß", min_size=1, max_size=9).map(str.strip)))
def test_cp1252_is_read_as_what_it_says(data: dict[str, str]) -> None:
    """Letters alone can't be UTF-8 by chance: its second bytes are signs in cp1252."""
    values, _ = read("".join(f"{k} = {v}\n" for k, v in data.items()).encode("cp1252"))
    assert values["_default"] == data


@given(st.lists(st.tuples(NAMES, NAMES, st.text("abc", min_size=1, max_size=3)), max_size=12))
def test_the_last_of_equal_keys_counts_and_each_repeat_is_said(rows: list[tuple[str, str, str]]) -> None:
    """Every row with its own section header: sections of one name are one."""
    values, problems = read("".join(f"[{s}]\n{k} = {v}\n" for s, k, v in rows).encode())
    for section, key, value in {(s, k): (s, k, v) for s, k, v in rows}.values():
        assert values[section][key] == value
    said = [line for line in problems if "the last one counts" in line]
    assert len(said) == len(rows) - len({(s, k) for s, k, _ in rows})


@given(st.text(max_size=60))
def test_doubled_percent_gives_any_value(text: str) -> None:
    """What our own tools write, with % doubled, is read as it was."""
    value = " ".join(text.split()).strip()
    value = "".join(char for char in value if char.isprintable())
    values, _ = read(f"key = {value.replace('%', '%%')}\n".encode())
    assert values["_default"]["key"] == value.strip()


def test_references_that_go_round_or_explode_end() -> None:
    rows = "".join(f"k{i} = {f'%(k{i + 1})s' * 50}\n" for i in range(30))
    values, _ = read(f"a = %(b)s\nb = %(a)s\nself = %(self)s\n{rows}k30 = x\n".encode())
    assert values["_default"]["self"] == "%(self)s"
    assert values["_default"]["a"] == "%(a)s"
    assert len(values["_default"]["k0"]) < 1_000_000
    long = f"a = {'x' * 100_000}\nb = {'%(a)s' * 400}\nc = 1\n"
    values, _ = read(long.encode())
    assert len(values["_default"]["b"]) < 1_200_000 and values["_default"]["c"] == "1"


def test_section_named_default_counts_for_all() -> None:
    values, _ = read(b"[DEFAULT]\nx = 1\n[network]\ny = 2\n")
    assert values["network"] == {"x": "1", "y": "2"}


def test_problems_name_line_and_show_no_value() -> None:
    _, problems = read(b"a = 1\nwifi key is sesame\nroot_password = s\xe4same\n[x]\na = 1\na = 2\n")
    assert problems == [
        "f: line 3: not UTF-8; such bytes are read as cp1252",
        "f: line 2: neither [section] nor key = value; left out",
        "f: line 6: a once more in [x]; the last one counts",
    ]
    assert "sesame" not in "".join(problems)


def test_utf8_and_cp1252_in_one_file() -> None:
    values, _ = read("a = é\n".encode() + b"b = \xe9\x81\n")
    assert values["_default"] == {"a": "é", "b": "é\ufffd"}


def test_continuation_with_blank_line_and_comment() -> None:
    values, _ = read(b"k =\n  one\n\n  # no\n  two\n\nl = 3\n")
    assert values["_default"] == {"k": "\none\n\ntwo", "l": "3"}


def test_layers(system: FakeSystem) -> None:
    system.write("run/initramfs/rw/system.ini", "a = rw\n")
    assert ini_of_machine()["a"] == "rw"
    system.write("run/initramfs/boot/system.ini", "a = boot\nb = boot\n[s]\nx = 1\n")
    system.firmware_config("opt/system.ini", "b = fw\n")
    parser, _ = systemini.load(systemini.layers())
    assert dict(parser["_default"]) == {"a": "boot", "b": "fw"}
    assert parser.get("s", "x") == "1"
    assert systemini.source_of(parser, "_default", "b") == "fw_cfg opt/system.ini"
    assert systemini.source_of(parser, "_default", "A").endswith("/run/initramfs/boot/system.ini")


def ini_of_machine() -> configparser.SectionProxy:
    return systemini.load(systemini.layers())[0]["_default"]


def test_no_file_at_all(system: FakeSystem) -> None:
    parser, problems = systemini.load(systemini.layers())
    assert parser.sections() == ["_default"] and not problems
    assert parser.get("_default", "hostname", fallback=None) is None


def test_offer_fills_gaps_only() -> None:
    parser = ini("timezone = UTC")
    assert not parser.offer("_default", "timezone", "Asia/Tokyo", "fw_cfg opt/timezone")
    assert parser.offer("fw_cfg", "ssh_pubkey", "100%(timezone)s%", "fw_cfg opt/ssh-public-key")
    assert parser.get("fw_cfg", "ssh_pubkey") == "100%(timezone)s%"
    assert systemini.is_from_system_ini(parser, "_default", "timezone")
    assert not systemini.is_from_system_ini(parser, "fw_cfg", "ssh_pubkey")
    assert not systemini.is_from_system_ini(parser, "_default", "none")


@pytest.mark.parametrize("word", ["yes", "On", "TRUE", "1"])
def test_true(word: str) -> None:
    assert systemini.get_boolean(ini(f"k = {word}"), "_default", "K") is True


def test_boolean_that_is_none(caplog: pytest.LogCaptureFixture) -> None:
    assert systemini.get_boolean(ini("k = maybe"), "_default", "k", True) is True
    assert caplog.record_tuples == [
        ("root", logging.ERROR, f"system.ini: k: 'maybe' is not allowed; allowed: {systemini.BOOLEAN_TEXT}")
    ]
    assert systemini.get_boolean(ini("k ="), "_default", "k") is None


def test_bad_value_keeps_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    systemini.bad_value(ini("[w]\npsk = sesame"), "w", "psk", "8 to 63 characters", secret=True)
    assert caplog.messages == ["system.ini: [w] psk: the value is not allowed; allowed: 8 to 63 characters"]
