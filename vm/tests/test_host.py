# SPDX-License-Identifier: MIT
"""What the guest is told of the host."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from genpack_vm import host


def test_keys_of_files_in_order(home: Path) -> None:
    (home / ".ssh" / "id_rsa.pub").write_text("ssh-rsa R me\n")
    (home / ".ssh" / "id_ed25519.pub").write_text("ssh-ed25519 E me\n\n# a comment\n")
    (home / ".ssh" / "id_dsa.pub").write_text("ssh-dss D old\n")
    assert host.public_keys(home, {}) == ["ssh-ed25519 E me", "ssh-rsa R me"]


@pytest.mark.spawn
def test_agent_keys_once(home: Path, fake_program: Callable[[str, str], Path]) -> None:
    fake_program("ssh-add", 'test "$*" = -L && echo "ssh-ed25519 E other comment" && echo "ssh-rsa A agent"')
    (home / ".ssh" / "id_ed25519.pub").write_text("ssh-ed25519 E me\n")
    assert host.public_keys(home, {"SSH_AUTH_SOCK": "/x"}) == ["ssh-ed25519 E me", "ssh-rsa A agent"]


@pytest.mark.spawn
@pytest.mark.parametrize("script", ["echo The agent has no identities.; exit 1", "exit 2", "kill -9 $$"])
def test_agent_without_keys(home: Path, fake_program: Callable[[str, str], Path], script: str) -> None:
    fake_program("ssh-add", script)
    assert host.public_keys(home, {"SSH_AUTH_SOCK": "/x"}) == []


@pytest.mark.spawn
def test_no_ssh_add(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert host.public_keys(home, {"SSH_AUTH_SOCK": "/x"}) == []


def test_timezone(tmp_path: Path) -> None:
    assert host.timezone(tmp_path) is None
    (tmp_path / "localtime").symlink_to("/usr/share/zoneinfo/America/New_York")
    assert host.timezone(tmp_path) == "America/New_York"
    (tmp_path / "timezone").write_text("Asia/Tokyo\n")
    assert host.timezone(tmp_path) == "Asia/Tokyo"


def test_localtime_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "localtime").write_bytes(b"TZif")
    assert host.timezone(tmp_path) is None


def test_lang() -> None:
    assert [host.lang(e) for e in ({}, {"LANG": "C"}, {"LANG": "POSIX"}, {"LANG": ""})] == [None] * 4
    assert host.lang({"LANG": "de_DE.UTF-8"}) == "de_DE.UTF-8"


def test_no_vsock_without_the_device(tmp_path: Path) -> None:
    assert not host.vsock_usable(tmp_path / "none")
