# SPDX-License-Identifier: MIT
"""Binary package hosts: which addresses are taken, and what Portage reads about them."""

from __future__ import annotations

from pathlib import Path

import fakes
import pytest
from conftest import Run, define
from genpack.binhosts import Binhosts, fingerprints, parse
from genpack.errors import UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "host").mkdir()
    (tmp_path / "host/Packages").write_text("PACKAGES: 0\n")
    return tmp_path / "host"


def test_addresses(folder: Path) -> None:
    hosts = parse([str(folder), f"file://{folder}", "https://x.invalid/p%20q/", "https://x.invalid/p%20q"])
    assert [(host.folder, host.uri) for host in hosts] == [
        (folder, f"file://{hosts[0].mount}"),
        (None, "https://x.invalid/p%20q"),
    ]
    assert hosts[0].name != hosts[1].name


def test_addresses_that_are_none(genpack: Run, tmp_path: Path, folder: Path) -> None:
    (folder / "Packages").unlink()
    for address, said in (
        ("ftp://x.invalid/", "can't fetch by 'ftp'"),
        (str(tmp_path / "none"), "there is no such folder"),
        (str(folder), "has no file Packages"),
    ):
        with pytest.raises(UsageError, match=said):
            parse([address])
    status, _, err = genpack("-C", define(tmp_path / "a", "{name: 'a'}"), "--binhost", "ftp://x.invalid/", "lower")
    assert status == 2
    assert "genpack: error: binhost ftp://x.invalid/: can't fetch by 'ftp'\ntip: use http, https or a folder" in err


def test_configuration(folder: Path, tmp_path: Path) -> None:
    hosts = Binhosts(parse([str(folder), "http://x.invalid/a%20b"]), False, Path("/k"), tmp_path / "place")
    first, second = hosts.hosts
    text = hosts.configuration()
    assert f"[{first.name}]\nsync-uri = file://{first.mount}\npriority = 1000\n" in text
    assert "sync-uri = http://x.invalid/a%%20b\npriority = 999\n" in text  # Portage's parser takes % for its own
    assert text.count("verify-signature = true") == 2
    assert "verify-signature = false" in Binhosts(hosts.hosts, False, None, tmp_path).configuration()
    assert (folder, first.mount) in hosts.mounts
    assert Binhosts([], True, Path("/k"), tmp_path).mounts == []
    assert Binhosts([], True, Path("/k"), tmp_path).environment == {}
    assert second.folder is None


def test_fingerprints_are_those_of_primary_keys() -> None:
    text = "tru::1:\npub:u:255:\nfpr:::::::::AAAA:\nuid:\nsub:u:\nfpr:::::::::BBBB:\npub:-:\nfpr:::::::::CCCC:\n"
    assert fingerprints(text) == ["AAAA", "CCCC"]


@pytest.mark.spawns
def test_what_portage_reads(folder: Path, tmp_path: Path) -> None:
    key = fakes.make_key(tmp_path, "host")
    try:
        lower = tmp_path / "lower"
        own = lower / "etc/portage/binrepos.conf/gentoobinhost.conf"
        own.parent.mkdir(parents=True)
        own.write_text("[gentoo]\nsync-uri = https://gentoo.invalid\n")
        for old in ("var/cache/edb/binhost/x.invalid/Packages", "var/cache/binhost/old/a.gpkg.tar"):
            (lower / old).parent.mkdir(parents=True)
            (lower / old).touch()
        place = tmp_path / "place"
        for also in (False, True):
            hosts = Binhosts(parse([str(folder)]), also, key.public, place)
            hosts.prepare(lower)
            names = {path.name for path in (place / "binrepos.conf").iterdir()}
            assert names == {"genpack.conf", *(["50-gentoobinhost.conf"] if also else [])}
        assert not (lower / "var/cache/edb/binhost").exists()
        assert not (lower / "var/cache/binhost").exists()
        assert "/keys" in str([path for path, _ in hosts.mounts])
        assert (place / "keys").stat().st_mode & 0o777 == 0o755
        assert {p.stat().st_mode & 0o777 for p in (place / "keys").rglob("*") if p.is_file()} == {0o644}
        (tmp_path / "empty.asc").write_text("")
        with pytest.raises(UsageError, match="holds no usable public key"):
            Binhosts(hosts.hosts, False, tmp_path / "empty.asc", place).prepare(lower)
    finally:
        fakes.remove_key(key)
