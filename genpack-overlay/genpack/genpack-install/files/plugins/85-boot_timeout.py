# SPDX-License-Identifier: MIT
"""A new image that hangs is restarted: a timer, and the watchdog, while the boot loader counts its starts."""

from __future__ import annotations

import logging
import re
from configparser import ConfigParser

from genpack_init import boot_path, replace_file, root_path

SYSTEM_INI = [
    {
        "section": "_default",
        "key": "boot_timeout",
        "type": "int",
        "default": 600,
        "minimum": 30,
        "maximum": 86400,
        "allowed": "30 to 86400",
        "help": "seconds that the image of an update has to come up, until the machine is restarted",
        "group": "System",
    }
]

UNIT = "genpack-boot-timeout.timer"
UNITS = "run/systemd/system"
#: Names of the image that an update puts in place: any other is one that was good before.
CURRENT = {"system.img", "system"}


def configure(ini: ConfigParser) -> None:
    """Starts the timer if the current image runs and is not known to be good."""
    if not on_trial():
        return
    seconds = wanted(ini)
    replace_file(root_path(f"{UNITS}/{UNIT}.d/50-genpack.conf"), f"[Timer]\nOnBootSec=\nOnBootSec={seconds}\n")
    link = root_path(f"{UNITS}/sysinit.target.wants/{UNIT}")
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(f"/usr/lib/systemd/system/{UNIT}")
    replace_file(root_path("run/systemd/system.conf.d/50-genpack-watchdog.conf"), "[Manager]\nRuntimeWatchdogSec=60\n")
    logging.info("the image is on trial: the machine is restarted if it is not up in %d s", seconds)


def on_trial() -> bool:
    """Whether GRUB counts the starts of the image that runs."""
    try:
        env = boot_path("grubenv").read_text(errors="replace")
        words = root_path("proc/cmdline").read_text(errors="replace").split()
    except OSError:
        return False
    image = next((word.partition("=")[2] for word in words if word.startswith("genpack.image=")), "")
    return image in CURRENT and re.search(r"^tries=[0-5]$", env, re.MULTILINE) is not None


def wanted(ini: ConfigParser) -> int:
    """boot_timeout= of system.ini; a value that is none is said and counts as absent."""
    text = ini.get("_default", "boot_timeout", fallback="600").strip()
    if text.isascii() and text.isdigit() and 30 <= int(text) <= 86400:
        return int(text)
    logging.error("system.ini: boot_timeout=%s: 30 to 86400 seconds are allowed; it is 600 now", text)
    return 600
