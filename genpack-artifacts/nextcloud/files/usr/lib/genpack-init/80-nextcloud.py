# SPDX-License-Identifier: MIT
"""What nextcloud-setup needs: names that the machine is reached by, and the first user."""

from __future__ import annotations

from configparser import ConfigParser

from genpack_init import read_key, read_keys, replace_file, root_path

SYSTEM_INI = [
    {"section": "nextcloud", "key": "domains", "type": "list", "default": None, "group": "nextcloud",
     "pattern": r"[A-Za-z0-9.*\[\]:-]+", "allowed": "names or addresses, with a port if it is not 443",
     "help": "names that it is reached by"},
    {"section": "nextcloud", "key": "admin", "type": "str", "default": "admin", "group": "nextcloud",
     "pattern": "[A-Za-z0-9_.@-]{1,64}", "allowed": "letters, digits, and _ . @ -", "help": "name of the first user"},
    {"section": "nextcloud", "key": "admin_password", "type": "str", "default": None, "group": "nextcloud",
     "secret": True, "pattern": ".{10,}", "allowed": "10 characters or more", "help": "the first user's password"},
]  # fmt: skip
DOMAINS, ADMIN, PASSWORD = SYSTEM_INI
FOLDER = "run/nextcloud-setup"


def configure(ini: ConfigParser) -> None:
    """One file for each key, in /run: root alone may read them."""
    domains = "".join(f"{name}\n" for name in read_keys(ini, DOMAINS))
    replace_file(root_path(FOLDER, "domains"), domains, 0o600)
    replace_file(root_path(FOLDER, "admin"), f"{read_key(ini, ADMIN) or 'admin'}\n", 0o600)
    password = read_key(ini, PASSWORD)
    if password:
        replace_file(root_path(FOLDER, "password"), f"{password}\n", 0o600)
