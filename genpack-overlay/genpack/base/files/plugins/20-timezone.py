# SPDX-License-Identifier: MIT
"""The time zone: /etc/localtime."""

from __future__ import annotations

from configparser import ConfigParser

from genpack_init import read_key, root_path

SYSTEM_INI = [
    {
        "section": "_default",
        "key": "timezone",
        "type": "str",
        "default": None,
        "help": "time zone, such as Asia/Tokyo",
        "allowed": "a name below /usr/share/zoneinfo, such as Asia/Tokyo or UTC",
        "pattern": r"[A-Za-z0-9][A-Za-z0-9_+-]*(?:/[A-Za-z0-9][A-Za-z0-9_+-]*)*",
        "group": "System",
    }
]


def check(ini: ConfigParser) -> str | None:
    """The zone, if there is one and the image knows it."""
    return read_key(ini, SYSTEM_INI[0], also=lambda zone: root_path("usr/share/zoneinfo", zone).is_file())


def configure(ini: ConfigParser) -> None:
    """Link /etc/localtime to the zone. An unknown zone changes nothing."""
    zone = check(ini)
    if not zone:
        return
    link, target = root_path("etc/localtime"), f"../usr/share/zoneinfo/{zone}"
    if link.is_symlink() and str(link.readlink()) == target:
        return
    temporary = link.with_name("localtime.tmp")
    temporary.unlink(missing_ok=True)
    link.parent.mkdir(parents=True, exist_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)
