# SPDX-License-Identifier: MIT
"""The WireGuard client wg-walbrix: the files of wb and wg-quick, from [wg-walbrix]."""

from __future__ import annotations

import logging
from configparser import ConfigParser

from genpack_init import enable_systemd_service, is_ip_interface, read_key, read_keys, replace_file, root_path

SECTION = "wg-walbrix"
#: The pattern of a key is that of 32 bytes in Base64.
SYSTEM_INI = [
    {"section": "wg-walbrix", "key": "privkey", "type": "str", "default": None, "group": "Network", "secret": True,
     "pattern": "[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=", "allowed": "a WireGuard key: 44 characters of Base64",
     "help": "private key of this machine; without it nothing is set up"},
    {"section": "wg-walbrix", "key": "address", "type": "list", "default": None, "group": "Network",
     "pattern": "[0-9A-Fa-f:.]+(?:/[0-9]{1,3})?", "allowed": "addresses, such as fd00::2/128 or 192.0.2.2/32",
     "help": "own addresses in the tunnel"},
    {"section": "wg-walbrix", "key": "pubkey", "type": "str", "default": None, "group": "Network",
     "pattern": "[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=", "allowed": "a WireGuard key: 44 characters of Base64",
     "help": "public key of the other end"},
    {"section": "wg-walbrix", "key": "endpoint", "type": "str", "default": None, "group": "Network",
     "pattern": r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}",
     "allowed": "HOST:PORT; an IPv6 address in brackets", "help": "where the other end listens"},
    {"section": "wg-walbrix", "key": "allowed_ips", "type": "list", "default": None, "group": "Network",
     "pattern": "[0-9A-Fa-f:.]+(?:/[0-9]{1,3})?", "allowed": "addresses or networks, such as fd00::/8 or 10.0.0.0/8",
     "help": "what is reached through the tunnel"},
]  # fmt: skip
ROWS = {str(row["key"]): row for row in SYSTEM_INI}

UNIT = "wg-quick@wg-walbrix.service"
KEEPALIVE = 25  # seconds: the other end reaches this one through whatever router is between


def configure(ini: ConfigParser) -> None:
    """Write /etc/walbrix/privkey and wg-quick's file, and enable its unit. Without a private key nothing changes."""
    settings = check(ini)
    if settings is None:
        return
    key, text = settings
    replace_file(root_path("etc/walbrix/privkey"), key, 0o600)
    if text is None:
        return
    replace_file(root_path("etc/wireguard/wg-walbrix.conf"), text, 0o600)
    if not root_path("etc/systemd/system/multi-user.target.wants", UNIT).is_symlink():
        enable_systemd_service(UNIT)


def check(ini: ConfigParser) -> tuple[str, str | None] | None:
    """The private key, and the text of wg-quick's file if all of it is given; None without a private key."""
    key = read_key(ini, ROWS["privkey"])
    public = read_key(ini, ROWS["pubkey"])
    endpoint = read_key(ini, ROWS["endpoint"], also=lambda text: 0 < int(text.rpartition(":")[2]) < 65536)
    lists = {name: read_keys(ini, ROWS[name], also=is_ip_interface) for name in ("address", "allowed_ips")}
    if key is None:
        return None
    found = {"address": lists["address"], "pubkey": public, "endpoint": endpoint, "allowed_ips": lists["allowed_ips"]}
    # of a key that is there, read_key has said what is wrong
    missing = [name for name in found if not ini.get(SECTION, name, fallback="").strip()]
    if missing:
        logging.error("system.ini: [%s]: %s missing; the tunnel is not set up", SECTION, " and ".join(missing))
    if not all(found.values()):
        return key, None
    return key, (
        f"[Interface]\nPrivateKey = {key}\nAddress = {', '.join(lists['address'])}\n\n"
        f"[Peer]\nPublicKey = {public}\nEndpoint = {endpoint}\nAllowedIPs = {', '.join(lists['allowed_ips'])}\n"
        f"PersistentKeepalive = {KEEPALIVE}\n"
    )
