# SPDX-License-Identifier: MIT
"""The native functions: system calls that the standard library lacks."""

version: str

def mount(source: str, target: str, fstype: str, flags: int, data: str) -> int:
    """mount(2) with MS_* `flags`; empty text is NULL. 0 or an errno."""

def umount(target: str, flags: int) -> int:
    """umount2(2) with MNT_* `flags`. 0 or an errno."""

def block_device(path: str) -> tuple[int, int, int] | None:
    """(logical sector size, physical sector size, number of logical sectors), in bytes; None if `path` is none."""

def hash_password(password: str, setting: str) -> str | None:
    """crypt(3). `setting`: an older hash, or a method's prefix ("$y$", "$6$") for a fresh salt. None: bad method."""
