# SPDX-License-Identifier: MIT
"""PID 1 of a genpack image: what plugins in /usr/lib/genpack-init import.

A plugin is a Python file with `configure()` or `configure(ini)`, `ini` being system.ini as a ConfigParser. It runs
before systemd: it writes files into the root. All functions here are also there in ordinary Python, where
`genpack_init.testing` gives a fake root.
"""

from genpack_init._native import version as __version__
from genpack_init.disk import (
    get_block_device_info,
    get_mount_info,
    get_partition_info,
    is_active_swap,
    mkfs,
    mkswap,
    mount,
    parted,
    umount,
)
from genpack_init.errors import GenpackInitError
from genpack_init.ownership import accounts, chgrp, chmod, chown
from genpack_init.passwords import hash_password, is_password_of
from genpack_init.paths import boot_path, is_real_root, replace_file, ro_path, root_path, rw_path
from genpack_init.platform import coldplug, is_qemu, is_raspberry_pi, kernel_option, read_qemu_firmware_config
from genpack_init.process import run
from genpack_init.systemd import disable_systemd_service, enable_systemd_service
from genpack_init.systemini import bad_value, get_boolean, is_from_system_ini
from genpack_init.values import is_ip_address, is_ip_interface, read_key, read_keys

__all__ = [
    "GenpackInitError",
    "__version__",
    "accounts",
    "bad_value",
    "boot_path",
    "chgrp",
    "chmod",
    "chown",
    "coldplug",
    "disable_systemd_service",
    "enable_systemd_service",
    "get_block_device_info",
    "get_boolean",
    "get_mount_info",
    "get_partition_info",
    "hash_password",
    "is_active_swap",
    "is_from_system_ini",
    "is_ip_address",
    "is_ip_interface",
    "is_password_of",
    "is_qemu",
    "is_raspberry_pi",
    "is_real_root",
    "kernel_option",
    "mkfs",
    "mkswap",
    "mount",
    "parted",
    "read_key",
    "read_keys",
    "read_qemu_firmware_config",
    "replace_file",
    "ro_path",
    "root_path",
    "run",
    "rw_path",
    "umount",
]
