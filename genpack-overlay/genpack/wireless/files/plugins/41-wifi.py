# SPDX-License-Identifier: MIT
"""Wi-Fi: wpa_supplicant and systemd-networkd for the first wireless interface."""

from __future__ import annotations

import logging
from configparser import ConfigParser

from genpack_init import (
    coldplug,
    disable_systemd_service,
    enable_systemd_service,
    get_boolean,
    is_real_root,
    read_key,
    replace_file,
    root_path,
)

SYSTEM_INI = [
    {"section": "_default", "key": "wifi_ssid", "type": "str", "default": None, "group": "Wi-Fi",
     "allowed": "1 to 32 bytes", "help": "name of the network; without it nothing is set up"},
    {"section": "_default", "key": "wifi_key", "type": "str", "default": None, "group": "Wi-Fi", "secret": True,
     "allowed": "a passphrase of 8 to 63 printable ASCII characters, or 64 hex digits; with wifi_wpa3 any text",
     "help": "passphrase; without it the network is an open one"},
    {"section": "_default", "key": "wifi_country", "type": "str", "default": None, "group": "Wi-Fi",
     "pattern": "[A-Za-z]{2}", "allowed": "two letters, such as JP", "help": "country, which decides on channels"},
    {"section": "_default", "key": "wifi_wpa3", "type": "bool", "default": False, "group": "Wi-Fi",
     "help": "WPA3-Personal (SAE) in place of WPA2"},
    {"section": "_default", "key": "wifi_sae_pwe", "type": "int", "default": None, "group": "Wi-Fi",
     "minimum": 0, "maximum": 2,
     "help": "how WPA3 derives its password element: 0 hunting and pecking, 1 hash to element, 2 both (default)"},
    {"section": "_default", "key": "wifi_mdns", "type": "bool", "default": True, "group": "Wi-Fi",
     "help": "multicast DNS on it"},
    {"section": "_default", "key": "wifi_llmnr", "type": "bool", "default": True, "group": "Wi-Fi",
     "help": "LLMNR on it"},
    {"section": "_default", "key": "wifi_ignore_dns", "type": "bool", "default": False, "group": "Wi-Fi",
     "help": "no name servers from it"},
    {"section": "_default", "key": "wifi_ignore_gateway", "type": "bool", "default": False, "group": "Wi-Fi",
     "help": "no default route through it"},
    {"section": "_default", "key": "wifi_required_for_online", "type": "str", "default": None, "group": "Wi-Fi",
     "pattern": "[a-z-]+(?::[a-z-]+)?|0|1",
     "allowed": "yes, no, or an operational state of networkctl, such as carrier",
     "help": "whether network-online.target waits for it"},
    {"section": "_default", "key": "wifi_systemd_config_file", "type": "str", "default": "54-wlan.network",
     "group": "Wi-Fi", "pattern": r"[A-Za-z0-9][A-Za-z0-9._@-]*\.network", "allowed": "a name that ends in .network",
     "help": "name of the networkd file"},
]  # fmt: skip
ROWS = {str(row["key"]): row for row in SYSTEM_INI}

#: A unit for whatever interface there is (net-wireless/wpa_supplicant_any80211); else wpa_supplicant's own for one.
ANY_INTERFACE = "wpa_supplicant_any80211.service"


def configure(ini: ConfigParser) -> None:
    """Write both files and enable wpa_supplicant for the interface. Without a network's name nothing changes."""
    settings = check(ini)
    if settings is None:
        return
    supplicant, network, name = settings
    if root_path("usr/lib/systemd/system", ANY_INTERFACE).is_file():
        # its program waits for the first interface, which may come up long after this
        file, match, unit = "wpa_supplicant.conf", "Type=wlan\nWLANInterfaceType=station\n", ANY_INTERFACE
    else:
        interface = wireless_interface()
        if interface is None and is_real_root():
            coldplug()  # its module is not loaded yet
            interface = wireless_interface()
        if interface is None:
            logging.error("wifi_ssid: this machine has no wireless interface")
            return
        file, match = f"wpa_supplicant-{interface}.conf", f"Name={interface}\n"
        unit = f"wpa_supplicant@{interface}.service"
    replace_file(root_path("etc/wpa_supplicant", file), supplicant, 0o600)  # it holds the key
    replace_file(root_path("run/systemd/network", name), f"[Match]\n{match}\n{network}")
    if not root_path("etc/systemd/system/multi-user.target.wants", unit).is_symlink():
        disable_systemd_service("wpa_supplicant@.service")  # another interface's, of an earlier boot
        enable_systemd_service(unit)


def check(ini: ConfigParser) -> tuple[str, str, str] | None:
    """wpa_supplicant's file, networkd's without [Match], and its name; None without a usable name and key."""
    ssid = read_key(ini, ROWS["wifi_ssid"], also=lambda text: len(text.encode()) <= 32)
    wpa3 = bool(get_boolean(ini, "_default", "wifi_wpa3", False))
    key = read_key(ini, ROWS["wifi_key"], also=lambda text: wpa3 or is_wpa2_key(text))
    # nobody wants an open network because of a typing error in the key
    bad = key is None and bool(ini.get("_default", "wifi_key", fallback="").strip())
    country, pwe = read_key(ini, ROWS["wifi_country"]), read_key(ini, ROWS["wifi_sae_pwe"])
    network, name = networkd(ini), read_key(ini, ROWS["wifi_systemd_config_file"]) or "54-wlan.network"
    if ssid is None or bad:
        return None
    lines = ["ctrl_interface=DIR=/run/wpa_supplicant"]
    if country:
        lines.append(f"country={country.upper()}")
    if pwe or wpa3:
        lines.append(f"sae_pwe={pwe or 2}")
    # names and passwords in hex: the file knows no escapes in quotes
    lines += ["network={", f"\tssid={ssid.encode().hex()}", "\tscan_ssid=1"]
    if key is None:
        lines.append("\tkey_mgmt=NONE")
    elif wpa3:
        lines += ["\tkey_mgmt=SAE", f"\tsae_password={key.encode().hex()}", "\tieee80211w=2"]
    else:
        lines += ["\tkey_mgmt=WPA-PSK", f"\tpsk={pre_shared_key(key, ssid)}"]
    return "".join(f"{line}\n" for line in [*lines, "}"]), network, name


def is_wpa2_key(text: str) -> bool:
    """True for a passphrase or a key of WPA2."""
    if len(text) == 64:
        return set(text.lower()) <= set("0123456789abcdef")
    return 8 <= len(text) <= 63 and text.isascii() and text.isprintable()


def pre_shared_key(key: str, ssid: str) -> str:
    """64 hex digits: of the standard (IEEE 802.11, annex J.4), by the network's name and the passphrase."""
    from hashlib import pbkdf2_hmac

    return key.lower() if len(key) == 64 else pbkdf2_hmac("sha1", key.encode(), ssid.encode(), 4096, 32).hex()


def networkd(ini: ConfigParser) -> str:
    """The sections of systemd.network(5) but for [Match]."""

    def on(name: str) -> bool:
        return bool(get_boolean(ini, "_default", name, bool(ROWS[name]["default"])))

    def word(name: str) -> str:
        return "yes" if on(name) else "no"

    dns = "UseDNS=no\n" if on("wifi_ignore_dns") else ""
    gateway = on("wifi_ignore_gateway")
    required = read_key(ini, ROWS["wifi_required_for_online"])
    parts = {
        "Link": f"RequiredForOnline={required}\n" if required else "",
        "Network": f"DHCP=yes\nMulticastDNS={word('wifi_mdns')}\nLLMNR={word('wifi_llmnr')}\n",
        "DHCPv4": dns + ("UseRoutes=no\n" if gateway else ""),
        "DHCPv6": dns,
        "IPv6AcceptRA": dns + ("UseGateway=no\n" if gateway else ""),
    }
    return "\n".join(f"[{name}]\n{text}" for name, text in parts.items() if text)


def wireless_interface() -> str | None:
    """The first one, by name."""
    found = (path for path in sorted(root_path("sys/class/net").glob("*")) if (path / "phy80211").exists())
    return next((path.name for path in found), None)
