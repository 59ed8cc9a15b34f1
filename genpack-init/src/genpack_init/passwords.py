# SPDX-License-Identifier: MIT
"""Password hashes as /etc/shadow has them, through the image's libcrypt."""

from __future__ import annotations

from genpack_init import _native
from genpack_init.errors import GenpackInitError

METHODS = ("$y$", "$6$")  # yescrypt, else SHA-512 crypt


def hash_password(password: str) -> str:
    """A crypt(5) hash with a fresh salt. Raises GenpackInitError if there is no libcrypt that can."""
    for method in METHODS:
        text = _native.hash_password(password, method)
        if text:
            return text
    raise GenpackInitError("passwords can't be hashed: there is no usable libcrypt", tip="give the hash instead")


def is_password_of(password: str, text: str) -> bool:
    """True if `text` is a hash of that password; False too if libcrypt can't tell."""
    return text.startswith("$") and _native.hash_password(password, text) == text
