# SPDX-License-Identifier: MIT
"""The options of a screen, and the USB devices that XPaths select, checked together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from genpack_vm import devices
from genpack_vm.errors import UsageError

#: Windows of QEMU's own; what is not built in is QEMU's to say.
BACKENDS = ("curses", "dbus", "egl-headless", "gtk", "sdl", "spice-app")
_SPICE = re.compile(r"(?:\S*:)?(?P<port>\d{1,5})|/.+")
_VNC = re.compile(r"[A-Za-z0-9.-]*:\d{1,4}|/.+")


def _backend(text: str | None) -> str | None:
    if text is not None and text not in BACKENDS:
        raise UsageError(f"--display {text!r} is unknown", tip=f"known are {', '.join(BACKENDS)}")
    return text


def parse(
    *,
    display: str | None,
    spice: str | None,
    vnc: str | None,
    gpu: str,
    outputs: int,
    render_node: str | None,
    resolution: str | None,
) -> devices.Display | None:
    """The screen; None when none was asked for."""
    adapter = devices.parse_gpu(gpu, "--accel")
    if spice is not None and (not (match := _SPICE.fullmatch(spice)) or int(match["port"] or 1) > 65535):
        raise UsageError(f"--spice {spice!r} is no place", tip="write [ADDRESS:]PORT, or the path of a socket")
    if vnc is not None and not _VNC.fullmatch(vnc):
        raise UsageError(f"--vnc {vnc!r} is no place", tip="write [ADDRESS]:NUMBER, or the path of a socket")
    if not 1 <= outputs <= 16:
        raise UsageError(f"--gpu-max-outputs {outputs}: from 1 to 16 are possible")
    size = (None, None) if resolution is None else devices.parse_resolution(resolution, "--resolution")
    if render_node is not None and not Path(render_node).exists():
        raise UsageError(f"--rendernode: there is no {render_node}")
    if display is None and spice is None and vnc is None:
        unused = {"--accel": gpu != "2d", "--gpu-max-outputs": outputs != 1, "--rendernode": render_node is not None}
        unused["--resolution"] = resolution is not None
        if option := next((name for name, given in unused.items() if given), None):
            raise UsageError(f"{option} needs --display, --spice or --vnc", tip="the VM has no screen without one")
        return None
    return devices.Display(adapter, _backend(display), spice, vnc, outputs, render_node, *size)


def usb_devices(xpaths: Sequence[str]) -> tuple[devices.Usb, ...]:
    """The devices that the XPaths select, each once; UsageError for one that selects none."""
    if not xpaths:
        return ()
    from genpack_vm import usb

    root, found = usb.tree(), {}
    for xpath in xpaths:
        selected = usb.select(root, xpath)
        if not selected:
            raise UsageError(f"--usb {xpath!r} selects no device", tip="`vm usb` shows what is there")
        for element in selected:
            place = int(element.get("bus")), int(element.get("address"))
            found[place] = devices.Usb(*place)
    return tuple(found.values())
