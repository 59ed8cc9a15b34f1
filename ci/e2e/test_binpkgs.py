# SPDX-License-Identifier: MIT
"""Binary packages: signed ones of a host, damaged ones in the cache, a changed ebuild, two builds at once. One lower
layer, with a cache of its own, carries all of them; the tests follow each other."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from harness.commands import Result, run
from harness.toy import Mirror, Workspace
from harness.webserver import serve

TOY = "app-misc/toy/toy-1.0-1.gpkg.tar"
EBUILD = (
    'EAPI=8\nDESCRIPTION="x"\nHOMEPAGE="https://x.invalid"\nLICENSE="MIT"\nSLOT="0"\nKEYWORDS="amd64"\nS=${WORKDIR}\n'
)
#: A key each in /root/NAME of the lower layer, and the folders NAME of packages signed by it.
SIGN = """set -e
cd /root
mkdir -p /run/lock
for name in good other; do
    mkdir -m 700 $name
    gpg --homedir $name --batch --passphrase '' --quick-generate-key "$name <$name@invalid>" ed25519 sign
    gpg --homedir $name --armor --export > $name.asc
    cp -a /var/cache/binpkgs hosts-$name
    export PKGDIR=/root/hosts-$name BINPKG_GPG_SIGNING_GPG_HOME=/root/$name BINPKG_GPG_SIGNING_KEY=$name
    for file in $(find hosts-$name -name '*.gpkg.tar'); do gpkg-sign --allow-unsigned $file; done
    FEATURES=binpkg-ignore-signature emaint --fix binhost
    gpgconf --homedir /root/$name --kill all
done
cp -a /var/cache/binpkgs hosts-unsigned
"""
#: Portage's own trust set-up, as getuto makes it of Gentoo's keys.
TRUST = """mkdir -m 755 -p /etc/portage/gnupg
gpg --homedir /etc/portage/gnupg --batch --import /root/good.asc
gpg --homedir /etc/portage/gnupg --list-keys --with-colons | sed -n 's/^fpr:*\\([^:]*\\):.*/\\1:6:/p' \\
    | gpg --homedir /etc/portage/gnupg --import-ownertrust
gpg --homedir /etc/portage/gnupg --batch --check-trustdb
gpgconf --homedir /etc/portage/gnupg --kill all
chmod -R a+rX /etc/portage/gnupg
"""


@pytest.fixture(scope="module")
def place(toy_mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """The toy, built; the packages of that build are signed by two keys, one of which is in the keyring."""
    base = tmp_path_factory.mktemp("binpkgs")
    made = Workspace(base, replace(toy_mirror, keyring=base / "keyring.asc"), base / "cache")
    shutil.copyfile(toy_mirror.keyring, made.mirror.keyring)
    made.define()
    made.genpack("lower").ok()
    made.genpack("bash", "sh", "-c", SIGN).ok()
    root = lower(made) / "root"
    for name in ("good", "other", "unsigned"):
        shutil.move(root / f"hosts-{name}", base / name)
    made.mirror.keyring.write_bytes(toy_mirror.keyring.read_bytes() + (root / "good.asc").read_bytes())
    yield made
    run("rm", "-rf", base)


def lower(place: Workspace) -> Path:
    return place.work / "x86_64/lower"


def packages(place: Workspace) -> Path:
    return place.cache / "genpack/binpkgs/x86_64"


def again(place: Workspace, *words: str | Path, why: str, keep: bool = False) -> Result:
    """Installs the toy again: without it in the layer, and in the cache only if `keep`."""
    place.genpack("bash", "emerge", "--quiet", "--rage-clean", "app-misc/toy")
    assert not (lower(place) / "var/db/pkg/app-misc/toy-1.0").exists()
    if not keep:
        shutil.rmtree(packages(place), ignore_errors=True)
    place.define(use={"app-misc/none": why})
    return place.genpack(*map(str, words), "lower")


def log(place: Workspace) -> str:
    return max((place.work / "x86_64/logs").glob("lower-*[0-9].log"), key=lambda p: p.stat().st_mtime_ns).read_text()


def test_packages_of_a_folder_and_of_a_server(place: Workspace) -> None:
    with serve(place.base / "good") as gone:
        pass
    with serve(place.base / "good") as web:
        hosts = ("--binhost", web.url, "--binhost", place.base / "good")
        result = again(place, *hosts, "--offline", why="folder").ok()
        assert f"note: --offline: binhost {web.url} is not asked" in result.stderr
        assert web.log == []
        assert "Emerging binary (1 of 1) app-misc/toy-1.0" in log(place)
        assert not list(packages(place).rglob("*.gpkg.tar"))
        result = again(place, "--binhost", gone.url, "--binhost", web.url, why="server").ok()
        assert f"note: binhost {gone.url} is passed over: " in result.stderr
        assert web.of(TOY) == [(None, 200)]
        assert "Emerging binary (1 of 1) app-misc/toy-1.0" in log(place)
    # Nothing of a host stays.
    left = [
        path for name in ("etc/portage/binrepos.conf", "var/cache/binhost") for path in (lower(place) / name).rglob("*")
    ]
    assert left == []


def test_refused_packages(place: Workspace) -> None:
    for name, why in (("unsigned", "it is not signed"), ("other", "signed by key ")):
        result = again(place, "--binhost", place.base / name, why=name)
        assert result.status == 1, str(result)
        (line,) = result.error_lines("genpack")
        assert f"binary package {TOY} of {place.base / name} is refused: {why}" in line
        assert "\ntip: " in result.stderr
        assert not (lower(place) / "var/db/pkg/app-misc/toy-1.0").exists()
    again(place, "--no-verify", "--binhost", place.base / "unsigned", why="no-verify").ok()
    assert "Emerging binary (1 of 1) app-misc/toy-1.0" in log(place)


def test_hosts_of_the_stage3_and_a_cache_of_its_own(place: Workspace) -> None:
    root = lower(place)
    place.genpack("bash", "sh", "-ec", TRUST).ok()
    conf = root / "etc/portage/binrepos.conf/stage3.conf"
    conf.parent.mkdir(exist_ok=True)
    own = place.work / "x86_64/binpkgs"
    with serve(place.base / "good") as web:
        conf.write_text(f"[stage3]\nsync-uri = {web.url}\nlocation = /var/cache/binhost/stage3\n")
        result = again(place, "--getbinpkg", "--offline", "--independent-binpkgs", why="offline").ok()
        assert "note: --offline: --getbinpkg has no effect" in result.stderr
        assert web.log == []
        assert "Emerging (1 of 1) app-misc/toy-1.0" in log(place)
        assert [path.name for path in own.rglob("*.gpkg.tar")] == ["toy-1.0-1.gpkg.tar"]
        assert not list(packages(place).rglob("*.gpkg.tar"))
        again(place, "--getbinpkg", why="stage3").ok()
        assert web.of(TOY) == [(None, 200)]
        assert "Emerging binary (1 of 1) app-misc/toy-1.0" in log(place)
    conf.unlink()


@pytest.mark.parametrize("how", ["cut", "flipped", "index"])
def test_damage_in_the_cache_fails_no_build(place: Workspace, how: str) -> None:
    shutil.rmtree(packages(place), ignore_errors=True)
    shutil.copytree(place.base / "unsigned", packages(place))
    file = packages(place) / TOY
    if how == "index":
        (packages(place) / "Packages").write_bytes(b"\0\xff: no index\n\n\n:\n")
    else:
        content = bytearray(file.read_bytes())
        found = file.stat()
        content[len(content) // 2] ^= 0xFF
        file.write_bytes(content if how == "flipped" else content[: len(content) // 2])
        run("touch", "-d", f"@{found.st_mtime_ns / 1e9:.9f}", file).ok()
    result = again(place, why=how, keep=True).ok()
    assert (f"note: binary package {TOY} is dropped: " in result.stderr) is (how != "index"), str(result)
    assert (lower(place) / "usr/bin/toy").is_file()
    again(place, why=f"{how}-after", keep=True).ok()
    assert "Emerging binary (1 of 1) app-misc/toy-1.0" in log(place)


def test_a_changed_ebuild_with_the_same_revision(place: Workspace) -> None:
    overlay = place.base / "genpack-overlay"
    shutil.copytree(place.mirror.overlay, overlay, symlinks=True)
    here = replace(place, mirror=replace(place.mirror, overlay=overlay))
    ebuild = overlay / "app-misc/mine/mine-1.ebuild"
    ebuild.parent.mkdir(parents=True)
    for text in ("one", "two"):
        ebuild.write_text(f"{EBUILD}src_install() {{ echo {text} > a; insinto /etc; newins a mine; }}\n")
        here.define(packages=["app-misc/toy", "app-misc/mine"])
        result = here.genpack("lower").ok()
        assert (lower(here) / "etc/mine").read_text() == f"{text}\n"
        assert ("is dropped: its ebuild changed" in result.stderr) is (text == "two")


def test_two_builds_at_once_share_the_cache(place: Workspace) -> None:
    shutil.rmtree(packages(place), ignore_errors=True)
    places = [place, replace(place, base=place.base / "second")]
    places[1].work.mkdir(parents=True)
    run("cp", "-a", place.work / "x86_64", places[1].work).ok()
    for each, flag in zip(places, ("loud", "-loud"), strict=True):
        each.define(use={"app-misc/toy": flag})
        each.genpack("bash", "emerge", "--quiet", "--rage-clean", "app-misc/toy").ok()
    started = [each.start("lower") for each in places]
    ends = [process.communicate(timeout=300) for process in started]
    assert [process.returncode for process in started] == [0, 0], ends
    # What both wrote is listed, and good.
    listed = (packages(place) / "Packages").read_text().count("CPV: app-misc/toy-1.0\n")
    assert listed == len(list(packages(place).rglob("*.gpkg.tar"))) >= 1
    again(place, why="third", keep=True).ok()
    assert "Emerging binary (1 of 1) app-misc/toy-1.0" in log(place)
