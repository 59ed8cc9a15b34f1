# SPDX-License-Identifier: MIT
"""root logged in on the consoles without a password."""

from __future__ import annotations

from configparser import ConfigParser

from genpack_init import get_boolean, replace_file, root_path

SYSTEM_INI = [
    {
        "section": "_default",
        "key": "autologin",
        "type": "bool",
        "default": None,
        "help": "log root in on the consoles without a password; no: no longer",
        "group": "Access",
    }
]

GETTY = "-/sbin/agetty --autologin root --noclear"
COMMANDS = {
    "getty@.service": f"{GETTY} %I $TERM",
    "serial-getty@.service": f"{GETTY} --keep-baud 115200,57600,38400,9600 %I $TERM",
    "console-getty.service": f"{GETTY} --keep-baud 115200,57600,38400,9600 console $TERM",
}


def configure(ini: ConfigParser) -> None:
    """True adds a drop-in to each console's unit, false removes them, absent changes nothing."""
    wanted = get_boolean(ini, "_default", "autologin")
    if wanted is None:
        return
    for unit, command in COMMANDS.items():
        path = root_path("etc/systemd/system", f"{unit}.d", "50-genpack-autologin.conf")
        if wanted:
            replace_file(path, f"[Service]\nExecStart=\nExecStart={command}\n")
        else:
            path.unlink(missing_ok=True)
