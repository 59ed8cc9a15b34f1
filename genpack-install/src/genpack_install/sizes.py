# SPDX-License-Identifier: MIT
"""Sizes on the command line: 512M, 6G."""

from __future__ import annotations

import re

from genpack_install.errors import UsageError
from genpack_install.model import MIB

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_LIMIT = 1 << 60


def parse(text: str) -> int:
    """Bytes, in whole MiB; UsageError."""
    match = re.fullmatch(r"(\d{1,18})([KMGT]?)(?:iB|B)?", text.strip(), re.IGNORECASE)
    count = int(match[1]) * _UNITS[match[2].upper()] if match else 0
    if not count or count > _LIMIT:
        raise UsageError(f"--size {text}: not a size", tip="a number and K, M, G or T: --size 4G")
    if count % MIB:
        raise UsageError(f"--size {text}: not a whole number of MiB")
    return count
