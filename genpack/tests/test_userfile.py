# SPDX-License-Identifier: MIT
"""The user's configuration file: its keys, its mistakes, and what wins over it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from genpack.errors import UsageError
from genpack.userfile import UserFile

from genpack import options, userfile


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("GENPACK_CACHE_DIR")
    monkeypatch.setenv("HOME", "/home/x")
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "config/genpack/config.toml"
    path.parent.mkdir(parents=True)
    return path


def test_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/x")
    for value, expected in (("/xdg", "/xdg"), ("not/absolute", "/home/x/.config"), ("", "/home/x/.config")):
        monkeypatch.setenv("XDG_CONFIG_HOME", value)
        assert userfile.place() == Path(expected) / "genpack/config.toml"


def test_every_key(config: Path) -> None:
    assert userfile.read() == UserFile()
    config.write_text("")
    assert userfile.read() == UserFile()
    config.write_text(
        'mirrors = ["mirror", "https://x.invalid/gentoo"]\nbinhosts = [\n  "/b",\n  "http://b.invalid",\n]\n'
        'cache = "~/cache"\nkeyring = "keys.asc"\noverlay = "https://x.invalid/o.tar.gz"\n'
    )
    assert userfile.read() == UserFile(
        mirrors=(str(config.parent / "mirror"), "https://x.invalid/gentoo"),
        binhosts=("/b", "http://b.invalid"),
        cache=Path("/home/x/cache"),
        keyring=config.parent / "keys.asc",
        overlay="https://x.invalid/o.tar.gz",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# x\nmirors = []\n", ":2: mirors: unknown key; did you mean 'mirrors'?"),
        ("[cache]\n", ":1: cache: must be a string; "),
        ('mirrors = "https://x"\n', ":1: mirrors: must be a list of strings; "),
        ("mirrors = [1]\n", ":1: mirrors: must be a list of strings; "),
        ('mirrors = [\n""]\n', ":1: mirrors: has an empty string in it; "),
        ("\ncache = 5\n", ":2: cache: must be a string; "),
        ('cache = ""\n', ":1: cache: '' is not a path; "),
        ('cache = "https://x"\n', ":1: cache: 'https://x' is a URL; name a folder"),
        ('keyring = "https://x"\n', ":1: keyring: 'https://x' is a URL; name a file"),
        ('binhosts = ["a"]\nbinhosts = ["b"]\n', ":2: Cannot overwrite a value"),
        ("mirrors = [\n", ":1: Invalid value"),
    ],
)
def test_mistakes(config: Path, text: str, said: str) -> None:
    config.write_text(text)
    with pytest.raises(UsageError) as caught:
        userfile.read()
    assert caught.value.message.startswith(f"{config}{said}")
    assert "\n" not in caught.value.message


def test_options_win_over_the_environment_and_that_over_the_file(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(**more: Any) -> Any:
        return options.read(dict.fromkeys(options.OPTIONS) | more)[0]

    config.write_text('mirrors = ["/m"]\nkeyring = "/k"\ncache = "/c"\noverlay = "/o"\nbinhosts = ["/b"]\n')
    plain = read()
    assert (plain.mirrors, plain.keyring, plain.cache, plain.overlay) == (("/m",), Path("/k"), Path("/c"), "/o")
    assert plain.binhosts == ("/b",)
    given = read(mirror=["/n"], keyring=Path("/l"))
    assert (given.mirrors, given.keyring) == (("/n",), Path("/l"))
    monkeypatch.setenv("GENPACK_CACHE_DIR", "/own")
    assert read().cache == Path("/own")
    monkeypatch.delenv("GENPACK_CACHE_DIR")
    config.unlink()
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert read().cache == Path("/xdg/genpack")
