# SPDX-License-Identifier: MIT
"""Programs of another architecture: the kernel hands them to QEMU if binfmt_misc has an entry for them.

The entry needs flag F: the kernel then opens QEMU when the entry is made, and the container needs no file of it
(Documentation/admin-guide/binfmt-misc.rst). Magic and mask of our own entries say what those of QEMU's
scripts/qemu-binfmt-conf.sh say: ELF programs of that class and machine, of any ABI, position-independent or not.
"""

from __future__ import annotations

import re
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from genpack.arch import Arch, host_arch, runs_natively
from genpack.errors import GenpackError

REGISTERED = Path("/proc/sys/fs/binfmt_misc")
#: Of an ELF header's first 20 bytes: not the ABI (byte 7), nor whether the program is position-independent (byte 16).
_MASK = bytes([*[0xFF] * 7, 0, *[0xFF] * 8, 0xFE, 0xFF, 0xFF, 0xFF])
_ET_EXEC, _ET_DYN = 2, 3
_PT_INTERP = 3


def needed(target: Arch) -> bool:
    """True if the host's processor can't run the target's programs by itself."""
    return not runs_natively(target.name, host_arch())


def personality(target: Arch) -> str | None:
    """nspawn's --personality for a target that the host runs natively with another name."""
    return "x86" if target.name == "i686" and host_arch() == "x86_64" else None


def require(target: Arch, registered: Path = REGISTERED) -> None:
    """Raises GenpackError, with the command that mends it, if the host can't run the target's programs."""
    trouble = _trouble(target, registered) if needed(target) else None
    if trouble is not None:
        what, tip = trouble
        raise GenpackError(f"this machine can't run {target.name} programs: {what}", tip=tip)


def _trouble(target: Arch, registered: Path) -> tuple[str, str] | None:
    """What is wrong and what to do, or None."""
    install, register = _register(target, registered)
    if not registered.is_dir():
        return "the kernel has no binfmt_misc", "run: modprobe binfmt_misc; or use a kernel with CONFIG_BINFMT_MISC"
    if not (registered / "register").exists():
        mount = f"mount -t binfmt_misc binfmt_misc {registered}"
        return "binfmt_misc is not mounted", f"{install}run: {mount} && {register}"
    if (registered / "status").read_text().strip() == "disabled":
        return "binfmt_misc is disabled", f"run: echo 1 > {registered}/status"
    entries = [entry for entry in _entries(registered) if entry.takes(target)]
    enabled = [entry for entry in entries if entry.enabled]
    if not entries:
        return "binfmt_misc has no entry for them", f"{install}run: {register}"
    # Which of several entries the kernel takes can't be read: all must be good.
    for entry in enabled or entries:
        if "F" not in entry.flags:
            why = f"so a container does not find {entry.interpreter}"
            what = f"the entry {entry.name} of binfmt_misc has no flag F, {why}"
            return what, f"{install}run: echo -1 > {registered}/{entry.name} && {register}"
    if not enabled:
        name = entries[0].name
        return f"the entry {name} of binfmt_misc is disabled", f"run: echo 1 > {registered}/{name}"
    return None


def _header(target: Arch, kind: int) -> bytes:
    """The first 20 bytes of the target's programs."""
    return b"\x7fELF" + bytes([target.elf_class, 1, 1]) + bytes(9) + struct.pack("<HH", kind, target.elf_machine)


def _register(target: Arch, registered: Path) -> tuple[str, str]:
    """The command that makes an entry, and before it what to install if it is not there."""
    emulator, install = _static_emulator(target), ""
    if emulator is None:
        emulator = f"/usr/bin/qemu-{target.qemu}-static"
        install = "install QEMU's user emulation, linked statically ('apt install qemu-user-static' on Debian), then "
    magic, mask = ("".join(f"\\x{byte:02x}" for byte in each) for each in (_header(target, _ET_EXEC), _MASK))
    # Not echo: that of some shells takes the backslashes for its own.
    return install, f"printf %s ':qemu-{target.qemu}:M::{magic}:{mask}:{emulator}:F' > {registered}/register"


def _static_emulator(target: Arch) -> str | None:
    """QEMU for the target's programs. A dynamically linked one would look for its libraries in the container."""
    for name in (f"qemu-{target.qemu}-static", f"qemu-{target.qemu}"):
        path = shutil.which(name)
        if path is not None and _is_static(Path(path)):
            return path
    return None


def _is_static(program: Path) -> bool:
    """True for a 64-bit little-endian ELF program without an interpreter."""
    with program.open("rb") as file:
        head = file.read(4096)
    if head[:6] != b"\x7fELF\x02\x01":
        return False
    (start,), (size, count) = struct.unpack_from("<Q", head, 32), struct.unpack_from("<HH", head, 54)
    kinds = [head[at : at + 4] for at in range(start, start + size * count, size)] if size else []
    return struct.pack("<I", _PT_INTERP) not in kinds


@dataclass(frozen=True)
class _Entry:
    """An entry of binfmt_misc that goes by the bytes at the beginning of a program."""

    name: str
    enabled: bool
    interpreter: str
    flags: str
    offset: int
    magic: bytes
    mask: bytes

    def takes(self, target: Arch) -> bool:
        """True if the kernel uses this entry, enabled, for all the target's programs."""
        return all(self._matches(_header(target, kind)) for kind in (_ET_EXEC, _ET_DYN))

    def _matches(self, header: bytes) -> bool:
        found = header[self.offset : self.offset + len(self.magic)]
        mask = self.mask or b"\xff" * len(self.magic)
        pairs = zip(found, self.magic, mask, strict=False)
        return len(found) == len(self.magic) and not any((have ^ want) & bits for have, want, bits in pairs)


def _entries(registered: Path) -> Iterator[_Entry]:
    """The entries in the folder, as fs/binfmt_misc.c's entry_status writes them."""
    for path in sorted(registered.iterdir()):
        if path.name in {"register", "status"}:
            continue
        try:
            text = path.read_text()
        except FileNotFoundError:
            continue  # somebody removed it just now
        fields = dict(re.findall(r"^(interpreter|flags:|offset|magic|mask) (.*)$", text, re.MULTILINE))
        if "magic" in fields:  # else it goes by a file name's extension
            yield _Entry(
                path.name,
                text.startswith("enabled\n"),
                fields.get("interpreter", ""),
                fields.get("flags:", ""),
                int(fields.get("offset", "0")),
                bytes.fromhex(fields["magic"]),
                bytes.fromhex(fields.get("mask", "")),
            )
