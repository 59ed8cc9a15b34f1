# SPDX-License-Identifier: MIT
"""Stage3 and snapshot from a mirror: verified with real gpg, remembered, refused."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes import AUTOBUILDS, POINTER, SNAPSHOT, STAGE3, STAMP, Key, make_key, make_mirror, remove_key
from genpack.arch import ARCHES
from genpack.errors import GenpackError, TrustError, UsageError
from genpack.inputs import Inputs, Resolver
from genpack.log import Log
from genpack.trust import Verifier, keyring_file

from genpack import fetch, hashing

pytestmark = [
    pytest.mark.spawns,
    pytest.mark.skipif(shutil.which("gpg") is None, reason="needs gpg"),
]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Key]]:
    folder = tmp_path_factory.mktemp("keys")
    made = {"good": make_key(folder, "good"), "other": make_key(folder, "other")}
    yield made
    for key in made.values():
        remove_key(key)


@pytest.fixture(scope="module")
def pristine(keys: dict[str, Key], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_mirror(tmp_path_factory.mktemp("mirror"), keys["good"])


@pytest.fixture
def mirror(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "mirror"))


Resolve = Callable[..., Inputs]


@pytest.fixture
def resolve(keys: dict[str, Key], mirror: Path, tmp_path: Path) -> Resolve:
    def run(keyring: str | None = "good", mirrors: tuple[Path | str, ...] = (mirror,)) -> Inputs:
        places = fetch.mirrors([str(place) for place in mirrors], tmp_path / "cache", Log())
        with Verifier(keys[keyring].public if keyring else None, tmp_path / "gpg") as verifier:
            return Resolver(places, verifier, tmp_path / "cache").resolve(ARCHES["x86_64"])

    return run


def verifier(folder: Path, key: Key) -> Verifier:
    return Verifier(key.public, folder / "gpg")


def test_good(resolve: Resolve, mirror: Path) -> None:
    inputs = resolve()
    assert (inputs.stage3.name, inputs.stage3.path) == (STAGE3, mirror / STAGE3)
    assert inputs.stage3.sha256 == hashlib.sha256((mirror / STAGE3).read_bytes()).hexdigest()
    assert inputs.snapshot.path == mirror / SNAPSHOT
    assert inputs.stage3.unchanged()
    (mirror / STAGE3).write_bytes(b"")
    assert not inputs.stage3.unchanged()


def test_a_cache_with_a_long_path(keys: dict[str, Key], mirror: Path, tmp_path: Path) -> None:
    """Longer than the address of gpg's agent may be."""
    places = fetch.mirrors([str(mirror)], tmp_path / "cache", Log())
    with Verifier(keys["good"].public, tmp_path / ("x" * 120)) as verifier:
        assert Resolver(places, verifier, tmp_path / "cache").resolve(ARCHES["x86_64"]).stage3.name == STAGE3


def test_digests_stand_in_for_sha256(resolve: Resolve, mirror: Path) -> None:
    (mirror / f"{STAGE3}.sha256").unlink()
    assert resolve().stage3.size > 0


def test_what_was_verified_is_remembered(resolve: Resolve, monkeypatch: pytest.MonkeyPatch) -> None:
    first = resolve()

    def refuse(*words: object, **_: object) -> None:
        raise AssertionError(f"a program is started again: {words}")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    hashed: list[Path] = []
    monkeypatch.setattr(hashing, "of_file", lambda path, *_: hashed.append(path))
    assert resolve() == first
    assert hashed == []


def test_another_keyring_forgets_what_was_verified(resolve: Resolve) -> None:
    resolve()
    with pytest.raises(TrustError, match="not in the keyring"):
        resolve("other")


def damage(path: Path) -> int:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    return path.write_bytes(content)


@pytest.mark.parametrize("again", [False, True], ids=["at first", "after a good run"])
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda m: (m / STAGE3).write_bytes((m / STAGE3).read_bytes()[:-1]), rf"{STAGE3} is truncated: \d+ bytes, not"),
        (lambda m: damage(m / STAGE3), r"damaged: its SHA-256"),
        (lambda m: ((m / f"{STAGE3}.sha256").unlink(), damage(m / STAGE3)), r"damaged: its SHA-512"),
        (lambda m: (m / f"{STAGE3}.asc").unlink(), r"no signature: \.asc is missing"),
        (lambda m: (m / f"{STAGE3}.asc").write_text("rubbish"), r"has no signature that gpg can read"),
        (
            lambda m: (m / POINTER).write_bytes((m / POINTER).read_bytes().replace(b"Latest", b"Newest")),
            r"latest-stage3-amd64-systemd\.txt: the signature by key \w+ does not fit",
        ),
        (lambda m: (m / POINTER).write_text(f"x/{STAGE3.rsplit('/', 1)[1]} 1\n"), r"\.txt: has no signature"),
        (lambda m: damage(m / SNAPSHOT), r"damaged or truncated: its MD5"),
        (
            lambda m: ((m / f"{SNAPSHOT}.md5sum").unlink(), damage(m / SNAPSHOT)),
            r"latest\.tar\.xz: the signature by key \w+ does not fit",
        ),
        (lambda m: (m / f"{SNAPSHOT}.gpgsig").unlink(), r"no signature: \.gpgsig is missing"),
        (
            lambda m: shutil.copy(m / f"{STAGE3}.asc", m / f"{SNAPSHOT}.gpgsig"),
            r"latest\.tar\.xz: the signature by key \w+ does not fit",
        ),
    ],
)
def test_refused(resolve: Resolve, mirror: Path, spoil: Callable[[Path], object], words: str, again: bool) -> None:
    if again:
        resolve()
    spoil(mirror)
    with pytest.raises(TrustError, match=words) as caught:
        resolve()
    assert "\n" not in caught.value.message
    assert caught.value.tip


def test_unsigned_text_after_the_signed_one_is_not_read(resolve: Resolve, mirror: Path) -> None:
    with (mirror / POINTER).open("a") as file:
        file.write("evil/stage3-amd64-systemd-evil.tar.xz 5\n")
    assert resolve().stage3.name == STAGE3


def test_an_expired_key(tmp_path: Path) -> None:
    past = ("--faked-system-time", "20200101T000000!")
    key = make_key(tmp_path, "old", "1d", options=past)
    signed = key.gpg(*past, "--clearsign", data=b"x\n")
    remove_key(key)
    with (
        verifier(tmp_path, key) as looking,
        pytest.raises(TrustError, match=r"^file: the key \w+ of the .* has expired"),
    ):
        looking.clearsigned("file", signed)


def test_an_expired_signature_by_a_key_that_holds(tmp_path: Path) -> None:
    past = ("--faked-system-time", "20200101T000000!")
    key = make_key(tmp_path, "lasting", options=past)
    signed = key.gpg(*past, "--default-sig-expire", "1d", "--clearsign", data=b"x\n")
    remove_key(key)
    with (
        verifier(tmp_path, key) as looking,
        pytest.raises(TrustError, match=r"^file: the signature by .* has expired"),
    ):
        looking.clearsigned("file", signed)


def test_a_revoked_key(tmp_path: Path) -> None:
    key = make_key(tmp_path, "revoked")
    signed = key.clearsign("x\n")
    (revocation,) = (key.home / "openpgp-revocs.d").glob("*.rev")
    revocation.write_text(revocation.read_text().replace("\n:-----BEGIN", "\n-----BEGIN"))
    key.gpg("--import", revocation)
    key.public.write_bytes(key.gpg("--armor", "--export"))
    remove_key(key)
    with (
        verifier(tmp_path, key) as looking,
        pytest.raises(TrustError, match=r"^file: the key \w+ .* was revoked"),
    ):
        looking.clearsigned("file", signed)


def test_no_signature_at_all(keys: dict[str, Key], tmp_path: Path) -> None:
    with verifier(tmp_path, keys["good"]) as looking:
        for data in (b"x\n", b"", keys["good"].gpg("--store", data=b"x\n")):
            with pytest.raises(TrustError, match=r"^file: has no signature that gpg can read$"):
                looking.clearsigned("file", data)


def test_signed_files_under_another_name(resolve: Resolve, mirror: Path, keys: dict[str, Key]) -> None:
    """Each signature is good; the file is an older one, put in the place of the real one."""
    old = STAGE3.replace(STAMP, "20230101T000000Z")
    sums = mirror / f"{STAGE3}.sha256"
    text = sums.read_bytes()
    sums.write_bytes(keys["good"].clearsign(f"# SHA256 HASH\n{'a' * 64}  {old.rsplit('/', 1)[1]}\n"))
    with pytest.raises(TrustError, match=r"\.sha256 is signed for another file \(stage3-amd64-systemd-20230101T"):
        resolve()
    sums.unlink()
    digests = mirror / f"{STAGE3}.DIGESTS"
    digests.write_bytes(keys["good"].clearsign(f"# SHA512 HASH\n{'a' * 128}  {old.rsplit('/', 1)[1]}\n"))
    with pytest.raises(TrustError, match=r"\.DIGESTS is signed for another file \(stage3-amd64-systemd-20230101T"):
        resolve()
    sums.write_bytes(text)
    (mirror / POINTER).write_bytes(keys["good"].clearsign("20240102T030405Z/stage3-i686-systemd-1.tar.xz 5\n"))
    with pytest.raises(TrustError, match=r"-amd64-systemd\.txt is signed for another file \(.*stage3-i686-systemd-1"):
        resolve()


def test_no_verify_still_checks_sizes_and_hashes(resolve: Resolve, mirror: Path) -> None:
    (mirror / f"{STAGE3}.asc").unlink()
    (mirror / f"{SNAPSHOT}.gpgsig").unlink()
    assert resolve(None).stage3.name == STAGE3
    damage(mirror / STAGE3)
    with pytest.raises(TrustError, match="SHA-256"):
        resolve(None)


def test_the_first_mirror_that_has_a_file_gives_it(resolve: Resolve, mirror: Path, tmp_path: Path) -> None:
    (tmp_path / "only-distfiles").mkdir()
    assert resolve(mirrors=(tmp_path / "only-distfiles", mirror)).stage3.mirror == str(mirror)
    with pytest.raises(GenpackError, match=r"no mirror has releases/amd64/.*only-distfiles"):
        resolve(mirrors=(tmp_path / "only-distfiles",))
    shutil.rmtree(mirror / AUTOBUILDS / STAGE3.split("/")[-2])
    with pytest.raises(GenpackError, match=r"no mirror has .* \(named by "):
        resolve()


def test_mirror_addresses(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    folder.mkdir()
    for address in (str(folder), folder.as_uri()):
        (mirror,) = fetch.mirrors([address], tmp_path, Log())
        assert mirror.name == str(folder)
    for address in ("ftp://example.invalid/x", "rsync://example.invalid", str(tmp_path / "gone")):
        with pytest.raises(UsageError, match=f"^mirror {address}: "):
            fetch.mirrors([address], tmp_path, Log())


def test_keyrings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="is no file"):
        keyring_file(tmp_path / "gone")
    monkeypatch.setattr("genpack.trust.GENTOO_KEYRING", tmp_path / "gentoo")
    with pytest.raises(UsageError) as caught:
        keyring_file(None)
    assert "--keyring" in str(caught.value.tip)
    (tmp_path / "gentoo").write_text("no key")
    assert keyring_file(None) == tmp_path / "gentoo"
    with (
        Verifier(tmp_path / "gentoo", tmp_path / "gpg") as verifier,
        pytest.raises(UsageError, match="no usable public key"),
    ):
        verifier.clearsigned("x", b"y")
