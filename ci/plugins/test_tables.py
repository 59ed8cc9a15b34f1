# SPDX-License-Identifier: MIT
"""The tables of all plugins: readable, sound, and what system.ini(5) says."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest
from conftest import OVERLAY, plugin_files
from genpack_init import tables
from genpack_init.testing import FakeSystem, ini

NAMES = plugin_files()


@pytest.fixture
def keys_page() -> ModuleType:
    loader = SourceFileLoader("keys_page", str(Path(__file__).with_name("keys_page")))
    spec = spec_from_loader("keys_page", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_system_ini_5_is_up_to_date(keys_page: ModuleType) -> None:
    text = keys_page.PAGE.read_text()
    assert keys_page.page(text) == text, "run ci/plugins/keys_page"


def test_the_page_has_every_key(keys_page: ModuleType) -> None:
    text = keys_page.table()
    for path in NAMES.values():
        for key in tables.describe(str(path)).keys:
            assert f'{key.key}" " ({key.type})"' in text, key


def test_names_of_files_are_unique_and_sort() -> None:
    files = [path.name for path in OVERLAY.glob("**/files/**/[0-9]*-*.py")]
    assert len(set(files)) == len(files) == len(NAMES)
    assert all(re.fullmatch(r"[0-9]{2}-[a-z0-9_-]+\.py", name) for name in files)


@pytest.mark.parametrize("name", NAMES)
def test_table(name: str) -> None:
    plugin = tables.describe(str(NAMES[name]))
    assert plugin.error is None
    for key in plugin.keys:
        assert key.help and not key.help.endswith(".")
        assert key.group in ("System", "Network", "Wi-Fi", "Access", "Services")
        # what a person reads must say what a program checks
        assert key.allowed or not (key.pattern or key.choices), key
        assert not (key.pattern and re.search(r"\\[AZz]|\(\?P|\(\?[aims]", key.pattern)), "not JavaScript"
        assert key.choices is None or key.choices == [word.lower() for word in key.choices]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_given_logs_no_error(
    system: FakeSystem, plugins: dict[str, Path], errors: Callable[[], list[str]], name: str
) -> None:
    system.write("etc/shadow", "root:*:::::::\n")
    assert system.run(plugins[name]).status == "ok"
    assert errors() == []


def test_check_names_the_bad_value_of_every_key_that_has_a_rule(system: FakeSystem) -> None:
    """By each plugin's own rules, in one file; `check` finds them all, shows no secret and changes nothing."""
    described = [tables.describe(str(path)) for path in NAMES.values()]
    wrong = "ses/ame!{\n"
    sections: dict[str, list[str]] = {}
    expected = set()
    for plugin in described:
        for key in plugin.keys:
            free = not (key.pattern or key.choices or key.type in ("bool", "int")) and key.minimum is None
            if not free:
                section = key.section.replace("*", "eth0")
                sections.setdefault(section, []).append(f"{key.key} = {wrong}")
                expected.add(key.key if section == "_default" else f"[{section}] {key.key}")
    text = "".join(f"[{section}]\n{''.join(lines)}" for section, lines in sections.items())
    bad, broken = tables.bad_values(ini(text), described)
    assert broken == []
    assert {line.split(": ")[1] for line in bad} == expected
    secret = {key.key for plugin in described for key in plugin.keys if key.secret}
    assert not [line for line in bad if line.split(": ")[1].split()[-1] in secret and "ses/ame" in line]
    assert not list(system.root.rglob("*")) if system.root.exists() else True
