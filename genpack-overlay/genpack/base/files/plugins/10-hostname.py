# SPDX-License-Identifier: MIT
"""The host name: of system.ini, else of systemd.hostname= on the kernel command line, else the artifact's name."""

from __future__ import annotations

import logging
import re
from configparser import ConfigParser

from genpack_init import kernel_option, read_key, replace_file, root_path

SYSTEM_INI = [
    {
        "section": "_default",
        "key": "hostname",
        "type": "str",
        "default": None,
        "help": "host name; else systemd.hostname= of the kernel command line, else the artifact's name",
        "allowed": "1 to 64 letters, digits, hyphens and dots; each part starts and ends with a letter or digit",
        "pattern": r"(?=.{1,64}$)"
        r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*",
        "group": "System",
    }
]

# systemd takes systemd.hostname= (which a VM always has) over /etc/hostname, so the name is set once more.
UNIT = """\
[Unit]
Description=Set the host name of system.ini
DefaultDependencies=no
Before=sysinit.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'echo {name} >/proc/sys/kernel/hostname'
"""
UNIT_NAME = "genpack-hostname.service"


def is_host_name(text: str) -> bool:
    """True for what hostname(7) allows, 64 bytes at most."""
    return re.fullmatch(str(SYSTEM_INI[0]["pattern"]), text) is not None


def configure(ini: ConfigParser) -> None:
    """Write /etc/hostname and, if the name is system.ini's, the unit that sets it."""
    name = read_key(ini, SYSTEM_INI[0]) or ""
    if name:
        enable_unit(name)
    else:
        name = kernel_option("systemd.hostname") or ""
    if not name:
        name = default_name()
    if name and is_host_name(name):
        replace_file(root_path("etc/hostname"), f"{name}\n")
        logging.info("host name %s", name)


def default_name() -> str:
    """The artifact's name, unless /etc/hostname has a name already."""
    try:
        known = root_path("etc/hostname").read_text(errors="replace").split()
    except FileNotFoundError:
        known = []
    if known and known[0] != "localhost":
        return ""
    try:
        return root_path(".genpack/artifact").read_text(errors="replace").strip().replace("_", "-")
    except FileNotFoundError:
        return ""


def enable_unit(name: str) -> None:
    """In /run: it is gone at the next boot, with or without a hostname in system.ini."""
    units = root_path("run/systemd/system")
    replace_file(units / UNIT_NAME, UNIT.format(name=name))
    link = units / "sysinit.target.wants" / UNIT_NAME
    link.parent.mkdir(exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(f"../{UNIT_NAME}")
