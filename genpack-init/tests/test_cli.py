# SPDX-License-Identifier: MIT
"""The command line, through the installed program."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import genpack_init
from genpack_init import commands, tables, values
from genpack_init.testing import FakeSystem, ini

Command = Callable[..., "subprocess.CompletedProcess[str]"]

GOOD = """\
SYSTEM_INI = [
    {"section": "_default", "key": "color", "type": "str", "default": None, "help": "a colour"},
    ("net:*", "mtu", "int", 1500, "packet size"),
]
from genpack_init import bad_value, root_path
def configure(ini):
    color = ini.get("_default", "color", fallback="none")
    if color == "ugly":
        bad_value(ini, "_default", "color", "a nice colour")
    root_path("color").write_text(color)
"""


@pytest.fixture
def command(program: Path, tmp_path: Path) -> Command:
    """Run the installed genpack-init."""

    def run(*words: str | Path, text: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *words], input=text, capture_output=True, text=True, check=False, cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", **variables}, timeout=30,
        )  # fmt: skip

    return run


def test_version(command: Command) -> None:
    done = command("--version")
    assert (done.returncode, done.stdout) == (0, f"genpack-init {genpack_init.__version__}\n")


def test_help_names_every_command(command: Command) -> None:
    done = command("--help")
    assert done.returncode == 0
    for word in ("run", "check", "blame", "--version"):
        assert word in done.stdout


def test_run(command: Command, tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text(GOOD)
    (tmp_path / "i.ini").write_bytes(b"\xef\xbb\xbfCOLOR = gr\xc3\xbcn\r\n")
    done = command("run", "p.py", "--ini", "i.ini", "--root", tmp_path)
    assert done.returncode == 0, done
    assert (tmp_path / "color").read_text() == "grün"
    assert done.stdout == ""
    assert re.fullmatch(r"genpack-init: info: p.py: ok, [\d.]+ ms\n", done.stderr)
    assert "\033" not in done.stderr


def test_run_by_name_below_the_root(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "usr/lib/genpack-init"
    folder.mkdir(parents=True)
    (folder / "10-p.py").write_text(GOOD)
    for name in ("10-p", "10-p.py"):
        assert command("run", name, "--root", tmp_path).returncode == 0
    assert (tmp_path / "color").read_text() == "none"
    machine = tmp_path / "run/initramfs/rw/system.ini"
    machine.parent.mkdir(parents=True)
    machine.write_text("color = blue")
    assert command("run", "10-p", "--root", tmp_path).returncode == 0
    assert (tmp_path / "color").read_text() == "blue"


def test_run_that_fails(command: Command, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def configure(): raise ValueError('no')")
    (tmp_path / "p.py").write_text(GOOD)
    (tmp_path / "i.ini").write_text("color = ugly\n")
    done = command("run", "./bad.py", "./p.py", "--root", tmp_path)
    assert done.returncode == 1
    assert "genpack-init: error: plugin bad.py failed: ValueError: no\n" in done.stderr
    assert (tmp_path / "color").exists()  # the next one ran
    done = command("run", "p.py", "--ini", "i.ini", "--root", tmp_path)
    assert done.returncode == 1
    assert "error: i.ini: color: 'ugly' is not allowed; allowed: a nice colour\n" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "nothing"], "nothing: no such plugin"),
        (["run", "p.py", "--ini", "none.ini"], "--ini none.ini: No such file or directory"),
        (["run", "p.py", "--ini", "."], "--ini .: Is a directory"),
        (["run", "p.py", "--root", "none"], "--root none: no such folder"),
        (["run"], "the following arguments are required: PLUGIN"),
        (["fly"], "invalid choice: 'fly'"),
        (["--fly"], "unrecognized arguments: --fly"),
    ],
)
def test_bad_usage(command: Command, tmp_path: Path, words: list[str], said: str) -> None:
    (tmp_path / "p.py").write_text(GOOD)
    done = command(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_check(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "usr/lib/genpack-init"
    folder.mkdir(parents=True)
    (folder / "10-p.py").write_text(GOOD)
    (folder / "05-none.py").write_text("raise SystemExit  # check does not run plugins")
    (tmp_path / "i.ini").write_text("color = x\ncolour = y\nmtu = 1\n[net:eth0]\nmtu = 9000\n[x]\nz = 1\n")
    done = command("check", "--ini", "i.ini", "--root", tmp_path)
    assert done.returncode == 2
    assert done.stdout.splitlines() == [
        "05-none.py",
        "10-p.py",
        "    color                          str   a colour",
        "    [net:*] mtu                    int   packet size",
    ]
    assert done.stderr.splitlines() == [
        "genpack-init: warning: i.ini: colour: no plugin reads this key; did you mean color?",
        "genpack-init: warning: i.ini: mtu: no plugin reads this key; it is read in [net:*]",
        "genpack-init: warning: i.ini: [x] z: no plugin reads this key",
    ]
    said, done = done.stderr, command("check", "--ini", "i.ini", "--root", tmp_path, "--json")
    assert done.stderr == said
    data = json.loads(done.stdout)
    assert data["version"] == 1 and data["plugins"] == ["05-none.py", "10-p.py"]
    assert [(key["plugin"], key["section"], key["key"]) for key in data["keys"]] == [
        (None, "_default", "debug"), ("10-p.py", "_default", "color"), ("10-p.py", "net:*", "mtu"),
    ]  # fmt: skip
    assert data["keys"][1]["secret"] is False and len(data["problems"]) == 3
    (tmp_path / "i.ini").write_text("color = x\ndebug = yes\n")
    assert command("check", "--ini", "i.ini", "--root", tmp_path).returncode == 0


@pytest.mark.parametrize(
    "source",
    ["SYSTEM_INI = [1]", "SYSTEM_INI = [('a', 'b')]", "SYSTEM_INI = f()", "SYSTEM_INI = 3", "SYSTEM_INI = [{}]", "(",
     "\0", "SYSTEM_INI = [('s', 'k', 'colour', 1, 'h')]",
     "SYSTEM_INI = [{'section': 's', 'key': 'k', 'type': 'str', 'default': 1, 'help': 'h', 'pattern': '('}]",
     "SYSTEM_INI = [('s', 'k', 'str', 1, 'h', 'more')]", "SYSTEM_INI = [(['s', 3], 'k', 'str', 1, 'h')]"],
)  # fmt: skip
def test_broken_table(tmp_path: Path, source: str) -> None:
    (tmp_path / "p.py").write_text(source)
    found = tables.describe(str(tmp_path / "p.py"))
    assert found.error and not found.keys
    assert "zip()" not in found.error


def test_annotated_table(tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text("SYSTEM_INI: list[tuple]\nSYSTEM_INI: list[tuple] = [('s', 'k', 'str', 1, 'h')]")
    assert tables.describe(str(tmp_path / "p.py")).keys == (tables.Key("s", "k", "str", 1, "h"),)


def test_row_of_several_sections(tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text("SYSTEM_INI = [(['a', 'b:*'], 'k', 'str', 1, 'h'), ('c', 'l', 'str', 1, 'h')]")
    found = [(key.section, key.key) for key in tables.describe(str(tmp_path / "p.py")).keys]
    assert found == [("a", "k"), ("b:*", "k"), ("c", "l")]


def test_unread_of_an_empty_ini() -> None:
    assert tables.unread(ini(), []) == []


def test_blame(system: FakeSystem, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"name": n, "status": "ok", "ms": ms, "error": None} for n, ms in (("a.py", 1.25), ("b.py", 200.0))]
    system.write("run/genpack-init.json", json.dumps({"version": 1, "plugins": rows}))
    assert commands.blame() == 0
    assert capsys.readouterr().out.split() == ["200.0", "ms", "ok", "b.py", "1.2", "ms", "ok", "a.py"]
    for text in ("", "[]", '{"plugins": [{}]}'):
        system.write("run/genpack-init.json", text)
        with pytest.raises(genpack_init.GenpackInitError, match="not a state file"):
            commands.blame()


def test_interactive(command: Command) -> None:
    done = command(text="print(root_path('etc'), genpack_init.__version__)\nexit(3)\n")
    assert f"/etc {genpack_init.__version__}" in done.stdout
    assert done.returncode == 3
    assert command(text="").returncode == 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals(program: Path, tmp_path: Path, number: int, status: int) -> None:
    code = "import time\ndef configure():\n  print('here', flush=True)\n  time.sleep(30)"
    (tmp_path / "p.py").write_text(code)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([program, "run", "p.py"], cwd=tmp_path, **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        process.send_signal(number)
        assert process.wait(10) == status


def test_output_closed_early(program: Path) -> None:
    pipe = f"{program} check --json | :"
    done = subprocess.run(pipe, shell=True, capture_output=True, text=True, check=False, timeout=20)
    assert done.stderr in ("", "genpack-init: warning: no plugins: /usr/lib/genpack-init does not exist\n")


def test_environment_has_no_say(command: Command, tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('stolen')")
    done = command("check", "--json", PYTHONPATH=str(tmp_path), PYTHONHOME="/nowhere", PYTHONSTARTUP="x")
    assert done.returncode == 0, done


def test_host_missing(program: Path, tmp_path: Path) -> None:
    copy = tmp_path / "bin/genpack-init"
    copy.parent.mkdir()
    copy.write_bytes(program.read_bytes())
    copy.chmod(0o755)
    if os.path.exists("/usr/libexec/genpack-init-host"):  # noqa: PTH110 - a plain question
        pytest.skip("genpack-init is installed in /usr")
    done = subprocess.run([copy, "--version"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "genpack-init: error: cannot run /usr/libexec/genpack-init-host: No such file or directory\n"


RULES = """\
from genpack_init import bad_value, read_key, read_keys
SYSTEM_INI = [
    {"section": "_default", "key": "on", "type": "bool", "default": None, "help": "h"},
    {"section": "_default", "key": "size", "type": "int", "default": None, "help": "h", "minimum": 1, "maximum": 9},
    {"section": "net:*", "key": "dhcp", "type": "str", "default": None, "help": "h", "choices": ["yes", "no"]},
    {"section": "_default", "key": "names", "type": "list", "default": None, "help": "h", "pattern": "[a-z]+",
     "allowed": "small letters"},
    {"section": "_default", "key": "psk", "type": "str", "default": None, "help": "h", "pattern": "[0-9]{8}",
     "secret": True},
    {"section": "_default", "key": "keys", "type": "text", "default": None, "help": "h", "pattern": "k .*",
     "secret": True},
]
"""
BAD_INI = """\
on = perhaps
size = 10
names = ok No ok
psk = sesame
keys =
  k 1
  # no
  sesame
[net:a]
dhcp = Maybe
[net:b]
dhcp = NO
"""
SAID = [
    "i.ini: on: 'perhaps' is not allowed; allowed: yes, no, on, off, true, false, 1 or 0",
    "i.ini: size: '10' is not allowed; allowed: a number from 1 to 9",
    "i.ini: [net:a] dhcp: 'Maybe' is not allowed; allowed: yes, no",
    "i.ini: names: 'No' is not allowed; allowed: small letters",
    "i.ini: psk: the value is not allowed; allowed: text",
    "i.ini: keys: 'line 2 (not shown)' is not allowed; allowed: text",
]


def test_check_names_bad_values(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "usr/lib/genpack-init"
    folder.mkdir(parents=True)
    (folder / "10-table.py").write_text(RULES)
    (tmp_path / "i.ini").write_text(BAD_INI)
    done = command("check", "--ini", "i.ini", "--root", tmp_path)
    assert (done.returncode, [line.split("warning: ")[1] for line in done.stderr.splitlines()]) == (2, SAID)
    own = "def check(ini):\n    if not read_key(ini, SYSTEM_INI[4], also=len): bad_value(ini, '_default', 'on', 'z')"
    (folder / "10-table.py").write_text(f"{RULES}import os\nos.umask(0o777)\n{own}")
    (folder / "20-fails.py").write_text("def check(ini): raise SystemExit('why')")
    data = json.loads(command("check", "--json", "--ini", "i.ini", "--root", tmp_path).stdout)
    assert data["problems"] == [
        "20-fails.py: check() failed: SystemExit: why", SAID[4], "i.ini: on: 'perhaps' is not allowed; allowed: z",
    ]  # fmt: skip
    (tmp_path / "i.ini").write_text("debug = x")
    assert "debug: 'x'" in command("check", "--ini", "i.ini", "--root", tmp_path / "usr").stderr


def test_addresses() -> None:
    texts = ("192.0.2.1", "2001:db8::1", "192.0.2.1/24", "2001:db8::1/129", "192.0.2.1/", "192.0.2", "name", "")
    assert [genpack_init.is_ip_address(text) for text in texts] == [True, True, *[False] * 6]
    assert [genpack_init.is_ip_interface(text) for text in texts] == [True, True, True, *[False] * 5]


def test_values_as_plugins_read_them() -> None:
    names: dict[str, list[dict[str, object]]] = {}
    exec(RULES, names)
    table = {str(row["key"]): row for row in names["SYSTEM_INI"]}
    parsed = ini(BAD_INI)
    assert genpack_init.read_keys(parsed, table["names"]) == ["ok", "ok"]
    assert genpack_init.read_keys(parsed, table["names"], also=lambda word: word != "ok") == []
    assert genpack_init.read_keys(parsed, table["keys"]) == ["k 1"]
    assert genpack_init.read_key(parsed, table["dhcp"], section="net:b") == "NO"
    assert [genpack_init.read_key(parsed, table[key]) for key in ("size", "psk", "dhcp")] == [None] * 3
    for text, good in (("9", True), ("-1", False), ("１", False), ("9" * 40, False), ("0", False)):
        assert (genpack_init.read_key(ini(f"size = {text}"), table["size"]) is not None) == good
    assert values.allowed({"type": "int"}) == "a number"
    assert values.allowed({"type": "int", "minimum": 2}) == "a number from 2"
