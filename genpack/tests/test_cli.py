# SPDX-License-Identifier: MIT
"""The command line: options, environment, statuses, and what is said about mistakes."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from conftest import Run, define
from genpack.errors import UsageError

from genpack import options


def test_check(genpack: Run, tmp_path: Path, overlay: Path) -> None:
    folder = define(tmp_path / "a", "{name: 'a', profile: 'paravirt'}")
    status, out, err = genpack("-C", folder, "check", "--overlay-override", overlay)
    assert (status, out, err) == (0, "", f"{folder}: no problems\n")


def test_ten_mistakes_are_all_reported_with_their_lines(genpack: Run, tmp_path: Path, overlay: Path) -> None:
    text = """{
      name: "my image",
      profile: "paravrit",
      pakages: [],
      packages: ["vim"],
      use: {"a/b": 5},
      users: ["u", "u"],
      env: {"a/b": "gone"},
      compression: "zip",
      arch: {sparc: {}},
      default_variant: "none",
    }"""
    folder = define(tmp_path / "a", text)
    (folder / "files").mkdir()
    (folder / "files/build").write_text("")
    status, _, err = genpack("-C", folder, "--overlay-override", overlay, "check")
    assert status == 2
    lines = err.splitlines()
    assert [int(found[1]) for line in lines if (found := re.match(r"genpack\.json5:(\d+): \S+: .+; ", line))] == [
        *range(2, 12)
    ]
    assert lines[-2].startswith("files/build: can't be run")
    assert lines[-1] == f"genpack: error: 11 problems in {folder}/genpack.json5"
    assert "did you mean 'paravirt'?" in err


def test_mistakes_of_usage(genpack: Run, tmp_path: Path) -> None:
    for words, said in (
        (["--bogus"], "No such option"),
        (["buidl"], "No such command 'buidl'"),
        (["check"], "no genpack.json5 in"),
        (["-C", "/nowhere", "check"], "-C /nowhere: No such file"),
        (["--arch", "sparc", "check"], "unknown architecture 'sparc'"),
        (["--compression", "zip", "check"], "unknown algorithm 'zip'"),
        (["--compression", "zstd:23", "check"], "zstd has no level '23'"),
        (["--compression", "xz:1", "check"], "xz has no levels"),
        (["--variant", "v", "-C", str(define(tmp_path / "a", "{name: 'a'}")), "check"], "there is no variant 'v'"),
        (["--overlay-override", "/usr", "-C", str(tmp_path / "a"), "check"], "is not the ebuild repository"),
    ):
        status, out, err = genpack(*words)
        assert (status, out) == (2, ""), err
        assert said in err
        assert "Traceback" not in err


def test_an_option_after_the_command_wins_and_the_environment_is_last(
    genpack: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = define(tmp_path / "a", "{name: 'a'}")
    monkeypatch.setenv("GENPACK_ARCH", "env-arch")
    assert "env-arch" in genpack("-C", folder, "check")[2]
    assert "global-arch" in genpack("-C", folder, "--arch", "global-arch", "check")[2]
    assert "own-arch" in genpack("-C", folder, "--arch", "global-arch", "check", "--arch", "own-arch")[2]


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("directory", "/nowhere", "-C /nowhere"),
        ("arch", "x", "unknown architecture 'x'"),
        ("variant", "x", "no variant 'x'"),
        ("compression", "x", "unknown algorithm 'x'"),
        ("overlay_override", "/usr", "is not the ebuild repository"),
    ],
)
def test_environment(
    genpack: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, value: str, said: str
) -> None:
    define(tmp_path, "{name: 'a'}")
    monkeypatch.setenv(options.environment_name(option), value)
    status, _, err = genpack("check")
    assert status == 2
    assert said in err


@pytest.mark.parametrize("option", sorted(options.OPTIONS))
def test_every_option_is_set_by_its_variable(genpack: Run, monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    seen: list[dict[str, object]] = []

    def note(given: dict[str, object]) -> None:
        seen.append(given)
        raise UsageError("seen")

    monkeypatch.setattr("genpack.commands.read", note)
    kind, _, _, _ = options.OPTIONS[option]
    text, value = {
        bool: ("yes", True),
        int: ("3", 3),
        Path: ("a b", Path("a b")),
        str: ("a b", "a b"),
        list[str]: ("a b", ["a", "b"]),
    }[kind]
    monkeypatch.setenv(options.environment_name(option), text)
    assert "seen" in genpack("check")[2]
    assert seen[0][option] == value
    assert all(given in (None, []) for name, given in seen[0].items() if name != option)


@pytest.mark.parametrize("option", sorted(name for name, entry in options.OPTIONS.items() if entry[0] is bool))
def test_boolean_variables(genpack: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, option: str) -> None:
    seen: list[object] = []

    def note(given: dict[str, object]) -> None:
        seen.append(given[option])
        raise UsageError("seen")

    monkeypatch.setattr("genpack.commands.read", note)
    for text in ("1", "true", "YES", "on", "0", "False", "no", "off"):
        monkeypatch.setenv(options.environment_name(option), text)
        genpack("check")
    assert [bool(value) for value in seen] == [True] * 4 + [False] * 4
    monkeypatch.setenv(options.environment_name(option), "perhaps")
    status, _, err = genpack("check")
    assert status == 2
    assert "'perhaps' is not a valid boolean" in err
    assert f"the environment variable {options.environment_name(option)} is set" in err


def test_debug_shows_a_traceback_only_if_it_is_true(genpack: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for text, shown in (("1", True), ("0", False), ("no", False), ("", False)):
        monkeypatch.setenv("GENPACK_DEBUG", text)
        assert ("Traceback" in genpack("check")[2]) == shown


def test_a_folder_whose_name_can_t_be_an_artifact_s(genpack: Run, tmp_path: Path) -> None:
    folder = define(tmp_path / "my folder", "{}")
    status, _, err = genpack("-C", folder, "show")
    assert status == 2
    assert "gives no name, and the folder's, 'my folder', can't be an artifact's" in err
    assert "taking the folder's, 'good'" in genpack("-C", define(tmp_path / "good", "{}"), "check")[2]


def test_show_and_schema(genpack: Run, tmp_path: Path, overlay: Path) -> None:
    folder = define(tmp_path / "a", "{name: 'a', devel: false, variants: {v: {services: ['s'], compression: 'xz'}}}")
    words = ("-C", folder, "--overlay-override", overlay, "show", "--variant", "v", "--arch", "i686", "--devel")
    status, out, err = genpack(*words)
    assert (status, err) == (0, "")
    expected = {"name": "a", "outfile": "a-v-i686.squashfs", "compression": "xz", "services": ["s"], "devel": True}
    assert json.loads(out) == expected
    status, out, _ = genpack("schema")
    assert status == 0
    assert json.loads(out)["title"] == "genpack.json5"
    define(folder, "{nme: 'a'}")
    status, out, err = genpack("-C", folder, "show")
    assert (status, out) == (2, "")
    assert "genpack.json5:1: nme: unknown key" in err


def test_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given: dict[str, object] = dict.fromkeys(options.OPTIONS)
    plain, _ = options.read(given)
    assert plain.work_root == tmp_path / "work"
    assert plain.mirrors == ("https://distfiles.gentoo.org",)
    assert plain.verify
    full, _ = options.read({**given, "work_dir": Path("w"), "mirror": ["a", "b"], "no_verify": True, "devel": True})
    assert (full.work_root, full.mirrors, full.verify, full.devel) == (tmp_path / "w", ("a", "b"), False, True)


def test_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    from genpack.settings import cache_folder

    monkeypatch.setenv("GENPACK_CACHE_DIR", "/own")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_folder() == Path("/own")
    monkeypatch.delenv("GENPACK_CACHE_DIR")
    assert cache_folder() == Path("/xdg/genpack")
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", "/home/x")
    assert cache_folder() == Path("/home/x/.cache/genpack")


def test_version_and_help(genpack: Run) -> None:
    assert genpack("--version")[:2] == (0, "genpack 0.1.0\n")
    status, out, _ = genpack("--help")
    assert status == 0
    assert "Without a command" in out


def test_not_root(genpack: Run, tmp_path: Path, overlay: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    folder = define(tmp_path / "a", "{name: 'a'}")
    for command, status in (("build", 1), ("lower", 1), ("upper", 1), ("pack", 1), ("bash", 125)):
        found, out, err = genpack("-C", folder, "--overlay-override", overlay, command)
        assert (found, out) == (status, "")
        assert err.startswith("genpack: error: genpack must run as root to ")
    assert sorted(path.name for path in folder.iterdir()) == ["genpack.json5"]


def test_no_lower_layer_for_bash(genpack: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("genpack.preflight.programs", lambda _: None)
    status, _, err = genpack("-C", define(tmp_path / "a", "{name: 'a'}"), "bash", "true")
    assert status == 125
    assert "there is no lower layer" in err


@pytest.mark.spawns
def test_help_imports_little() -> None:
    from genpack import process

    code = "import sys; sys.argv = ['genpack', '--help']\nfrom genpack import cli\ntry: cli.main()\nexcept SystemExit: "
    code += "print([m for m in ('genpack.build', 'ctypes', 'urllib.request', 'rich') if m in sys.modules])"
    assert process.run([sys.executable, "-c", code]).stdout.decode().endswith("[]\n")


def test_options_that_stand_over_the_definition(genpack: Run, tmp_path: Path) -> None:
    folder = define(tmp_path / "a", "{name: 'a', compression: 'gzip', devel: true, variants: {v: {devel: false}}}")
    shown = json.loads(genpack("-C", folder, "--compression", "zstd:7", "--independent-binpkgs", "show")[1])
    assert shown["compression"] == {"algorithm": "zstd", "level": 7}
    assert shown["independent_binpkgs"] is True
    for words, devel in ((("--variant", "v"), False), (("--variant", "v", "--devel"), True)):
        shown = json.loads(genpack("-C", folder, *words, "show")[1])
        assert shown["compression"] == "gzip"
        assert "independent_binpkgs" not in shown
        assert shown.get("devel", False) is devel
