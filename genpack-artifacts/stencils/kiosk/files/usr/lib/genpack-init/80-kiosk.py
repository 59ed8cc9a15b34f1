# SPDX-License-Identifier: MIT
"""The page of the kiosk."""

from __future__ import annotations

from configparser import ConfigParser

from genpack_init import read_key, replace_file, root_path

SYSTEM_INI = [
    {"section": "kiosk", "key": "url", "type": "str", "default": None, "group": "kiosk",
     "pattern": r"(https?|file)://[^\s]+", "allowed": "an address that begins with http://, https:// or file://",
     "help": "page on the screen"},
]  # fmt: skip


def configure(ini: ConfigParser) -> None:
    """One line that /usr/libexec/kiosk reads; none if there is no key, as at a first boot."""
    url = read_key(ini, SYSTEM_INI[0])
    if url:
        replace_file(root_path("etc/kiosk/url"), f"{url}\n")
    else:
        root_path("etc/kiosk/url").unlink(missing_ok=True)
