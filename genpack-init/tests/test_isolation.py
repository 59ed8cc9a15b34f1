# SPDX-License-Identifier: MIT
"""What a plugin does to the process does not reach the next plugin."""

from __future__ import annotations

import builtins
import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import genpack_init
from genpack_init import plugins
from genpack_init.isolation import Surroundings
from genpack_init.testing import FakeSystem, ini

# (what the first plugin does, what the second one must find)
CASES = {
    "folder": ("os.chdir('/')", "os.getcwd() != '/'"),
    "removed folder": ("os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')", "os.path.isdir(os.getcwd())"),
    "umask": ("os.umask(0o777)", "os.umask(0o22) == 0o22"),
    "environment": ("os.environ['PATH'] = '/x'; os.environ['NEW'] = 'x'",
                    "os.environ['PATH'] != '/x' and 'NEW' not in os.environ"),
    "signal handler": ("signal.signal(signal.SIGTERM, signal.SIG_IGN)",
                       "signal.getsignal(signal.SIGTERM) == signal.SIG_DFL"),
    "signal mask": ("signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])",
                    "not signal.pthread_sigmask(signal.SIG_BLOCK, [])"),
    "timer": ("signal.alarm(1000)", "signal.alarm(0) == 0"),
    "sys.modules": ("sys.modules['json'] = None; sys.modules.pop('logging')",
                    "__import__('json').dumps and __import__('logging').info"),
    "sys.path": ("sys.path[:] = []", "sys.path"),
    "streams": ("sys.stdout = sys.stderr = None", "sys.stdout and sys.stderr"),
    "builtins": ("import builtins; builtins.open = None; builtins.print = None", "open and print"),
    "os": ("os.open = os.getcwd = None", "os.open and os.getcwd()"),
    "API": ("import genpack_init; genpack_init.root_path = None", "__import__('genpack_init').root_path('x')"),
    "logging": ("import logging; logging.disable(); logging.getLogger().handlers.clear()",
                "__import__('logging').getLogger().manager.disable == 0"),
    "user": ("os.geteuid() or (os.setegid(65534), os.seteuid(65534))", "(os.geteuid(), os.getegid()) == who"),
    "ini's ways": ("ini.optionxform = str; ini['_default']['A'] = '2'; ini.add_section('new')",
                   "ini['_default']['A'] == '1' and ini.sections() == ['_default']"),
    "name that can't be compared": ("os.sep = type('', (), {'__eq__': lambda *_: 1 / 0})()", "os.sep == '/'"),
    "ini": ("ini.clear(); ini['_default'] = {'a': '2'}", "ini.get('_default', 'a') == '1'"),
    "exception too": ("os.umask(0o777); raise ValueError", "os.umask(0o22) == 0o22"),
    "global name": ("global shared; shared = 1", "'shared' not in globals()"),
}  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    old = os.umask(0o22)
    yield tmp_path
    os.umask(old)


@pytest.mark.parametrize("name", CASES)
def test_the_next_plugin_finds_everything_as_it_was(system: FakeSystem, here: Path, name: str) -> None:
    does, finds = CASES[name]
    start = f"import os, signal, sys\nwho = {(os.geteuid(), os.getegid())}\ndef configure(ini):\n"
    first = system.write("1.py", f"{start}    {does}\n")
    second = system.write("2.py", f"{start}    assert {finds}\n")
    parsed = ini("a = 1")
    handlers = logging.getLogger().handlers[:]
    assert system.run(first, parsed).status == ("failed" if "raise" in does else "ok")
    result = system.run(second, parsed)
    assert result.status == "ok", result
    assert logging.getLogger().handlers == handlers and sys.stdout is not None
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_helper_modules_of_one_plugin_are_not_those_of_another(system: FakeSystem) -> None:
    source = "import sys, os\nsys.path.insert(0, os.path.dirname(__file__))\nimport helper\n"
    for name in ("a", "b"):
        system.write(f"{name}/helper.py", f"who = '{name}'")
        plugin = system.write(f"{name}/p.py", f"{source}def configure(): assert helper.who == '{name}', helper.who")
        assert system.run(plugin).status == "ok"
    assert "helper" not in sys.modules


def test_what_was_changed_is_in_the_detailed_log(system: FakeSystem, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    plugin = system.write("1.py", "import os\ndef configure(): os.environ['A'] = 'b'; os.umask(1)")
    system.run(plugin)
    assert "1.py: put back what it changed: umask, environment" in caplog.messages
    caplog.clear()
    system.run(system.write("2.py", "def configure(): pass"))
    assert not [line for line in caplog.messages if "put back" in line]


def test_one_taking_stock_serves_for_all_plugins(system: FakeSystem) -> None:
    """What one plugin imports or adds belongs to the surroundings of the next, and is put back after that."""
    sources = (
        "import builtins, colorsys, sys\ndef configure():\n    builtins.mine = 1",
        "import builtins, sys\ndef configure():\n    builtins.mine = 2; sys.modules['colorsys'] = 3; raise ValueError",
        "import builtins, sys\ndef configure():\n    assert builtins.mine == 1 and sys.modules['colorsys'].rgb_to_hsv",
        "import sys\ndef configure():\n    del sys.modules['colorsys']; sys.modules = {}",
        "import sys\ndef configure():\n    assert 'colorsys' in sys.modules and 'os' in sys.modules",
    )
    before = Surroundings()
    try:
        for number, source in enumerate(sources):
            result = plugins.run_one(str(system.write(f"{number}.py", source)), ini(), lambda line: None, before)
            assert result.status == ("failed" if number == 1 else "ok"), result
        assert not [name for name in sys.modules if name.startswith(plugins.PACKAGE)]
    finally:
        vars(builtins).pop("mine", None)


def test_an_offer_reaches_the_next_plugin_and_nothing_else_does(system: FakeSystem) -> None:
    parsed = ini("a = 1")
    offers = system.write("1.py", "def configure(ini): ini.offer('_default', 'zone', '50%', 'fw_cfg x'); ini['x'] = {}")
    assert system.run(offers, parsed).status == "ok"
    assert parsed.get("_default", "zone") == "50%" and parsed.sections() == ["_default"]


def test_coldplug_is_a_builtin_for_old_plugins(system: FakeSystem) -> None:
    plugin = system.write("1.py", "def configure(): assert callable(coldplug)")
    assert system.run(plugin).status == "ok"
    assert builtins.coldplug is genpack_init.coldplug  # type: ignore[attr-defined]  # put there for plugins


def test_exception_whose_text_raises(system: FakeSystem) -> None:
    bad = "class Bad(Exception):\n    def __str__(self): raise ValueError\ndef configure(): raise Bad"
    assert system.run(system.write("1.py", bad)).error == "Bad"
    assert plugins.describe(ValueError("x")) == "ValueError: x"
