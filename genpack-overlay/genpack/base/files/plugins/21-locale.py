# SPDX-License-Identifier: MIT
"""Locale and console keymap: /etc/locale.conf and /etc/vconsole.conf."""

from __future__ import annotations

import os
from configparser import ConfigParser

from genpack_init import read_key, replace_file, root_path

SYSTEM_INI = [
    {
        "section": "_default",
        "key": "locale",
        "type": "str",
        "default": None,
        "help": "language and character set, such as ja_JP.UTF-8",
        "allowed": "a locale's name, such as C.UTF-8 or ja_JP.UTF-8",
        "pattern": r"(?:C|POSIX|[a-z]{2,3}(?:_[A-Z]{2})?)(?:\.[A-Za-z0-9-]+)?(?:@[A-Za-z0-9]+)?",
        "group": "System",
    },
    {
        "section": "_default",
        "key": "keymap",
        "type": "str",
        "default": None,
        "help": "keyboard of the text console, such as jp106",
        "allowed": "the name of a keymap of the image, such as us or jp106",
        "pattern": r"[A-Za-z0-9][A-Za-z0-9_.-]*",
        "group": "System",
    },
]

KEYMAP_FOLDERS = ("usr/share/keymaps", "usr/share/kbd/keymaps", "usr/lib/kbd/keymaps")


def check(ini: ConfigParser) -> tuple[str | None, str | None]:
    """Locale and keymap, each if it is given and can be used."""
    return read_key(ini, SYSTEM_INI[0]), read_key(ini, SYSTEM_INI[1], also=is_keymap)


def configure(ini: ConfigParser) -> None:
    """Set LANG and KEYMAP; other lines of the files stay."""
    locale, keymap = check(ini)
    if locale:
        set_variable("etc/locale.conf", "LANG", locale)
    if keymap:
        set_variable("etc/vconsole.conf", "KEYMAP", keymap)


def is_keymap(name: str) -> bool:
    """True if the image has that keymap, or has none at all (then nobody can tell)."""
    folders = [folder for below in KEYMAP_FOLDERS if (folder := root_path(below)).is_dir()]
    wanted = {f"{name}.map", f"{name}.map.gz", f"{name}.map.xz", f"{name}.map.zst"}
    return not folders or any(wanted & set(files) for folder in folders for _, _, files in os.walk(folder))


def set_variable(below: str, name: str, value: str) -> None:
    """`NAME=value` in a file of shell assignments, in place of the one that is there."""
    path = root_path(below)
    try:
        lines = path.read_text(errors="surrogateescape").splitlines()
    except FileNotFoundError:
        lines = []
    kept = [line for line in lines if not line.strip().startswith(f"{name}=")]
    replace_file(path, "".join(f"{line}\n" for line in [*kept, f"{name}={value}"]))
