# SPDX-License-Identifier: MIT
"""The language of what Redmine's first start makes."""

from __future__ import annotations

from configparser import ConfigParser

from genpack_init import read_key, replace_file, root_path

SYSTEM_INI = [
    {"section": "redmine", "key": "language", "type": "str", "default": "en", "group": "redmine",
     "pattern": "[a-z]{2}(-[A-Z]{2})?", "allowed": "a language of Redmine, such as en, ja or pt-BR",
     "help": "language of trackers, roles and priorities"},
]  # fmt: skip


def configure(ini: ConfigParser) -> None:
    """An environment for redmine.service."""
    replace_file(root_path("run/redmine.env"), f"REDMINE_LANG={read_key(ini, SYSTEM_INI[0]) or 'en'}\n")
