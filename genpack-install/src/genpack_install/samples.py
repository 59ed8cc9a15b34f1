# SPDX-License-Identifier: MIT
"""Commented examples that are put beside the image, for the person who opens the card on a PC."""

from __future__ import annotations

_CFG = """\
# Rename this file to system.cfg to use it. GRUB reads it before the menu: see system.cfg(5).
#
# More of the kernel's command line:
#set LINUX_ARGS="quiet"
#
# Seconds that the menu waits, and the entry it then takes (normal, transient or previous):
#set timeout=5
#set default=transient
"""

_INI = """\
# Rename this file to system.ini to use it. The system reads it at each start.
#
#hostname = my-machine
#timezone = Europe/Berlin
#locale = en_US.UTF-8
#keymap = us
#
# Who may log in as root by SSH: a public key a line, further lines indented.
#ssh_pubkey = ssh-ed25519 AAAA... me@my-laptop
#root_password = secret
#
# A wireless network:
#wifi_ssid = my-network
#wifi_key = secret-of-the-network
#
# A fixed address; without it DHCP is used.
#[network]
#address = 192.0.2.10/24
#gateway = 192.0.2.1
#dns = 192.0.2.1
"""

#: File -> the example's text.
CONTENT = {"system.cfg": _CFG, "system.ini": _INI}
