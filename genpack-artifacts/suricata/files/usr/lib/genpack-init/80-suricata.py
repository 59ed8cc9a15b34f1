# SPDX-License-Identifier: MIT
"""What Suricata listens to, and which networks are the owner's."""

from __future__ import annotations

from configparser import ConfigParser

from genpack_init import read_key, read_keys, replace_file, root_path

SYSTEM_INI = [
    {"section": "suricata", "key": "interface", "type": "str", "default": None, "group": "suricata",
     "pattern": "[A-Za-z0-9_.-]{1,15}", "allowed": "a network interface's name",
     "help": "card at the mirror port; without it Suricata is not started"},
    {"section": "suricata", "key": "home_net", "type": "list", "group": "suricata",
     "default": "192.168.0.0/16 10.0.0.0/8 172.16.0.0/12", "pattern": "!?[0-9A-Fa-f:.]+(/[0-9]{1,3})?",
     "allowed": "networks such as 192.168.0.0/16", "help": "own networks"},
]  # fmt: skip


def configure(ini: ConfigParser) -> None:
    """The options, and a card without an address. Without the key there is neither, and the unit's condition fails."""
    interface, networks = read_key(ini, SYSTEM_INI[0]), read_keys(ini, SYSTEM_INI[1])
    if not interface:
        return
    options = f"-c /etc/suricata/suricata.yaml --af-packet={interface}"
    if networks:
        options += f" --set vars.address-groups.HOME_NET=[{','.join(networks)}]"
    replace_file(root_path("run/suricata-options"), f"OPTIONS={options}\n")
    quiet = f"[Match]\nName={interface}\n\n[Link]\nPromiscuous=yes\nRequiredForOnline=no\n\n[Network]\n"
    quiet += "DHCP=no\nLinkLocalAddressing=no\nLLMNR=no\nIPv6AcceptRA=no\n"
    replace_file(root_path("run/systemd/network/10-suricata.network"), quiet)
