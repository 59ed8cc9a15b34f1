# SPDX-License-Identifier: MIT
"""What the VM's host gave through QEMU's fw_cfg, for the plugins of the keys: a value of system.ini outranks it.

SSH keys of both are taken. The name is only for a VM without systemd.hostname= on its kernel command line.
"""

from __future__ import annotations

import logging

from genpack_init import kernel_option, read_qemu_firmware_config
from genpack_init.systemini import SystemIni

KEYS = {
    "opt/vmname": ("_default", "hostname"),
    "opt/timezone": ("_default", "timezone"),
    "opt/lang": ("_default", "locale"),
    "opt/ssh-public-key": ("fw_cfg", "ssh_pubkey"),
}


def configure(ini: SystemIni) -> None:
    """Offer each value as the key that it stands for."""
    for name, (section, key) in KEYS.items():
        if name == "opt/vmname" and kernel_option("systemd.hostname"):
            continue
        value = (read_qemu_firmware_config(name) or "").strip("\0 \t\r\n")
        if value and ini.offer(section, key, value, f"fw_cfg {name}"):
            logging.info("%s is from fw_cfg %s", key, name)
