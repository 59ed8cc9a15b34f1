# SPDX-License-Identifier: MIT
"""Which system is made, and where."""

from __future__ import annotations

from configparser import ConfigParser

from genpack_init import read_key, read_keys, replace_file, root_path

SYSTEM_INI = [
    {"section": "stub", "key": "disk", "type": "str", "default": "/dev/vdb", "group": "stub",
     "pattern": "/dev/[A-Za-z0-9/._:-]+", "allowed": "a path below /dev", "help": "disk of the other system"},
    {"section": "stub", "key": "suite", "type": "str", "default": "stable", "group": "stub",
     "pattern": "[a-z][a-z0-9-]*", "allowed": "a release's name, such as bookworm", "help": "Debian's release"},
    {"section": "stub", "key": "mirror", "type": "str", "default": None, "group": "stub",
     "pattern": r"https?://[A-Za-z0-9./:_~-]+", "allowed": "an address that begins with http:// or https://",
     "help": "where its packages come from, if not from Debian"},
    {"section": "stub", "key": "packages", "type": "list", "default": None, "group": "stub",
     "pattern": "[a-z0-9][a-z0-9+.-]+", "allowed": "names of Debian packages", "help": "further packages"},
]  # fmt: skip
PACKAGES = SYSTEM_INI[3]


def configure(ini: ConfigParser) -> None:
    """What /usr/libexec/stub reads; the patterns leave nothing that a shell would take for its own."""
    lines = [f"{row['key']}={read_key(ini, row) or row['default'] or ''}\n" for row in SYSTEM_INI[:3]]
    lines.append(f"packages={','.join(read_keys(ini, PACKAGES))}\n")
    replace_file(root_path("run/stub.conf"), "".join(lines))
