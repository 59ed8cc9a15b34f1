# SPDX-License-Identifier: MIT
"""The interface wg0: networkd's files from [wireguard] and [wireguard:NAME]."""

from __future__ import annotations

import logging
from configparser import ConfigParser

from genpack_init import chgrp, read_key, read_keys, replace_file, root_path

SYSTEM_INI = [
    {"section": "wireguard", "key": "private_key", "type": "str", "default": None, "group": "wireguard",
     "secret": True, "pattern": "[A-Za-z0-9+/]{43}=", "allowed": "a key as `wg genkey` prints it",
     "help": "this machine's own key; without it there is no wg0"},
    {"section": "wireguard", "key": "address", "type": "list", "default": None, "group": "wireguard",
     "pattern": "[0-9A-Fa-f:.]+/[0-9]{1,3}", "allowed": "addresses with prefix length, such as 10.8.0.1/24",
     "help": "this machine's addresses in the network"},
    {"section": "wireguard", "key": "listen_port", "type": "int", "default": None, "group": "wireguard",
     "minimum": 1, "maximum": 65535, "help": "UDP port that other machines reach this one on"},
    {"section": "wireguard:*", "key": "public_key", "type": "str", "default": None, "group": "wireguard",
     "pattern": "[A-Za-z0-9+/]{43}=", "allowed": "a key as `wg pubkey` prints it", "help": "another machine's key"},
    {"section": "wireguard:*", "key": "allowed_ips", "type": "list", "default": None, "group": "wireguard",
     "pattern": "[0-9A-Fa-f:.]+/[0-9]{1,3}", "allowed": "networks such as 10.8.0.2/32",
     "help": "addresses behind it"},
    {"section": "wireguard:*", "key": "endpoint", "type": "str", "default": None, "group": "wireguard",
     "pattern": r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}", "allowed": "HOST:PORT",
     "help": "where it is called"},
    {"section": "wireguard:*", "key": "preshared_key", "type": "str", "default": None, "group": "wireguard",
     "secret": True, "pattern": "[A-Za-z0-9+/]{43}=", "allowed": "a key as `wg genpsk` prints it",
     "help": "a further secret of the two"},
    {"section": "wireguard:*", "key": "keepalive", "type": "int", "default": None, "group": "wireguard",
     "minimum": 1, "maximum": 65535, "help": "seconds between two empty packets to it"},
]  # fmt: skip
ROWS = {f"{row['section']} {row['key']}": row for row in SYSTEM_INI}
FOLDER = "run/systemd/network"


def configure(ini: ConfigParser) -> None:
    """Write both files. They lie in /run: the next boot starts from system.ini again."""
    private = read_key(ini, ROWS["wireguard private_key"])
    if private is None:
        return
    port = read_key(ini, ROWS["wireguard listen_port"])
    device = f"[NetDev]\nName=wg0\nKind=wireguard\n\n[WireGuard]\nPrivateKey={private}\n"
    device += f"ListenPort={int(port)}\n" if port else ""
    device += "".join(peer(ini, name) for name in ini.sections() if name.startswith("wireguard:"))
    addresses = read_keys(ini, ROWS["wireguard address"])
    network = "[Match]\nName=wg0\n\n[Network]\n" + "".join(f"Address={address}\n" for address in addresses)
    # The first holds keys: networkd's group alone may read it.
    secret = root_path(FOLDER, "60-wg0.netdev")
    replace_file(secret, device, 0o640)
    chgrp("systemd-network", secret)
    replace_file(root_path(FOLDER, "60-wg0.network"), network)


def peer(ini: ConfigParser, section: str) -> str:
    """A peer's part of the device's file; nothing for one without a good key."""

    def words(key: str) -> list[str]:
        return read_keys(ini, ROWS[f"wireguard:* {key}"], section=section)

    public = words("public_key")
    if not public:
        logging.error("system.ini: [%s]: no public_key, so this machine is left out", section)
        return ""
    text = f"\n[WireGuardPeer]\nPublicKey={public[0]}\n"
    networks = words("allowed_ips")
    text += "".join(f"AllowedIPs={network}\n" for network in networks)
    # Without a table, networkd makes no routes to what is behind a peer.
    text += "RouteTable=main\n" if networks else ""
    names = {"preshared_key": "PresharedKey", "endpoint": "Endpoint", "keepalive": "PersistentKeepalive"}
    for key, name in names.items():
        text += "".join(f"{name}={word}\n" for word in words(key))
    return text
