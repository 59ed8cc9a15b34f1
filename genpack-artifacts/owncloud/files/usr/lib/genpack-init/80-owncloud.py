# SPDX-License-Identifier: MIT
"""ownCloud's address, and the password of its first user."""

from __future__ import annotations

from configparser import ConfigParser

from genpack_init import read_key, replace_file, root_path

SYSTEM_INI = [
    {"section": "owncloud", "key": "url", "type": "str", "default": "https://localhost:9200", "group": "owncloud",
     "pattern": r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?", "allowed": "https://NAME or https://NAME:PORT",
     "help": "how it is reached"},
    {"section": "owncloud", "key": "admin_password", "type": "str", "default": None, "group": "owncloud",
     "secret": True, "pattern": "[!-~]{10,}", "allowed": "10 characters or more, no blanks",
     "help": "password of admin at the first boot"},
]  # fmt: skip
URL, PASSWORD = SYSTEM_INI


def configure(ini: ConfigParser) -> None:
    """An environment for ocis.service, and a file that its setup reads once; both in /run."""
    replace_file(root_path("run/ocis.env"), f"OCIS_URL={read_key(ini, URL) or URL['default']}\n")
    password = read_key(ini, PASSWORD)
    if password:
        replace_file(root_path("run/ocis-password"), f"{password}\n", 0o600)
