# SPDX-License-Identifier: MIT
"""`genpack-artifacts list`, run as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from genpack_artifacts import artifacts
from genpack_artifacts.errors import UsageError
from helper import README, command, make

PACKAGE = Path(__file__).resolve().parents[1]
FORMATS = PACKAGE.parent / "ci" / "formats"


def test_hello_is_listed_as_in_the_golden_sample() -> None:
    result = command("list", "--json", "--dir", PACKAGE)
    assert (result.returncode, result.stderr) == (0, "")
    got, sample = json.loads(result.stdout), json.loads((FORMATS / "genpack-artifacts" / "list.json").read_text())
    assert got["version"] == sample["version"] == 1
    hello = next(a for a in got["artifacts"] if a["name"] == "hello")
    assert Path(hello.pop("path")) == PACKAGE / "hello"
    expected = sample["artifacts"][0]
    expected.pop("path")
    assert hello == expected


def test_table() -> None:
    result = command("list", "--dir", PACKAGE)
    header, *rows = result.stdout.splitlines()
    assert header.split() == ["NAME", "PROFILE", "ARCHITECTURES", "VARIANTS", "PURPOSE"]
    hello = next(row for row in rows if row.startswith("hello "))
    assert hello.split()[:4] == ["hello", "paravirt", "x86_64", "-"]
    assert header.index("PURPOSE") == hello.index("The smallest")


def test_own_collection_is_the_default() -> None:
    names = [a["name"] for a in json.loads(command("list", "--json").stdout)["artifacts"]]
    assert "hello" in names


def test_read(tmp_path: Path) -> None:
    text = "{ // comment\n name: 'x', profile: null, variants: {b: {}, a: {}},\n}"
    got = artifacts.read(make(tmp_path / "demo", text))
    assert got == artifacts.Artifact("x", tmp_path / "demo", "A demo of it.", None, ("x86_64", "aarch64"), ("b", "a"))


@pytest.mark.parametrize(
    ("definition", "readme", "message"),
    [
        ("{name: ", README, "not JSON5"),
        ("[]", README, "must be an object, not a list"),
        ("{name: 3}", README, "name: must be a string"),
        ("{profile: []}", README, "profile: must be a string"),
        ("{variants: ['a']}", README, "variants: must be an object"),
        ("{}", None, "README.md: missing"),
        ("{}", "# title\n\nArchitectures: x86_64\n", "no paragraph"),
        ("{}", "# title\n\ntext\n", "no line 'Architectures"),
        ("{}", "# title\n\ntext\n\nArchitectures: amd64\n", "unknown architecture amd64"),
    ],
)
def test_bad_artifact_is_one_line_and_the_others_are_listed(
    tmp_path: Path, definition: str, readme: str | None, message: str
) -> None:
    make(tmp_path / "bad", definition, readme)
    make(tmp_path / "good", "{name: 'good'}")
    result = command("list", "--json", "--dir", tmp_path)
    listed = [a["name"] for a in json.loads(result.stdout)["artifacts"]]
    assert (result.returncode, listed) == (2, ["good"])
    lines = [line for line in result.stderr.splitlines() if not line.startswith("tip: ")]
    assert len(lines) == 1
    assert lines[0].startswith(f"genpack-artifacts: error: {tmp_path}/bad/")
    assert message in lines[0]


def test_bad_encoding_and_two_definitions(tmp_path: Path) -> None:
    folder = make(tmp_path / "a", "{}")
    (folder / "genpack.json5").write_bytes(b"{name: '\xff'}")
    with pytest.raises(UsageError, match="not UTF-8"):
        artifacts.read(folder)
    (folder / "genpack.json").write_text("{}")
    with pytest.raises(UsageError, match="has both"):
        artifacts.read(folder)


def test_usage_errors(tmp_path: Path) -> None:
    missing = command("list", "--dir", tmp_path / "none")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert missing.stderr == f"genpack-artifacts: error: {tmp_path}/none: no such folder\n"
    assert command("lst").returncode == 2
    assert command("--version").stdout.startswith("genpack-artifacts 0.")


def test_help_imports_no_more_than_it_needs() -> None:
    """What takes long to import waits until a command needs it."""
    argv = [sys.executable, "-X", "importtime", "-m", "genpack_artifacts", "--help"]
    result = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "typer" in imported
    assert not imported & {"json5", "rich", "pydantic", "genpack_artifacts.artifacts"}
