# SPDX-License-Identifier: MIT
"""The network: systemd-networkd files from [network] and [network:IFACE]; without any, DHCP on wired Ethernet.

All files are written to /run: the next boot starts from system.ini again.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from configparser import ConfigParser

from genpack_init import is_ip_address, is_ip_interface, read_keys, replace_file, root_path

#: [network] is every wired interface without a section of its own, [network:IFACE] one interface.
SYSTEM_INI = [
    {"section": ["network", "network:*"], "key": "dhcp", "type": "str", "default": None, "group": "Network",
     "choices": ["yes", "no", "ipv4", "ipv6", "on", "off", "true", "false", "1", "0"],
     "allowed": "yes, no, ipv4 or ipv6", "help": "DHCP; the default is yes unless there is an address"},
    {"section": ["network", "network:*"], "key": "address", "type": "list", "default": None, "group": "Network",
     "pattern": "[0-9A-Fa-f:.]+/[0-9]{1,3}",
     "allowed": "addresses with prefix length, such as 192.0.2.10/24 or 2001:db8::10/64", "help": "own addresses"},
    {"section": ["network", "network:*"], "key": "gateway", "type": "list", "default": None, "group": "Network",
     "pattern": "[0-9A-Fa-f:.]+", "allowed": "addresses such as 192.0.2.1", "help": "routers"},
    {"section": ["network", "network:*"], "key": "dns", "type": "list", "default": None, "group": "Network",
     "pattern": "[0-9A-Fa-f:.]+", "allowed": "addresses such as 192.0.2.53", "help": "name servers"},
    {"section": ["network", "network:*"], "key": "domains", "type": "list", "default": None, "group": "Network",
     "pattern": "~?[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?", "allowed": "domain names",
     "help": "search domains"},
    {"section": ["network", "network:*"], "key": "mtu", "type": "int", "default": None, "group": "Network",
     "minimum": 68, "maximum": 65535, "help": "largest packet, in bytes"},
    {"section": "network:*", "key": "vlan", "type": "list", "default": None, "group": "Network",
     "minimum": 1, "maximum": 4094, "allowed": "numbers from 1 to 4094",
     "help": "VLANs on this interface; [network:IFACE.ID] configures one, else it gets DHCP"},
    {"section": "network:*", "key": "bridge", "type": "str", "default": None, "group": "Network",
     "pattern": r"[^\s/:]{1,15}", "allowed": "the name of another interface",
     "help": "bridge that this interface joins; [network:BRIDGE] configures it, else it gets DHCP"},
]  # fmt: skip
ROWS = {str(row["key"]): row for row in SYSTEM_INI}

FOLDER = "run/systemd/network"
INTERFACE = re.compile(r"[^\s/:]{1,15}\Z")
DHCP = {"ipv4": "ipv4", "ipv6": "ipv6"} | {
    word: on for on, words in (("yes", "yes on true 1"), ("no", "no off false 0")) for word in words.split()
}

# Kind=!*: only real network cards, neither veth nor bridge. A virtual function of a card (it has a "physfn") belongs
# to a guest or container; the udev rule marks it.
WIRED = "Type=ether\nKind=!*\nProperty=!GENPACK_VIRTUAL_FUNCTION=1\n"
RULE = 'SUBSYSTEM=="net", ACTION!="remove", TEST=="device/physfn", ENV{GENPACK_VIRTUAL_FUNCTION}="1"\n'


Files = dict[str, str]


def configure(ini: ConfigParser) -> None:
    """Write the files of every section, or of the default; networkd's user must be able to read them."""
    if not sections(ini) and configured_otherwise():
        logging.info("network: configured by the image's or the owner's own files")
        return
    for below, text in check(ini).items():
        replace_file(root_path(below), text)


def sections(ini: ConfigParser) -> list[str]:
    """Those that configure interfaces."""
    return [name for name in ini.sections() if name == "network" or name.startswith("network:")]


def check(ini: ConfigParser) -> Files:
    """The files to write: {path: text}. Each bad value is an error line."""
    files: Files = {}
    interfaces = {}
    for section in sections(ini):
        _, colon, name = section.partition(":")
        if colon and not INTERFACE.match(name):
            logging.error("system.ini: [%s]: not an interface's name", section)
            continue
        interfaces[name] = section
    if not sections(ini):
        files[f"{FOLDER}/90-genpack-default.network"] = network(WIRED, "DHCP=yes\n")
    made: dict[str, str] = {}
    for name, section in interfaces.items():
        made |= one_interface(ini, section, name, files)
    for name, kind in made.items():  # a VLAN or bridge without a section of its own gets DHCP
        if name not in interfaces:
            files[f"{FOLDER}/05-genpack-{name}.network"] = network(f"Name={name}\n", "DHCP=yes\n")
        logging.debug("network: %s %s", kind, name)
    if any(WIRED in text for text in files.values()):
        files["run/udev/rules.d/60-genpack-network.rules"] = RULE
    return files


def configured_otherwise() -> bool:
    """True if networkd has files of the image's or owner's own, or NetworkManager is enabled or has connections."""
    for below in ("etc/systemd/network", "usr/local/lib/systemd/network"):
        if any(root_path(below).glob("*.network")):
            return True
    manager = root_path("etc/systemd/system/multi-user.target.wants/NetworkManager.service")
    return manager.is_symlink() or any(root_path("etc/NetworkManager/system-connections").glob("*"))


def one_interface(ini: ConfigParser, section: str, name: str, files: Files) -> dict[str, str]:
    """Add the .network file of a section and the .netdev files of its VLANs and bridge: {name: kind} of these."""

    def words(key: str, also: Callable[[str], object] | None = None) -> list[str]:
        return read_keys(ini, ROWS[key], section=section, also=also)

    own = words("address", is_ip_interface)
    dhcp = DHCP[(words("dhcp") or ["no" if own else "yes"])[0].lower()]
    addresses = f"DHCP={dhcp}\n" + "".join(f"Address={word}\n" for word in own)
    addresses += "".join(f"Gateway={word}\n" for word in words("gateway", is_ip_address))
    addresses += "".join(f"DNS={word}\n" for word in words("dns", is_ip_address))
    domains = words("domains")
    if domains:
        addresses += f"Domains={' '.join(domains)}\n"
    mtu = words("mtu")
    link = f"MTUBytes={int(mtu[0])}\n" if mtu else ""
    text, made = "", {}
    if name:
        # an interface's name has 15 bytes
        for vlan in map(int, words("vlan", lambda word: len(f"{name}.{int(word)}") <= 15)):
            text += f"VLAN={name}.{vlan}\n"
            made[f"{name}.{vlan}"] = "VLAN"
            netdev = f"[NetDev]\nName={name}.{vlan}\nKind=vlan\n\n[VLAN]\nId={vlan}\n"
            files[f"{FOLDER}/05-genpack-{name}.{vlan}.netdev"] = netdev
        bridge = words("bridge", lambda word: word != name)
        if bridge:
            made[bridge[0]] = "bridge"
            files[f"{FOLDER}/05-genpack-{bridge[0]}.netdev"] = f"[NetDev]\nName={bridge[0]}\nKind=bridge\n"
            text += f"Bridge={bridge[0]}\n"
        if bridge or (made and not ini.has_option(section, "dhcp") and not ini.has_option(section, "address")):
            # a bridge's port has no address; an interface that only carries VLANs has none unless it is asked for
            addresses = "LinkLocalAddressing=no\n"
    text += addresses
    if name:
        files[f"{FOLDER}/05-genpack-{name}.network"] = network(f"Name={name}\n", text, link)
    else:
        files[f"{FOLDER}/06-genpack-wired.network"] = network(WIRED, text, link)
    return made


def network(match: str, text: str, link: str = "") -> str:
    """The text of a .network file."""
    parts = [f"[Match]\n{match}", f"[Link]\n{link}" if link else "", f"[Network]\n{text}"]
    if "LinkLocalAddressing=no" not in text:
        parts[-1] += "LLMNR=yes\nMulticastDNS=yes\n"
    return "\n".join(part for part in parts if part)
