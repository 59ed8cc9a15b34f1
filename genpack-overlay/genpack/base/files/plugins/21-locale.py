# SPDX-License-Identifier: MIT
"""Locale and console keymap: /etc/locale.conf and /etc/vconsole.conf."""

from __future__ import annotations

import os
import re
from configparser import ConfigParser

from genpack_init import bad_value, replace_file, root_path

SYSTEM_INI = [
    {
        "section": "_default",
        "key": "locale",
        "type": "str",
        "default": None,
        "help": "language and character set, such as ja_JP.UTF-8",
        "allowed": "a locale's name, such as C.UTF-8 or ja_JP.UTF-8",
    },
    {
        "section": "_default",
        "key": "keymap",
        "type": "str",
        "default": None,
        "help": "keyboard of the text console, such as jp106",
        "allowed": "the name of a keymap of the image, such as us or jp106",
    },
]

LOCALE = re.compile(r"(?:C|POSIX|[a-z]{2,3}(?:_[A-Z]{2})?)(?:\.[A-Za-z0-9-]+)?(?:@[A-Za-z0-9]+)?\Z")
KEYMAP = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")
KEYMAP_FOLDERS = ("usr/share/keymaps", "usr/share/kbd/keymaps", "usr/lib/kbd/keymaps")


def configure(ini: ConfigParser) -> None:
    """Set LANG and KEYMAP; other lines of the files stay."""
    locale = ini.get("_default", "locale", fallback="").strip()
    if locale and not LOCALE.match(locale):
        bad_value(ini, "_default", "locale", str(SYSTEM_INI[0]["allowed"]))
    elif locale:
        set_variable("etc/locale.conf", "LANG", locale)
    keymap = ini.get("_default", "keymap", fallback="").strip()
    if keymap and not (KEYMAP.match(keymap) and is_keymap(keymap)):
        bad_value(ini, "_default", "keymap", str(SYSTEM_INI[1]["allowed"]))
    elif keymap:
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
