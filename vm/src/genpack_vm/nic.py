# SPDX-License-Identifier: MIT
"""Network interfaces of a VM: what the name after -i is, found in /sys/class/net, and what QEMU needs for it."""

from __future__ import annotations

import difflib
import fcntl
import ipaddress
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from genpack_vm import process
from genpack_vm.errors import UsageError, VmError
from genpack_vm.net import Forward

SYS = Path("/sys/class/net")
USER = "user"
_MULTICAST = re.compile(r"(?P<address>\d+\.\d+\.\d+\.\d+):(?P<port>\d+)")
_FUNCTION = re.compile(r"(?P<port>[^/]+)v(?P<first>\d+)(?:-(?P<last>\d+))?")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_GUEST_FORWARD = re.compile(r"tcp:[0-9.]+:\d+-(?:tcp:[0-9.]+:\d+|cmd:.+)")
_IFF_TAP = 2  # linux/if_tun.h


class Kind(Enum):
    """How a network interface is connected."""

    USER = "user network"
    BRIDGE = "bridge"
    TAP = "tap"
    MULTICAST = "multicast group"
    MACVTAP = "macvtap"
    VDE = "VDE switch"
    SRIOV = "SR-IOV virtual function"


@dataclass(frozen=True)
class Request:
    """What was asked for: a name as after -i, and what vm.ini can say more."""

    interface: str
    mac: str | None = None
    vhost: bool = True


@dataclass(frozen=True)
class Nic:
    """One interface. `where`: bridge, tap, group, folder, or the function's PCI address. `fd`: of a macvtap."""

    kind: Kind
    mac: str
    where: str = ""
    vhost: bool = False
    helper: str = ""
    forwards: tuple[Forward, ...] = ()
    guest_forwards: tuple[str, ...] = ()
    fd: int | None = None


def check_mac(text: str, what: str) -> str:
    """A MAC address in lower case; UsageError if it is none that an interface can have."""
    mac = text.lower()
    if not _MAC.fullmatch(mac):
        raise UsageError(f"{what}: {text!r} is not a MAC address", tip="such as 52:54:00:12:34:56")
    if int(mac[:2], 16) & 1:
        raise UsageError(f"{what}: {text} is a multicast address", tip="the first byte must be even")
    return mac


def check_guest_forward(text: str) -> str:
    """tcp:ADDRESS:PORT-tcp:ADDRESS:PORT or ...-cmd:COMMAND, which QEMU takes as it is."""
    if not _GUEST_FORWARD.fullmatch(text):
        raise UsageError(
            f"--guestfwd {text!r} is no forwarding",
            tip="write tcp:GUEST_ADDRESS:PORT-tcp:ADDRESS:PORT or tcp:GUEST_ADDRESS:PORT-cmd:COMMAND",
        )
    return text


def _multicast(match: re.Match[str]) -> str:
    try:
        good = ipaddress.IPv4Address(match["address"]).is_multicast and 0 < int(match["port"]) < 65536
    except ValueError:
        good = False
    if not good:
        raise UsageError(f"-i {match[0]}: not a multicast group", tip="from 224.0.0.0 to 239.255.255.255, and a port")
    return match[0]


def functions(match: re.Match[str], sys: Path) -> list[str]:
    """PCI addresses of the virtual functions that PFvN or PFvN-M names; those that are not there are left out."""
    numbers = range(int(match["first"]), int(match["last"] or match["first"]) + 1)
    links = (sys / match["port"] / "device" / f"virtfn{n}" for n in numbers)
    return [link.readlink().name for link in links if link.is_symlink()]


def classify(text: str, sys: Path = SYS) -> tuple[Kind, str]:
    """(what it is, where) of the text after -i. For virtual functions all their addresses, separated by commas."""
    if text == USER:
        return Kind.USER, ""
    if match := _MULTICAST.fullmatch(text):
        return Kind.MULTICAST, _multicast(match)
    if "/" in text:
        if not (Path(text) / "ctl").exists():
            raise UsageError(f"-i {text}: no VDE switch is there", tip=f"vde_switch -s {text}")
        return Kind.VDE, os.path.abspath(text)  # noqa: PTH100  symlinks stay
    here = sys / text
    if text and here.is_dir():
        if (here / "bridge").is_dir():
            return Kind.BRIDGE, text
        if (here / "macvtap").is_dir() or any(here.glob("tap[0-9]*")):
            return Kind.MACVTAP, text
        if (here / "tun_flags").exists():
            if not int((here / "tun_flags").read_text(), 16) & _IFF_TAP:
                raise UsageError(f"-i {text} is a tun, which carries no Ethernet", tip="make a tap")
            return Kind.TAP, text
        tip = f"ip link add link {text} name macvtap0 type macvtap mode bridge; then -i macvtap0"
        raise UsageError(f"-i {text} is neither a bridge, a tap nor a macvtap", tip=tip)
    match = _FUNCTION.fullmatch(text)
    if match and (sys / match["port"]).is_dir():
        found = functions(match, sys)
        if not found:
            tip = f"echo 8 > /sys/class/net/{match['port']}/device/sriov_numvfs"
            raise UsageError(f"-i {text}: {match['port']} has no such virtual function", tip=tip)
        return Kind.SRIOV, ",".join(found)
    names = sorted(p.name for p in sys.iterdir()) if sys.is_dir() else []
    close = difflib.get_close_matches(text, names, 1)
    tip = f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"
    raise UsageError(f"-i {text!r}: there is no such network interface", tip=tip)


def plan(requests: Sequence[Request], name: str, macs: Sequence[str], sys: Path = SYS) -> list[Nic]:
    """The interfaces of a VM in their order, `macs` for those that ask for none. Nothing is opened or locked."""
    nics = []
    for number, request in enumerate(requests):
        kind, where = classify(request.interface, sys)
        mac = check_mac(request.mac, f"mac of {name}") if request.mac else macs[number]
        if kind is Kind.MACVTAP:
            mac = (sys / where / "address").read_text().strip()  # the host filters by it
        nics.append(Nic(kind, mac, where, vhost=request.vhost and os.access("/dev/vhost-net", os.W_OK)))
    if sum(nic.kind is Kind.USER for nic in nics) > 1:
        raise UsageError("a VM has one user network at most")
    return nics


def _lock_function(addresses: str, locks: Path) -> tuple[str, int]:
    """(address, descriptor of its lock) of the first virtual function that no other VM has."""
    locks.mkdir(mode=0o700, parents=True, exist_ok=True)
    for address in addresses.split(","):
        fd = os.open(locks / address, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            continue
        return address, fd
    raise VmError(f"all of these virtual functions are in use: {addresses}")


def _check_driver(address: str, pci: Path) -> None:
    driver = pci / address / "driver"
    name = driver.readlink().name if driver.is_symlink() else "none"
    if name != "vfio-pci":
        tip = f"driverctl set-override {address} vfio-pci"
        raise VmError(f"the driver of {address} is {name}, not vfio-pci", tip=tip)


def _set_function_mac(address: str, mac: str, pci: Path) -> None:
    """Tell the physical function's driver the function's address: the guest may not choose it."""
    parent = pci / address / "physfn"
    number = next((n for n in parent.glob("virtfn*") if n.resolve().name == address), None)
    port = next(iter((parent / "net").glob("*")), None)
    if number is None or port is None:
        return
    argv = ["ip", "link", "set", port.name, "vf", number.name.removeprefix("virtfn"), "mac", mac]
    done = process.capture(argv, purpose="set a virtual function's address", timeout=10)
    if done.status != 0:
        raise VmError(f"{process.show(argv)}: {done.stderr.strip()}")


def acquire(
    nics: Sequence[Nic], locks: Path, sys: Path = SYS, pci: Path = Path("/sys/bus/pci/devices")
) -> tuple[list[Nic], list[int]]:
    """Open and lock what the interfaces need: (they, the descriptors that QEMU inherits)."""
    ready: list[Nic] = []
    fds: list[int] = []
    try:
        for nic in nics:
            if nic.kind is Kind.MACVTAP:
                device = Path("/dev") / f"tap{(sys / nic.where / 'ifindex').read_text().strip()}"
                try:
                    fd = os.open(device, os.O_RDWR)
                except OSError as e:
                    raise VmError(f"cannot open {device} of {nic.where}: {e.strerror}") from e
                os.set_inheritable(fd, True)
                fds.append(fd)
                ready.append(replace(nic, fd=fd))
            elif nic.kind is Kind.SRIOV:
                address, fd = _lock_function(nic.where, locks)
                fds.append(fd)
                _check_driver(address, pci)
                _set_function_mac(address, nic.mac, pci)
                ready.append(replace(nic, where=address))
            else:
                ready.append(nic)
    except BaseException:
        for fd in fds:
            os.close(fd)
        raise
    return ready, fds
