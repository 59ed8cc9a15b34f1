# SPDX-License-Identifier: MIT
"""SSH public keys: authorized_keys of root and of every login user."""

from __future__ import annotations

import logging
import os
import re
import stat
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import ExitStack
from pathlib import Path

from genpack_init import accounts, read_keys, root_path

SYSTEM_INI = [
    {
        "section": "_default",
        "key": "ssh_pubkey",
        "type": "text",
        "default": None,
        "help": "SSH public keys, one a line, for root and all login users",
        "allowed": "lines such as 'ssh-ed25519 AAAA... comment'",
        "pattern": r"(?:.*\s)?(?:sk-)?(?:ssh-(?:ed25519|rsa|dss)|ecdsa-sha2-nistp(?:256|384|521))(?:@openssh\.com)?"
        r"\s+AAAA[0-9A-Za-z+/]{16,}={0,3}(?:\s.*)?",
        "secret": True,  # someone may paste a private key
        "group": "Access",
    }
]

KEY = re.compile(
    r"(?:^|\s)((?:sk-)?(?:ssh-(?:ed25519|rsa|dss)|ecdsa-sha2-nistp(?:256|384|521))(?:@openssh\.com)?)"
    r"\s+(AAAA[0-9A-Za-z+/]{16,}={0,3})(?:\s|$)"
)
#: Sections that keys come from: system.ini, and what the VM's host gave (paravirt's fw_cfg plugin puts it there).
SOURCES = ("_default", "fw_cfg")
UIDS = range(1000, 65000)  # of people; below are services, 65534 is nobody
NO_LOGIN = {"", "/bin/false", "/usr/bin/false", "/sbin/nologin", "/usr/sbin/nologin", "/bin/sync"}
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def configure(ini: ConfigParser) -> None:
    """Add the keys that an account does not have yet."""
    keys = [key for section in SOURCES for key in read_keys(ini, SYSTEM_INI[0], section=section)]
    if not keys:
        return
    for user, uid, gid, home in login_users():
        try:
            added = add_keys(home, uid, gid, keys)
        except OSError as error:
            logging.error("ssh_pubkey: user %s: %s: %s", user, error.filename or home, error.strerror)
        else:
            logging.info("ssh_pubkey: %d of %d keys added for %s", added, len(keys), user)


def login_users() -> Iterator[tuple[str, int, int, str]]:
    """(name, uid, gid, home below the root) of root and of everyone who can log in and has a home."""
    for name, _, uid, gid, _, home, shell in (fields for fields in accounts("passwd") if len(fields) == 7):
        if not (uid.isdecimal() and gid.isdecimal()):
            continue
        person = int(uid) in UIDS and shell not in NO_LOGIN
        path = root_path(home)
        if name == "root" or (person and path.is_dir()):
            yield name, int(uid), int(gid), os.fspath(path)


def identity(line: str) -> tuple[str, str] | None:
    """What makes two lines the same key: type and key, not options or comment."""
    found = KEY.search(line)
    return (found[1], found[2]) if found and not line.lstrip().startswith("#") else None


def add_keys(home: str, uid: int, gid: int, keys: list[str]) -> int:
    """Append keys to HOME/.ssh/authorized_keys; returns how many were new. Raises OSError.

    The home is its user's: no symbolic link in it is followed, and a file of somebody else is not taken over.
    """
    if uid == 0:
        Path(home).mkdir(0o700, parents=True, exist_ok=True)
    with ExitStack() as stack:

        def folder(name: str, parent: int | None = None) -> int:
            descriptor = os.open(name, FOLDER, dir_fd=parent)
            stack.callback(os.close, descriptor)
            return descriptor

        top = folder(home)
        try:
            os.mkdir(".ssh", 0o700, dir_fd=top)
        except FileExistsError:
            pass
        ssh = folder(".ssh", top)
        own(ssh, uid, gid, 0o700)
        lines = read_lines(ssh, uid)
        known = {identity(line) for line in lines}
        new = []
        for key in keys:
            if identity(key) not in known:
                known.add(identity(key))
                new.append(key)
        if new:
            write_lines(ssh, uid, gid, lines + new)
    return len(new)


def own(descriptor: int, uid: int, gid: int, mode: int) -> None:
    """Owner and mode, touched only if they differ."""
    info = os.fstat(descriptor)
    if (info.st_uid, info.st_gid) != (uid, gid):
        os.fchown(descriptor, uid, gid)
    if stat.S_IMODE(info.st_mode) != mode:
        os.fchmod(descriptor, mode)


def read_lines(ssh: int, uid: int) -> list[str]:
    """The lines of authorized_keys; none if it is missing."""
    try:
        descriptor = os.open("authorized_keys", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=ssh)
    except FileNotFoundError:
        return []
    with os.fdopen(descriptor, encoding="utf-8", errors="surrogateescape") as file:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode) or info.st_uid not in (0, uid) or info.st_nlink > 1:
            raise PermissionError(1, "not a plain file of this user", "authorized_keys")
        own(descriptor, uid, info.st_gid, 0o600)
        return file.read().splitlines()


def write_lines(ssh: int, uid: int, gid: int, lines: list[str]) -> None:
    """Replace authorized_keys: never half a file after a power cut."""
    temporary = ".authorized_keys.tmp"
    try:
        os.unlink(temporary, dir_fd=ssh)
    except FileNotFoundError:
        pass
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600, dir_fd=ssh)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write("".join(f"{line}\n" for line in lines))
        file.flush()
        own(file.fileno(), uid, gid, 0o600)
        os.fsync(file.fileno())
    os.rename(temporary, "authorized_keys", src_dir_fd=ssh, dst_dir_fd=ssh)
