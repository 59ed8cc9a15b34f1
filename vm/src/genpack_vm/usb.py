# SPDX-License-Identifier: MIT
"""USB devices of this machine as XML, and those that an XPath selects.

    <usb>
      <device bus="1" address="4" path="1-2" vendor="046d" product="c52b" class="00" speed="12" driver="usb"
              manufacturer="Logitech" name="USB Receiver" serial="...">
        <interface number="00" class="03" subclass="01" protocol="01" driver="usbhid"/>
      </device>
    </usb>

Source: Documentation/ABI/testing/sysfs-bus-usb and sysfs-devices in Linux.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from genpack_vm.errors import UsageError

SYSFS = Path("/sys/bus/usb/devices")

#: attribute of <device> -> file in sysfs
_DEVICE = {
    "bus": "busnum",
    "address": "devnum",
    "vendor": "idVendor",
    "product": "idProduct",
    "class": "bDeviceClass",
    "speed": "speed",
    "manufacturer": "manufacturer",
    "name": "product",
    "serial": "serial",
}
_INTERFACE = {
    "number": "bInterfaceNumber",
    "class": "bInterfaceClass",
    "subclass": "bInterfaceSubClass",
    "protocol": "bInterfaceProtocol",
}


def _etree() -> Any:
    """Imported by the one command that needs it."""
    from lxml import etree  # type: ignore[import-untyped]  # it has no types of its own

    return etree


def _attributes(folder: Path, files: dict[str, str]) -> dict[str, str]:
    """Those that are there, without what XML cannot hold: a device says of itself what it likes."""
    found = {}
    for attribute, file in files.items():
        try:
            text = (folder / file).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            continue
        found[attribute] = "".join(c for c in text if c.isprintable())
    driver = folder / "driver"
    if driver.is_symlink():
        found["driver"] = driver.readlink().name
    return found


def _order(folder: Path) -> tuple[int, int]:
    found = _attributes(folder, {"bus": "busnum", "address": "devnum"})
    return int(found.get("bus", "0")), int(found.get("address", "0"))


def tree(sysfs: Path = SYSFS) -> Any:
    """The document's root element; without devices where the machine has no USB."""
    etree = _etree()
    root = etree.Element("usb")
    folders = list(sysfs.iterdir()) if sysfs.is_dir() else []
    for folder in sorted((f for f in folders if (f / "idVendor").exists()), key=_order):
        device = etree.SubElement(root, "device", path=folder.name, **_attributes(folder, _DEVICE))
        for interface in sorted(folder.glob(f"{folder.name}:*")):
            etree.SubElement(device, "interface", **_attributes(interface, _INTERFACE))
    return root


def select(root: Any, xpath: str) -> list[Any]:
    """The <device> elements that `xpath` selects, or in which it selects something; each once, in their order."""
    etree = _etree()
    try:
        found = etree.XPath(xpath)(root)
    except etree.XPathError as e:
        raise UsageError(f"{xpath!r} is no XPath: {e}", tip="such as //device[@vendor='046d']") from e
    if not isinstance(found, list) or any(not isinstance(one, etree._Element) for one in found):
        raise UsageError(f"{xpath!r} selects no elements", tip="such as //device[@vendor='046d']")
    wanted = {device for one in found for device in one.xpath("ancestor-or-self::device")}
    return [device for device in root if device in wanted]


def text(xpath: str | None) -> str:
    """What `vm usb` prints."""
    etree = _etree()
    root = tree()
    if xpath is not None:
        chosen = select(root, xpath)
        root = etree.Element("usb")
        root.extend(chosen)
    etree.indent(root)
    printed: str = etree.tostring(root, encoding="unicode", pretty_print=True)
    return printed
