# SPDX-License-Identifier: MIT
"""nspawn's command line, and where resolv.conf goes."""

from __future__ import annotations

from pathlib import Path

import pytest
from genpack.container import Container, resolv_conf_target
from genpack.errors import GenpackError

from genpack import preflight


def test_argv(tmp_path: Path) -> None:
    box = Container(
        tmp_path,
        read_only=[(Path("/a:b"), "/mnt/host")],
        writable=[(Path("/cache"), "/var/cache/distfiles")],
        env={"ARTIFACT": "x y"},
        personality="x86",
    )
    words = [str(word) for word in box.argv(["emerge", "--sync"], tmpfs=["/var/tmp"], network=False)]
    assert words[0] == "systemd-nspawn"
    for word in (
        *("--register=no", "--keep-unit", "--as-pid2", "--suppress-sync=yes", "--console=pipe", "--resolv-conf=off"),
        *("--timezone=off", "--link-journal=no", f"--directory={tmp_path}", "--personality=x86"),
        *("--bind-ro=/a\\:b:/mnt/host:norbind", "--bind=/cache:/var/cache/distfiles", "--tmpfs=/var/tmp:mode=1777"),
        *("--setenv=ARTIFACT=x y", "--setenv=TERM=dumb", "--setenv=LANG=C.UTF-8"),
    ):
        assert word in words
    assert words[-3:] == ["--", "emerge", "--sync"]
    assert not any("resolv.conf" in word for word in words)


def test_offline_has_no_network(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/resolv.conf").touch()
    for offline in (False, True):
        words = [str(word) for word in Container(tmp_path, offline=offline).argv(["true"])]
        assert ("--private-network" in words) is offline
        assert any("resolv.conf:" in word for word in words) is (not offline and Path("/etc/resolv.conf").is_file())


def test_resolv_conf(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    file = tmp_path / "etc/resolv.conf"
    assert resolv_conf_target(tmp_path) is None
    file.write_text("")
    assert resolv_conf_target(tmp_path) == "/etc/resolv.conf"
    for link, target in (
        ("../run/systemd/resolve/stub-resolv.conf", "/run/systemd/resolve/stub-resolv.conf"),
        ("/run/resolv", "/run/resolv"),
        ("elsewhere", None),
    ):
        file.unlink()
        file.symlink_to(link)
        assert resolv_conf_target(tmp_path) == target


def test_not_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(GenpackError, match="must run as root to build"):
        preflight.root("build an image")


def test_missing_programs_are_named_together(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GenpackError) as caught:
        preflight.programs(["mksquashfs", "unsquashfs", "systemd-nspawn"])
    assert "mksquashfs is needed to" in caught.value.message
    assert "systemd-nspawn is needed to" in caught.value.message
    assert "'apt install squashfs-tools systemd-container'" in str(caught.value.tip)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("mksquashfs version 4.5.1 (2022/03/17)", (4, 5, 1)),
        ("mksquashfs version 4.7 (2025/01/01)", (4, 7, 0)),
        ("rubbish", (0, 0, 0)),
    ],
)
def test_mksquashfs_versions(text: str, version: tuple[int, int, int]) -> None:
    assert preflight.mksquashfs_version(text) == version


@pytest.mark.spawns
@pytest.mark.parametrize(
    ("version", "good"),
    [("4.6.1", True), ("4.7", False), ("4.7.4", False), ("4.7.5", True), ("4.8", True), ("4.5.1", True)],
)
def test_mksquashfs_that_corrupts_is_refused(
    version: str, good: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mksquashfs").write_text(f"#!/bin/sh\necho 'mksquashfs version {version} (2025/01/01)'\nexit 1\n")
    (tmp_path / "mksquashfs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    if good:
        preflight.mksquashfs()
    else:
        with pytest.raises(GenpackError, match=f"mksquashfs {version} may corrupt"):
            preflight.mksquashfs()
