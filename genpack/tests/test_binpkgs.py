# SPDX-License-Identifier: MIT
"""The cache of binary packages: who may clean it up, and what emerge's output tells of binary packages."""

from __future__ import annotations

from pathlib import Path

from conftest import Reading
from genpack.binhosts import Binhosts, parse
from genpack.workdir import WorkDir

from genpack import binpkgs, merge, options, portage, tree

UNUSABLE = """\
 * Binary package is not usable (verification failed):
 * \t[GNUPG:] {status}
!!! Error extracting '/var/cache/binhost/{name}/app-misc/toy/toy-1.0-1.gpkg.tar', GnuPG verification failed
"""


def test_alone_only_while_nobody_uses_it(tmp_path: Path) -> None:
    folder = tmp_path / "binpkgs/x86_64"
    with binpkgs.shared(folder), binpkgs.shared(folder), binpkgs.alone(folder) as mine:
        assert not mine
    with binpkgs.alone(folder) as mine:
        assert mine


def test_a_cache_of_its_own(read: Reading, tmp_path: Path) -> None:
    given = {**dict.fromkeys(options.OPTIONS), "directory": tmp_path, "arch": "i686"}
    settings, _ = options.read(given)
    work = WorkDir(tmp_path / "work", "i686", None)
    for text, place in (("", settings.cache / "binpkgs/i686"), (", independent_binpkgs: true", work.binpkgs)):
        merged = merge.merge(read(f"{{name: 'x'{text}}}")[0], "i686", None, "x")
        assert tree.binpkgs(settings, merged, work) == place


def test_damage_is_told_from_a_failed_build() -> None:
    assert binpkgs.at_fault("!!! Digest verification failed:\n!!! /var/cache/binpkgs/a/b/b-1-1.gpkg.tar\n")
    assert binpkgs.at_fault("!!! Error extracting '/var/cache/binpkgs/a/b/b-1-1.gpkg.tar', no\n")
    assert not binpkgs.at_fault(">>> Emerging binary (1 of 1) a/b-1\ntoy.c:6: error\n")


def test_refused(tmp_path: Path) -> None:
    hosts = Binhosts(parse(["http://x.invalid/p"]), False, Path("/k.asc"), tmp_path)
    name = hosts.hosts[0].name
    for status, why in (
        ("NODATA 1", "it is not signed"),
        ("NO_PUBKEY AB12", "signed by key AB12, which is not in the keyring /k.asc"),
        ("BADSIG AB12 x", "the signature by key AB12 does not fit: it was changed or is damaged"),
        ("TRUST_UNDEFINED 0", "the signature's key is not trusted"),
        ("EXPKEYSIG AB12 x", "the key AB12 of the signature has expired"),
    ):
        found = hosts.refused(UNUSABLE.format(status=status, name=name))
        assert found is not None
        text = "binary package app-misc/toy/toy-1.0-1.gpkg.tar of http://x.invalid/p is refused: "
        assert found[0] == text + why
    assert hosts.refused("!!! Error extracting '/var/cache/binpkgs/a/b/b-1-1.gpkg.tar', no\n") is None


def test_unreachable(tmp_path: Path) -> None:
    hosts = Binhosts(parse(["http://x.invalid/p"]), False, None, tmp_path)
    name = hosts.hosts[0].name
    text = f"\n!!! [{name}] Error fetching binhost package info from 'x'\n!!! [{name}] refused\n\n"
    assert hosts.unreachable(text * 2) == ["binhost http://x.invalid/p is passed over: refused"]


def test_emerge_words() -> None:
    words = portage.Emerge(1, ["a/b"], getbinpkg=True, stale=["c/d"], reinstall=["c/d", "e/f"]).update("@world")
    for word in ("--getbinpkg", "--usepkg-exclude=a/b c/d", "--buildpkg-exclude=a/b", "--reinstall-atoms=c/d e/f"):
        assert word in words
    plain = portage.Emerge(1).update("@world")
    assert "--getbinpkg" not in plain
    assert not any("exclude" in word or "reinstall" in word for word in plain)
