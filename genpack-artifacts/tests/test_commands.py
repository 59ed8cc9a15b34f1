# SPDX-License-Identifier: MIT
"""new, check, matrix and apply, run as a user runs them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import json5
import pytest
from genpack_artifacts import data, files, stencils
from helper import command, make

FORMATS = Path(__file__).resolve().parents[2] / "ci" / "formats"
#: A genpack that finds nothing wrong, for what is beside its own check.
GOOD = '#!/bin/sh\n[ "$1" = -C ] && [ "$3" = check ] && [ -f "$2/genpack.json5" ]\n'


def program(folder: Path, text: str = GOOD) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "genpack").write_text(text)
    (folder / "genpack").chmod(0o755)
    return folder


@pytest.mark.parametrize("template", data.names("templates"))
def test_new_artifact_is_a_good_one(tmp_path: Path, template: str) -> None:
    result = command("new", "my.box-1", "--from", template, "--dir", tmp_path, "--json")
    assert (result.returncode, result.stderr) == (0, "")
    made = json.loads(result.stdout)
    assert made == {"version": 1, "artifact": "my.box-1", "path": str(tmp_path / "my.box-1"), "template": template}
    everything = [str(path) for path in files.tree(tmp_path / "my.box-1")]
    assert not [name for name in everything if "@NAME@" in name]
    assert not [name for name in everything if b"@NAME@" in (tmp_path / "my.box-1" / name).read_bytes()]
    checked = command("check", "--dir", tmp_path, path=program(tmp_path / "bin"))
    assert (checked.returncode, checked.stdout) == (0, "my.box-1: good\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["new", "a/b"], "'a/b' can't be an artifact's name"),
        (["new", "x", "--from", "servr"], "there is no template servr"),
        (["new", "there"], "there exists already"),
        (["new", "x", "--dir", "nowhere"], "nowhere: no such folder"),
        (["check", "helo"], "there is no artifact helo"),
        (["apply", "dokcer", "."], "there is no stencil dokcer"),
        (["apply", "docker", "nowhere"], "nowhere: no genpack.json5"),
        (["matrix", "--arch", "amd64"], "the architectures are x86_64"),
    ],
)
def test_bad_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    result = command(*words)
    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_nearest_name_is_told() -> None:
    assert "did you mean docker?" in command("apply", "dokcer", ".").stderr
    assert "did you mean hello?" in command("check", "helo").stderr
    assert "did you mean server?" in command("new", "x", "--from", "servr").stderr


def test_matrix_is_as_in_the_golden_sample(tmp_path: Path) -> None:
    make(tmp_path / "a", "{name: 'a', variants: {big: {}, small: {}}}")
    make(tmp_path / "b", "{name: 'b', default_variant: 'x', variants: {x: {}}}")
    result = command("matrix", "--dir", tmp_path, "--json")
    sample = (FORMATS / "genpack-artifacts" / "matrix.json").read_text().replace("/artifacts", str(tmp_path))
    assert json.loads(result.stdout) == json.loads(sample)
    some = json.loads(command("matrix", "a", "--arch", "aarch64", "--dir", tmp_path, "--json").stdout)["include"]
    assert [(e["artifact"], e["variant"], e["arch"]) for e in some] == [
        ("a", "", "aarch64"),
        ("a", "big", "aarch64"),
        ("a", "small", "aarch64"),
    ]
    table = command("matrix", "b", "--dir", tmp_path).stdout.splitlines()
    assert [line.split() for line in table[1:]] == [["b", "x", "x86_64"], ["b", "x", "aarch64"]]


def bad_artifact(folder: Path) -> Path:
    """One problem of each kind."""
    make(folder, "{name: 'bad'}", "# bad\n\nBad.\n")
    for name, text in {
        "usr/bin/forgotten": "#!/bin/sh\ntrue\n",
        "build.d/10-x.sh": "cd $1\n",
        "usr/lib/genpack-init/50-x.py": "def configure(:\n",
        "usr/lib/systemd/system/a.service": "[Service]\nExecStart=/usr/libexec/a\n",
        "usr/libexec/a": "no program\n",
        "usr/lib/systemd/system/b.service": "ExecStart=/usr/libexec/a\n",
    }.items():
        (folder / "files" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "files" / name).write_text(text)
    return folder


def test_check_names_every_problem(tmp_path: Path) -> None:
    folder = bad_artifact(tmp_path / "all" / "bad")
    make(tmp_path / "all" / "good", "{name: 'good'}")
    fake = (
        "#!/bin/sh\ncase $2 in *bad) echo \"genpack.json5:1: nam: unknown key; did you mean 'name'?\"; exit 2;; esac\n"
    )
    result = command("check", "--dir", tmp_path / "all", "--json", path=program(tmp_path / "bin", fake))
    assert result.returncode == 2
    bad, good = json.loads(result.stdout)["artifacts"]
    assert (good["name"], good["problems"]) == ("good", [])
    found = {(str(Path(p["path"]).relative_to(folder)), p["line"]): p["what"] for p in bad["problems"]}
    expected = {
        ("README.md", 0): "no line 'Architectures",
        ("genpack.json5", 1): "nam: unknown key",
        ("files/usr/bin/forgotten", 0): "can't be started; chmod +x",
        ("files/build.d/10-x.sh", 1): "SC2086",
        ("files/usr/lib/genpack-init/50-x.py", 1): "not Python",
        ("files/usr/lib/systemd/system/a.service", 0): "starts /usr/libexec/a, which can't be started",
        ("files/usr/lib/systemd/system/b.service", 1): "not a unit",
    }
    for place, what in expected.items():
        assert what in found[place], place
    people = command("check", "bad", "--dir", tmp_path / "all", path=tmp_path / "bin")
    assert people.stdout == f"bad: {len(bad['problems'])} problems\n"
    assert f"error: {folder}/files/usr/bin/forgotten: begins with #!" in people.stderr


def test_check_needs_its_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = command("check")
    assert (result.returncode, result.stdout) == (1, "")
    assert "genpack is needed to check the keys and atoms of a definition, but it is not installed" in result.stderr
    assert "tip: pip install genpack" in result.stderr


def test_a_genpack_that_fails_otherwise_is_told_whole(tmp_path: Path) -> None:
    make(tmp_path / "all" / "a", "{name: 'a'}")
    fake = program(tmp_path / "bin", "#!/bin/sh\necho 'genpack: error: no memory'\nexit 1\n")
    result = command("check", "--dir", tmp_path / "all", path=fake)
    assert result.returncode == 2
    assert "genpack check: genpack: error: no memory" in result.stderr
    killed = command("check", "--dir", tmp_path / "all", path=program(tmp_path / "bin", "#!/bin/sh\nkill -9 $$\n"))
    assert killed.returncode == 1
    assert "was killed by SIGKILL" in killed.stderr


@pytest.mark.parametrize("theme", data.names("stencils"))
def test_a_stencil_is_added_once_and_keeps_what_is_there(tmp_path: Path, theme: str) -> None:
    text = "// mine\n{\n  name: 'a', // its name\n  packages: [\n    'x/y', // wanted\n  ],\n}\n"
    folder = make(tmp_path / "a", text)
    dry = command("apply", theme, folder, "--dry-run")
    assert (dry.returncode, (folder / "genpack.json5").read_text(), (folder / "files").exists()) == (0, text, False)
    first = command("apply", theme, folder, "--json")
    assert (first.returncode, first.stderr) == (0, "")
    said = json.loads(first.stdout)
    after = (folder / "genpack.json5").read_text()
    assert said["written"] is True
    assert [line for line in text.splitlines() if line not in after.splitlines()] == []
    assert after.count(f"ref: {theme}") >= 1
    part = json5.loads((data.folder("stencils") / theme / "genpack.json5").read_text())
    assert set(part) <= set(json5.loads(after))
    for name in said["files"]:
        assert files.content(folder / name) == files.content(data.folder("stencils") / theme / name)
    again = command("apply", theme, folder)
    assert (again.returncode, again.stdout) == (0, f"{folder}: has all of {theme} already\n")
    assert (folder / "genpack.json5").read_text() == after


def test_a_contradiction_is_shown_and_nothing_written(tmp_path: Path) -> None:
    text = "{name: 'a', use: {'genpack/base': '-sshd'}}"
    folder = make(tmp_path / "a", text)
    there = folder / "files/etc/ssh/sshd_config.d/10-keys-only.conf"
    there.parent.mkdir(parents=True)
    there.write_text("PasswordAuthentication yes\n")
    result = command("apply", "sshd-keys-only", folder)
    assert (result.returncode, result.stdout) == (1, "")
    assert 'use: genpack/base: the artifact has "-sshd", the stencil sshd-keys-only:\n"sshd"' in result.stderr
    assert "-PasswordAuthentication yes\n" in result.stderr
    assert "+PasswordAuthentication no\n" in result.stderr
    assert ((folder / "genpack.json5").read_text(), there.read_text()) == (text, "PasswordAuthentication yes\n")
    told = json.loads(command("apply", "sshd-keys-only", folder, "--json").stdout)
    assert (told["written"], len(told["conflicts"])) == (False, 2)


def test_every_stencil_holds_what_a_stencil_may(tmp_path: Path) -> None:
    folder = make(tmp_path / "a", "{name: 'a'}")
    for theme in stencils.stencils():
        assert stencils.plan(theme, folder).conflicts == ()
        assert {p.name for p in theme.path.iterdir()} <= {"README.md", "genpack.json5", *stencils.FOLDERS}
    listed = command("list", "--stencils").stdout.splitlines()[1:]
    names = [theme["name"] for theme in json.loads(command("list", "--stencils", "--json").stdout)["stencils"]]
    assert [line.split()[0] for line in listed] == names == data.names("stencils")


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_text("old")

    def broken(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="No space"):
        files.write(path, b"new", mode=0o644)
    assert (path.read_text(), list(tmp_path.iterdir())) == ("old", [path])
