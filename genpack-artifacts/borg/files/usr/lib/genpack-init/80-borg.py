# SPDX-License-Identifier: MIT
"""Who may send archives: the keys that sshd lets in as the user borg, each for one client's folder alone."""

from __future__ import annotations

import logging
import re
from configparser import ConfigParser

from genpack_init import get_boolean, read_key, read_keys, replace_file, root_path

SYSTEM_INI = [
    {"section": "borg:*", "key": "keys", "type": "text", "default": None, "group": "borg",
     "pattern": r"(ssh|ecdsa|sk)-[A-Za-z0-9@.-]+ [A-Za-z0-9+/]+=*( .*)?", "allowed": "public keys, one a line",
     "help": "keys of this client"},
    {"section": "borg:*", "key": "append_only", "type": "bool", "default": False, "group": "borg",
     "help": "the client can't remove archives"},
    {"section": "borg:*", "key": "quota", "type": "str", "default": None, "group": "borg",
     "pattern": "[0-9]+[KMGT]", "allowed": "a number and K, M, G or T, such as 200G",
     "help": "largest size of its repositories"},
]  # fmt: skip
KEYS, _, QUOTA = SYSTEM_INI
FOLDER = "/srv/borg"


def configure(ini: ConfigParser) -> None:
    """All clients' lines; without any, a file that lets nobody in."""
    lines = []
    for section in ini.sections():
        kind, colon, name = section.partition(":")
        if kind != "borg" or not colon:
            continue
        if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]{0,62}", name):
            logging.error("system.ini: [%s]: not a client's name: letters, digits, '.', '_' and '-'", section)
            continue
        command = f"borg serve --restrict-to-path {FOLDER}/{name}"
        if get_boolean(ini, section, "append_only"):
            command += " --append-only"
        quota = read_key(ini, QUOTA, section=section)
        if quota:
            command += f" --storage-quota {quota}"
        lines += [f'command="{command}",restrict {key}\n' for key in read_keys(ini, KEYS, section=section)]
    replace_file(root_path("etc/ssh/authorized_keys.borg"), "".join(lines))
