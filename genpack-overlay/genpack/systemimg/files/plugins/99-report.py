# SPDX-License-Identifier: MIT
"""boot-report.txt on the boot partition: begun here, finished by a unit when the boot is complete."""

from __future__ import annotations

import logging
from configparser import ConfigParser

from genpack_init import replace_file, root_path
from genpack_init.report import begin

UNIT_NAME = "genpack-boot-report.service"
# Nothing waits for it, as it may itself wait for an address. With default dependencies multi-user.target, which
# wants it, would come after it.
UNIT = """\
[Unit]
Description=Finish boot-report.txt on the boot partition
DefaultDependencies=no
Wants=boot-complete.target
After=boot-complete.target multi-user.target network-online.target
Conflicts=shutdown.target
Before=shutdown.target

[Service]
Type=exec
ExecStart=/usr/bin/genpack-init report
"""


def configure(ini: ConfigParser) -> None:
    """Write the entry of this boot, and the unit that finishes it. Without a FAT boot partition nothing is done."""
    try:
        if not begin(ini):
            return
    except OSError as error:
        logging.error("boot-report.txt: %s: %s", error.filename, error.strerror)
        return
    units = root_path("run/systemd/system")
    replace_file(units / UNIT_NAME, UNIT)
    link = units / "multi-user.target.wants" / UNIT_NAME
    link.parent.mkdir(exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(f"../{UNIT_NAME}")
