# SPDX-License-Identifier: MIT
"""Time servers of systemd-timesyncd."""

from __future__ import annotations

from configparser import ConfigParser

from genpack_init import read_keys, replace_file, root_path

SYSTEM_INI = [
    {
        "section": "_default",
        "key": "ntp",
        "type": "list",
        "default": None,
        "help": "time servers",
        "allowed": "host names or addresses, separated by blanks or commas",
        "pattern": r"[A-Za-z0-9](?:[A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?|[0-9A-Fa-f:.]{2,45}",
        "group": "Network",
    }
]


def configure(ini: ConfigParser) -> None:
    """A timesyncd drop-in in /run; names that can't be servers are left out."""
    servers = read_keys(ini, SYSTEM_INI[0])
    if servers:
        text = f"[Time]\nNTP={' '.join(servers)}\n"
        replace_file(root_path("run/systemd/timesyncd.conf.d/50-genpack.conf"), text)
