# SPDX-License-Identifier: MIT
"""Plugins found, run, and kept apart."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

import genpack_init
from genpack_init import boot, plugins
from genpack_init.testing import FakeSystem


def plugin(system: FakeSystem, name: str, text: str) -> Path:
    return system.write(f"usr/lib/genpack-init/{name}", text)


def test_byte_order(system: FakeSystem) -> None:
    for name in ("a.py", "B.py", "10-x.py", "9-y.py", "é.py", "note.txt"):
        plugin(system, name, "")
    plugin(system, "folder.py/file", "")
    os.mkfifo(system.root / "usr/lib/genpack-init/fifo.py")  # a whiteout of overlayfs is a device; this needs no root
    (system.root / "usr/lib/genpack-init/link.py").symlink_to("nowhere")
    names = [os.path.basename(path) for path in plugins.discover()]  # noqa: PTH119 - text
    assert names == ["10-x.py", "9-y.py", "B.py", "a.py", "link.py", "é.py"]


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("def configure(): open(__file__ + '.done', 'w')", "ok"),
        ("def configure(ini): assert ini.get('_default', 'a') == '1'", "ok"),
        ("def configure(ini=None): assert ini is not None", "ok"),
        ("def configure(*args): assert len(args) == 1", "ok"),
        ("def configure(ini, more=2): assert more == 2", "ok"),
        ("class C:\n    def __call__(self, ini): assert ini\nconfigure = C()", "ok"),
        ("import functools\ndef f(a, ini): assert ini\nconfigure = functools.partial(f, 1)", "ok"),
        ("x = 1", "skipped"),
        ("def configure(ini, more): pass", "failed"),
        ("configure = 3", "failed"),
        ("def configure(): raise ValueError('no')", "failed"),
        ("def configure(): raise SystemExit(0)", "failed"),
        ("def configure(): raise KeyboardInterrupt", "failed"),
        ("def configure(:", "failed"),
        ("import no_such_module", "failed"),
        ("\0", "failed"),
        ("# -*- coding: no-such -*-", "failed"),
        ("def configure(): configure()", "failed"),
        ("from dataclasses import dataclass\n@dataclass\nclass A:\n    x: 'int' = 1\ndef configure(): A()", "ok"),
    ],
)
def test_status(system: FakeSystem, source: str, status: str) -> None:
    path = plugin(system, "p.py", source)
    result = system.run(path, "a = 1")
    assert result.status == status, result
    assert (result.error is not None) == (status == "failed")
    assert not list(system.root.rglob("*.pyc"))


def test_namespaces_are_apart(system: FakeSystem) -> None:
    first = plugin(system, "1.py", "shared = 1\ndef configure(): pass")
    check = "def configure():\n    assert 'shared' not in globals()\n    assert __name__.endswith('.2')"
    second = plugin(system, "2.py", check)
    assert [system.run(path).status for path in (first, second)] == ["ok", "ok"]


@pytest.fixture
def clean_logging() -> object:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield None
    for handler in [h for h in root.handlers if h not in before]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)


@pytest.mark.usefixtures("clean_logging")
def test_boot(system: FakeSystem, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    kernel_log = system.write("kmsg", "")
    real_open = os.open
    monkeypatch.setattr(os, "open", lambda p, *a, **k: real_open(kernel_log if p == "/dev/kmsg" else p, *a, **k))
    system.write("run/initramfs/boot/system.ini", "debug = yes\nbroken\n")
    plugin(system, "1-bad.py", "def configure(): raise ValueError('first\\nsecond')")
    plugin(system, "2-good.py", "import logging\ndef configure(): logging.debug('detail')")
    plugin(system, "3-none.py", "")
    reader, writer = os.pipe()
    assert boot.main(writer) == 0
    os.close(writer)
    with open(reader) as file:  # noqa: PTH123 - a descriptor
        names = ("1-bad.py", "2-good.py", "3-none.py")
        assert file.read().splitlines() == [f"{word} {name}" for name in names for word in ("start", "end")]
    lines = kernel_log.read_text().splitlines()
    urgent = [line for line in lines if line.startswith("<3>")]
    assert urgent[0] == "<3>genpack-init: plugin 1-bad.py failed: ValueError: first"
    assert urgent[-1].startswith("<3>genpack-init: 2 plugins run, 1 failed (1-bad.py), ")
    assert any(line.startswith("<6>genpack-init: Traceback") for line in lines)
    assert any(line.startswith("<4>") and "line 2: neither" in line for line in lines)
    assert "<7>genpack-init: detail" in lines
    text = system.read("var/log/genpack-init.log")
    assert "Traceback" in text and "2-good.py: ok, " in text and "detail" in text
    state = json.loads(system.read("run/genpack-init.json"))
    assert (state["version"], state["run"], state["failed"]) == (1, 2, 1)
    assert [(p["name"], p["status"]) for p in state["plugins"]] == [
        ("1-bad.py", "failed"), ("2-good.py", "ok"), ("3-none.py", "skipped"),
    ]  # fmt: skip
    assert capfd.readouterr().err == ""


@pytest.mark.usefixtures("clean_logging")
def test_boot_without_log_folder_or_pipe(system: FakeSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    system.write("var", "a file where the folder should be")
    real_open = os.open

    def no_kernel_log(path: object, *rest: object, **named: object) -> int:
        if path == "/dev/kmsg":
            raise PermissionError(1, "no")
        return real_open(path, *rest, **named)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(os, "open", no_kernel_log)
    reader, writer = os.pipe()
    os.close(reader)
    plugin(system, "1.py", "def configure(): pass")
    assert boot.main(writer) == 0
    os.close(writer)
    assert json.loads(system.read("run/genpack-init.json"))["run"] == 1


def test_boot_imports_little() -> None:
    """Each of these costs milliseconds of every boot."""
    heavy = {"pathlib", "subprocess", "inspect", "ast", "argparse", "hashlib", "json", "typing", "dataclasses"}

    def modules(code: str) -> set[str]:
        command = [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"]
        return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())

    found = modules("import genpack_init.boot")
    assert "configparser" in found
    assert not (found - modules("pass")) & heavy  # without those that the venv's site imports


def test_public_names_exist() -> None:
    for name in genpack_init.__all__:
        assert getattr(genpack_init, name) is not None
