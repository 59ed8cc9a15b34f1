# SPDX-License-Identifier: MIT
"""The user's configuration file, $XDG_CONFIG_HOME/genpack/config.toml: what holds for every build of a person."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from genpack import tomlfile


@dataclass(frozen=True)
class UserFile:
    """What the file says. Folders are absolute; relative ones start at the file's own folder."""

    mirrors: tuple[str, ...] = ()
    binhosts: tuple[str, ...] = ()
    cache: Path | None = None
    keyring: Path | None = None
    overlay: str | None = None


def place() -> Path:
    """$XDG_CONFIG_HOME/genpack/config.toml, else ~/.config/genpack/config.toml."""
    xdg = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(xdg) if xdg.startswith("/") else Path("~/.config").expanduser()) / "genpack/config.toml"


def read() -> UserFile:
    """Raises UsageError for a file that can't be read, an unknown key or a wrong type."""
    path = place()
    table = tomlfile.read(path, str(path))
    if table is None:
        return UserFile()
    table.only(UserFile.__dataclass_fields__)

    def absolute(text: str) -> str:
        """A path as an absolute one; a URL as it is."""
        return text if urlsplit(text).scheme else str(path.parent / Path(text).expanduser())

    def one(key: str) -> str | None:
        if key not in table.values:
            return None
        return absolute(table.text(key, lambda text: text.strip() == text != "", "a path"))

    def many(key: str) -> tuple[str, ...]:
        found = table.value(key, list, required=False) or []
        if "" in found:
            raise table.wrong(key, "has an empty string in it", "remove it")
        return tuple(absolute(text) for text in found)

    cache, keyring = one("cache"), one("keyring")
    for key, value in (("cache", cache), ("keyring", keyring)):
        if value is not None and not value.startswith("/"):
            raise table.wrong(key, f"'{value}' is a URL", "name a folder" if key == "cache" else "name a file")
    return UserFile(
        many("mirrors"),
        many("binhosts"),
        None if cache is None else Path(cache),
        None if keyring is None else Path(keyring),
        one("overlay"),
    )
