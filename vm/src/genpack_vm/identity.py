# SPDX-License-Identifier: MIT
"""A VM's name, and what follows from it: vsock CID and MAC addresses."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Collection

from genpack_vm.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,62}")
_CID_ANY = 0xFFFFFFFF  # VMADDR_CID_ANY, linux/vm_sockets.h
_FIRST_CID = 3  # 0 to 2 are the hypervisor, local and host


def is_name(text: str) -> bool:
    """1-63 of [A-Za-z0-9._-], not starting with '.' or '-'."""
    return _NAME.fullmatch(text) is not None


def check_name(text: str) -> str:
    """`text` if it may name a VM; else a UsageError."""
    if not is_name(text):
        raise UsageError(
            f"{text!r} is not a VM name", tip="a name is 1-63 of A-Z a-z 0-9 . _ - and does not start with . or -"
        )
    return text


def candidates(artifact: str | None) -> Callable[[int], str]:
    """The n-th name (from 0) to try for an image whose /.genpack/artifact says `artifact`."""
    if artifact and is_name(artifact):
        return lambda n: artifact if n == 0 else f"{artifact[:58]}-{n + 1}"
    return lambda n: f"host-{secrets.token_hex(4)}"


def cid(uid: int, name: str, taken: Collection[int] = ()) -> int:
    """The vsock context id of a user's VM: from a hash, or the next one that is free."""
    digest = hashlib.sha256(f"{uid}:{name}".encode()).digest()
    number = int.from_bytes(digest[:4], "big") % 4294967293 + _FIRST_CID
    while number in taken or number == _CID_ANY:
        number = _FIRST_CID if number >= _CID_ANY else number + 1
    return number


def mac(name: str, index: int) -> str:
    """MAC address of a VM's network interface number `index`; 52:54:00 is QEMU's prefix."""
    tail = bytearray(hashlib.md5(f"{name}:{index}".encode(), usedforsecurity=False).digest()[:3])
    tail[0] &= 0x7F
    return "52:54:00:" + tail.hex(":")
