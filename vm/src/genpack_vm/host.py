# SPDX-License-Identifier: MIT
"""What the guest is told about the host and its user: SSH keys, time zone, language; and what the host offers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from genpack_vm import process
from genpack_vm.errors import VmError

KEY_FILES = ("id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub")
_AGENT_TIMEOUT = 5.0  # seconds; a locked or remote agent must not hold up a boot


def _key_lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if len(line.split()) >= 2 and not line.startswith("#")]


def _agent_keys(environment: Mapping[str, str]) -> list[str]:
    if not environment.get("SSH_AUTH_SOCK"):
        return []
    try:
        listed = process.capture(["ssh-add", "-L"], purpose="ask the SSH agent for keys", timeout=_AGENT_TIMEOUT)
    except VmError:
        return []  # no agent that answers is no reason not to boot
    return _key_lines(listed.stdout) if listed.status == 0 else []


def public_keys(home: Path, environment: Mapping[str, str]) -> list[str]:
    """The user's public keys, each once: those in ~/.ssh, then the agent's."""
    lines: list[str] = []
    for name in KEY_FILES:
        try:
            lines += _key_lines((home / ".ssh" / name).read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
    lines += _agent_keys(environment)
    unique = {tuple(line.split()[:2]): line for line in reversed(lines)}  # the first spelling of a key stays
    return [line for line in lines if unique[tuple(line.split()[:2])] is line]


def timezone(etc: Path = Path("/etc")) -> str | None:
    """The host's zone such as Asia/Tokyo: from /etc/timezone, else from where /etc/localtime points."""
    try:
        text = (etc / "timezone").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        text = ""
    if text:
        return text
    try:
        target = os.fspath((etc / "localtime").readlink())
    except OSError:
        return None
    _, found, zone = target.partition("zoneinfo/")
    return zone if found and zone else None


def lang(environment: Mapping[str, str]) -> str | None:
    """The user's LANG; None when it says nothing (unset, C, POSIX)."""
    value = environment.get("LANG", "")
    return None if value in ("", "C", "POSIX") else value


def vsock_usable(device: Path = Path("/dev/vhost-vsock")) -> bool:
    """True when QEMU can give the guest a vsock device."""
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def direct_io(path: Path) -> bool:
    """True when the file system of `path` does O_DIRECT (tmpfs, for one, may not)."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC))
    except OSError:
        return False
    return True
