# SPDX-License-Identifier: MIT
"""Where the nightly backup goes."""

from __future__ import annotations

from configparser import ConfigParser

from genpack_init import read_key, read_keys, replace_file, root_path

SYSTEM_INI = [
    {"section": "backup", "key": "repository", "type": "str", "default": None, "group": "backup",
     "pattern": r"[^\s'\"]+", "allowed": "a repository's address without blanks or quotes",
     "help": "Borg repository; without it there is no backup"},
    {"section": "backup", "key": "passphrase", "type": "str", "default": None, "group": "backup", "secret": True,
     "pattern": ".{8,}", "allowed": "8 characters or more", "help": "what the repository is encrypted with"},
    {"section": "backup", "key": "paths", "type": "list", "default": "/etc /home /root /srv /var/lib",
     "group": "backup", "pattern": r"/[^\s'\"]*", "allowed": "paths without blanks or quotes",
     "help": "what to keep"},
]  # fmt: skip
FOLDER = "etc/borg-backup"


def configure(ini: ConfigParser) -> None:
    """One file for each key, read by /usr/bin/borg-backup. A key that is gone takes its file with it."""
    repository, passphrase, paths = SYSTEM_INI
    for name, text in (
        ("repository", read_key(ini, repository) or ""),
        ("passphrase", read_key(ini, passphrase) or ""),
        ("paths", "\n".join(read_keys(ini, paths))),
    ):
        path = root_path(FOLDER, name)
        if text:
            replace_file(path, f"{text}\n", 0o600)
        else:
            path.unlink(missing_ok=True)
