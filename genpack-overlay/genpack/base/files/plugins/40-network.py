# SPDX-License-Identifier: MIT
"""The network: systemd-networkd files from [network] and [network:IFACE]; without any, DHCP on wired Ethernet.

All files are written to /run: the next boot starts from system.ini again.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from configparser import ConfigParser

from genpack_init import bad_value, replace_file, root_path

#: The first row of a key is for [network], which is every wired interface without a section of its own.
SYSTEM_INI = [
    {"section": "network", "key": "dhcp", "type": "str", "default": None, "allowed": "yes, no, ipv4 or ipv6",
     "help": "DHCP; the default is yes unless there is an address"},
    {"section": "network", "key": "address", "type": "list", "default": None,
     "allowed": "addresses with prefix length, such as 192.0.2.10/24 or 2001:db8::10/64", "help": "own addresses"},
    {"section": "network", "key": "gateway", "type": "list", "default": None,
     "allowed": "addresses such as 192.0.2.1", "help": "routers"},
    {"section": "network", "key": "dns", "type": "list", "default": None,
     "allowed": "addresses such as 192.0.2.53", "help": "name servers"},
    {"section": "network", "key": "domains", "type": "list", "default": None,
     "allowed": "domain names", "help": "search domains"},
    {"section": "network", "key": "mtu", "type": "int", "default": None,
     "allowed": "a number from 68 to 65535", "help": "largest packet, in bytes"},
    {"section": "network:*", "key": "dhcp", "type": "str", "default": None, "allowed": "yes, no, ipv4 or ipv6",
     "help": "the same for one interface, [network:IFACE]"},
    {"section": "network:*", "key": "address", "type": "list", "default": None,
     "allowed": "addresses with prefix length, such as 192.0.2.10/24 or 2001:db8::10/64", "help": "own addresses"},
    {"section": "network:*", "key": "gateway", "type": "list", "default": None,
     "allowed": "addresses such as 192.0.2.1", "help": "routers"},
    {"section": "network:*", "key": "dns", "type": "list", "default": None,
     "allowed": "addresses such as 192.0.2.53", "help": "name servers"},
    {"section": "network:*", "key": "domains", "type": "list", "default": None,
     "allowed": "domain names", "help": "search domains"},
    {"section": "network:*", "key": "mtu", "type": "int", "default": None,
     "allowed": "a number from 68 to 65535", "help": "largest packet, in bytes"},
    {"section": "network:*", "key": "vlan", "type": "list", "default": None, "allowed": "numbers from 1 to 4094",
     "help": "VLANs on this interface; [network:IFACE.ID] configures one"},
    {"section": "network:*", "key": "bridge", "type": "str", "default": None, "allowed": "an interface's name",
     "help": "bridge that this interface joins; [network:BRIDGE] configures it"},
]  # fmt: skip
ALLOWED = {str(row["key"]): str(row["allowed"]) for row in SYSTEM_INI}

FOLDER = "run/systemd/network"
INTERFACE = re.compile(r"[^\s/:]{1,15}\Z")
DOMAIN = re.compile(r"~?[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?\Z")
DHCP = {"ipv4": "ipv4", "ipv6": "ipv6"} | {
    word: on for on, words in (("yes", "yes on true 1"), ("no", "no off false 0")) for word in words.split()
}

# Kind=!*: only real network cards, neither veth nor bridge. A virtual function of a card (it has a "physfn") belongs
# to a guest or container; the udev rule marks it.
WIRED = "Type=ether\nKind=!*\nProperty=!GENPACK_VIRTUAL_FUNCTION=1\n"
RULE = 'SUBSYSTEM=="net", ACTION!="remove", TEST=="device/physfn", ENV{GENPACK_VIRTUAL_FUNCTION}="1"\n'


def configure(ini: ConfigParser) -> None:
    """Write the files of every section, or of the default."""
    sections = [name for name in ini.sections() if name == "network" or name.startswith("network:")]
    if not sections:
        if configured_otherwise():
            logging.info("network: configured by the image's or the owner's own files")
        else:
            write("90-genpack-default.network", network(WIRED, "DHCP=yes\n"))
            mark_virtual_functions()
        return
    interfaces = {}
    for section in sections:
        _, colon, name = section.partition(":")
        if colon and not INTERFACE.match(name):
            logging.error("system.ini: [%s]: not an interface's name", section)
            continue
        interfaces[name] = section
    made = {}
    for name, section in interfaces.items():
        made.update(one_interface(ini, section, name))
    for name, kind in made.items():  # a VLAN or bridge without a section of its own gets DHCP
        if name not in interfaces:
            write(f"05-genpack-{name}.network", network(f"Name={name}\n", "DHCP=yes\n"))
        logging.info("network: %s %s", kind, name)


def configured_otherwise() -> bool:
    """True if networkd has files of the image's or owner's own, or NetworkManager is enabled or has connections."""
    for below in ("etc/systemd/network", "usr/local/lib/systemd/network"):
        if any(root_path(below).glob("*.network")):
            return True
    manager = root_path("etc/systemd/system/multi-user.target.wants/NetworkManager.service")
    return manager.is_symlink() or any(root_path("etc/NetworkManager/system-connections").glob("*"))


def one_interface(ini: ConfigParser, section: str, name: str) -> dict[str, str]:
    """Write the .network file of a section and the .netdev files of its VLANs and bridge: {name: kind} of these."""
    text, link, made = "", "", {}
    mtu = words(ini, section, "mtu", lambda word: number(word, 68, 65535))
    if mtu:
        link = f"MTUBytes={mtu[0]}\n"
    if name:
        for vlan in words(ini, section, "vlan", lambda word: number(word, 1, 4094)):
            text += f"VLAN={name}.{vlan}\n"
            made[f"{name}.{vlan}"] = "VLAN"
            netdev = f"[NetDev]\nName={name}.{vlan}\nKind=vlan\n\n[VLAN]\nId={vlan}\n"
            write(f"05-genpack-{name}.{vlan}.netdev", netdev)
        bridge = words(ini, section, "bridge", lambda word: word if INTERFACE.match(word) and word != name else None)
        if bridge:
            made[bridge[0]] = "bridge"
            write(f"05-genpack-{bridge[0]}.netdev", f"[NetDev]\nName={bridge[0]}\nKind=bridge\n")
            text += f"Bridge={bridge[0]}\n"
        if bridge or (made and not ini.has_option(section, "dhcp") and not ini.has_option(section, "address")):
            # a bridge's port has no address; an interface that only carries VLANs has none unless it is asked for
            write(f"05-genpack-{name}.network", network(f"Name={name}\n", text + "LinkLocalAddressing=no\n", link))
            return made
    text += addresses(ini, section)
    if name:
        write(f"05-genpack-{name}.network", network(f"Name={name}\n", text, link))
    else:
        write("06-genpack-wired.network", network(WIRED, text, link))
        mark_virtual_functions()
    return made


def addresses(ini: ConfigParser, section: str) -> str:
    """The lines of [Network] for dhcp, address, gateway, dns and domains."""
    own = words(ini, section, "address", address)
    dhcp = (words(ini, section, "dhcp", lambda word: DHCP.get(word.lower())) or ["no" if own else "yes"])[0]
    lines = [f"DHCP={dhcp}"]
    lines += [f"Address={text}" for text in own]
    lines += [f"Gateway={text}" for text in words(ini, section, "gateway", plain_address)]
    lines += [f"DNS={text}" for text in words(ini, section, "dns", plain_address)]
    domains = words(ini, section, "domains", lambda word: word if DOMAIN.match(word) else None)
    if domains:
        lines.append(f"Domains={' '.join(domains)}")
    return "".join(f"{line}\n" for line in lines)


def words(ini: ConfigParser, section: str, key: str, good: Callable[[str], str | None]) -> list[str]:
    """The words of a value, as `good` returns them; one error line for each that is not allowed."""
    found = []
    for word in ini.get(section, key, fallback="").replace(",", " ").split():
        text = good(word)
        if text is None:
            bad_value(ini, section, key, ALLOWED[key], value=word)
        else:
            found.append(text)
    return found


def number(word: str, low: int, high: int) -> str | None:
    """The number as text if it is within the bounds."""
    decimal = word.isascii() and word.isdecimal() and len(word) < 9
    return str(int(word)) if decimal and low <= int(word) <= high else None


def address(word: str) -> str | None:
    """An address with prefix length."""
    from ipaddress import ip_interface  # 5 ms that a boot with DHCP alone need not pay

    try:
        return str(ip_interface(word)) if "/" in word else None
    except ValueError:
        return None


def plain_address(word: str) -> str | None:
    """An address without prefix length."""
    from ipaddress import ip_address

    try:
        return str(ip_address(word))
    except ValueError:
        return None


def network(match: str, text: str, link: str = "") -> str:
    """The text of a .network file."""
    parts = [f"[Match]\n{match}", f"[Link]\n{link}" if link else "", f"[Network]\n{text}"]
    if "LinkLocalAddressing=no" not in text:
        parts[-1] += "LLMNR=yes\nMulticastDNS=yes\n"
    return "\n".join(part for part in parts if part)


def write(name: str, text: str) -> None:
    """A file of networkd; it must be readable by its user."""
    replace_file(root_path(FOLDER, name), text)


def mark_virtual_functions() -> None:
    """The udev rule that WIRED needs."""
    replace_file(root_path("run/udev/rules.d/60-genpack-network.rules"), RULE)
