# SPDX-License-Identifier: MIT
"""The man page and --help say the same; help is quick: it imports no mode."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import Run

MAN = Path(__file__).resolve().parents[1] / "man"


def page(name: str) -> str:
    text = (MAN / name).read_text().replace("\\-", "-").replace("\\&", "")
    return re.sub(r"\\f[RBIP]", "", text)


def section(text: str, title: str) -> str:
    found = re.search(rf"^\.SH {re.escape(title)}$(.*?)(?=^\.SH |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def tags(text: str) -> set[str]:
    lines = re.findall(r"^\.TP\n(.*)$", text, re.MULTILINE)
    return {word for line in lines for word in re.findall(r"(?<![\w-])--?[a-zA-Z][a-z-]*", line)}


def shown(help_text: str) -> set[str]:
    lines = re.findall(r"^  (-.*?)(?:  |$)", help_text, re.MULTILINE)
    return {word for line in lines for word in re.findall(r"(?<![\w-])--?[a-zA-Z][a-z-]*", line)}


@pytest.mark.parametrize(("words", "title"), [((), "OPTIONS"), (("build-bootloaders",), "BUILD-BOOTLOADERS")])
def test_options(install: Run, words: tuple[str, ...], title: str) -> None:
    status, text, _ = install(*words, "--help")
    assert status == 0
    assert tags(section(page("genpack-install.8"), title)) == shown(text)


def test_system_cfg_names_what_the_menu_uses() -> None:
    menu = (MAN.parent / "src/genpack_install/data/grub.cfg").read_text()
    text = page("system.cfg.5")
    for name in re.findall(r"^\.TP\n\.B (\w+)$", text, re.MULTILINE):
        assert re.search(rf"\bset {name}=", menu), name
    entries = set(re.findall(r"^ *menuentry .* --id (\w+)", menu, re.MULTILINE))
    assert entries and all(f".B {entry}\n" in text for entry in entries)


def test_version_and_a_wrong_option(install: Run) -> None:
    assert install("--version")[1].startswith("genpack-install ")
    status, out, err = install("--dsk", "x")
    assert (
        (status, out) == (2, "")
        and "No such option" in err
        and "--disk" in err
        and "tip: genpack-install --help" in err
    )
    assert "what shall be made?" in install()[2]
