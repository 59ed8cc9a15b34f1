# SPDX-License-Identifier: MIT
"""The command line within this process: what test_cli.py sees from outside, and what can't be seen from there."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import genpack_init
from genpack_init import GenpackInitError, cli, log, passwords
from genpack_init.errors import Interrupt
from genpack_init.testing import FakeSystem, ini


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """Signal handlers and the log as before: main() sets them up for a whole process."""
    handlers = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    for number, handler in handlers:
        signal.signal(number, handler)


PLUGIN = """\
SYSTEM_INI = [("_default", "n", "int", None, "a number")]
def configure(ini): print(ini.get("_default", "n"))
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "usr/lib/genpack-init"
    folder.mkdir(parents=True)
    (folder / "1.py").write_text(PLUGIN)
    return tmp_path


def test_run_and_check(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = root / "i.ini"
    file.write_text("n = 5\nbroken\n")
    assert cli.main(["run", "1", "--root", str(root), "--ini", str(file), "--debug"]) == 0
    out, err = capsys.readouterr()
    assert out == "5\n" and "neither [section] nor key = value" in err
    assert cli.main(["check", "--root", str(root), "--ini", str(file)]) == 2
    file.write_text("n = x\n")
    capsys.readouterr()
    assert cli.main(["check", "--root", str(root), "--ini", str(file), "--json"]) == 2
    data = json.loads(capsys.readouterr().out)
    assert data["problems"] == [f"{file}: n: 'x' is not allowed; allowed: a number"]
    file.write_text("n = 7\n")
    assert cli.main(["check", "--root", str(root), "--ini", str(file)]) == 0
    (root / "usr/lib/genpack-init/2.py").write_text("(")
    assert cli.main(["check", "--root", str(root), "--ini", str(file)]) == 1


def test_errors(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli.main(["run", "none", "--root", str(root)]) == 2
    assert cli.main(["run", "1", "--root", str(root / "none")]) == 2
    assert cli.main(["run", "1", "--root", str(root), "--ini", "none.ini"]) == 2
    monkeypatch.setattr("genpack_init.commands.STATE_FILE", "run/none.json")
    assert cli.main(["blame"]) == 1
    assert "tip: it is written at boot" in capsys.readouterr().err


def test_interrupted(root: Path) -> None:
    (root / "usr/lib/genpack-init/1.py").write_text("import os\ndef configure(): os.kill(os.getpid(), 15)\n")
    assert cli.main(["run", "1", "--root", str(root)]) == 143
    with pytest.raises(Interrupt):
        cli._interrupted(2, None)
    check = "import os\ndef check(ini): os.kill(os.getpid(), 2)\n"
    (root / "usr/lib/genpack-init/1.py").write_text(check)
    assert cli.main(["check", "--root", str(root)]) == 130


def test_interactive(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lines = iter(["x = root_path('a')", "print(x, __name__)", "exit(4)"])
    monkeypatch.setattr("builtins.input", lambda prompt="": next(lines))
    with pytest.raises(SystemExit) as caught:
        cli.main([])
    assert caught.value.code == 4 and "/a __console__\n" in capsys.readouterr().out


def test_reader_gone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(options: object) -> int:
        raise BrokenPipeError

    calls: list[tuple[int, int]] = []
    monkeypatch.setattr(cli, "_dispatch", gone)
    monkeypatch.setattr(os, "dup2", lambda old, new: calls.append((old, new)))
    assert cli.main(["blame"]) == 1
    assert [new for _, new in calls] == [1]
    os.close(calls[0][0])


def test_colour_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    record = logging.LogRecord("root", logging.ERROR, "f", 1, "text", None, None)
    assert log.PeopleFormatter(True).format(record) == "genpack-init: \033[31merror\033[0m: text"
    assert log.PeopleFormatter(False).format(record) == "genpack-init: error: text"


def test_kernel_log_that_refuses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """/dev/kmsg refuses the write: the line goes to the console. A message that can't be formatted harms nobody."""
    full, real = os.open("/dev/full", os.O_WRONLY), os.open
    said: list[bytes] = []
    real_write = os.write

    def write(descriptor: int, data: bytes) -> int:
        return said.append(data) or len(data) if descriptor == 2 else real_write(descriptor, data)

    monkeypatch.setattr(os, "open", lambda p, *a, **k: os.dup(full) if p == "/dev/kmsg" else real(p, *a, **k))
    monkeypatch.setattr(os, "write", write)
    monkeypatch.setattr(logging, "raiseExceptions", False)
    handler = log.KernelHandler()
    handler.emit(logging.LogRecord("root", logging.ERROR, "f", 1, "text", None, None))
    handler.emit(logging.LogRecord("root", logging.ERROR, "f", 1, "%d", ("x",), None))
    os.close(full)
    assert said == [b"genpack-init: text\n"]


def test_no_libcrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords._native, "hash_password", lambda password, setting: None)
    with pytest.raises(GenpackInitError, match="no usable libcrypt") as caught:
        genpack_init.hash_password("x")
    assert caught.value.tip == "give the hash instead"
    assert not genpack_init.is_password_of("x", "$6$x")


def test_programs_without_imports(tmp_path: Path) -> None:
    from genpack_init import process

    assert process.spawn_quietly(["no-such-program"]) == 127
    assert process.spawn_quietly(["sh", "-c", "exit 3"]) == 3
    assert process.spawn_quietly(["sh", "-c", "kill -9 $$"]) == 137
    (tmp_path / "x").write_text("")
    assert genpack_init.run([tmp_path / "x"]) == 126
    assert process.explain(200) == "exited with status 200"


def test_plugin_folder_that_is_a_file(system: FakeSystem, caplog: pytest.LogCaptureFixture) -> None:
    from genpack_init import plugins

    assert plugins.discover() == []
    system.write("usr/lib/genpack-init", "")
    assert plugins.discover() == []
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]


def test_state_file_that_cannot_be_written(system: FakeSystem, caplog: pytest.LogCaptureFixture) -> None:
    from genpack_init import boot

    system.write("run", "a file")
    boot.summarize([], [], 1.0)
    assert "run/genpack-init.json: " in caplog.text


def test_alias_and_required_units(system: FakeSystem) -> None:
    system.write("usr/lib/systemd/system/a.service", "[Unit]\n")
    assert genpack_init.enable_systemd_service("a.service") == 0  # nothing to enable: a warning
    assert genpack_init.disable_systemd_service("a@.service") == 0


def test_data_that_has_no_place(system: FakeSystem, caplog: pytest.LogCaptureFixture) -> None:
    from genpack_init.data import bind_data

    system.write("var/lib/x/file", "")
    assert not bind_data("x", "/var/lib/x")
    assert "run/initramfs/rw does not exist" in caplog.text
    system.write("run/initramfs/rw/other", "")
    system.status = 1
    assert not bind_data("x", "var/lib/x")
    assert "can't be mounted at" in caplog.text
    assert bind_data("proc", os.path.relpath("/proc", system.root)) is True  # mounted already


def test_ini_helper_and_repr(system: FakeSystem) -> None:
    result = system.run(system.write("once.py", "def configure(ini): pass"), ini("a = 1"))
    assert repr(result).startswith("Result({'name': 'once.py', 'status': 'ok'")
    assert "genpack_init_plugin.once" not in sys.modules
