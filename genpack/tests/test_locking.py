# SPDX-License-Identifier: MIT
"""`genpack lock`, and what a lock means for inputs: fetched by HTTP from servers that are down, stale or replay."""

from __future__ import annotations

import hashlib
import shutil
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import FIRST, POINTER, SECOND, SNAPSHOT, Key, make_key, make_mirror, remove_key, tar_xz
from faulty import Faulty, Reply, serve
from genpack.errors import GenpackError, TrustError, UsageError
from genpack.inputs import Inputs, Resolver
from genpack.log import Log
from genpack.plan import Pins
from genpack.settings import Settings
from genpack.trust import Verifier

from genpack import download, fetch, lock, locking, options

pytestmark = [
    pytest.mark.spawns,
    pytest.mark.skipif(shutil.which("gpg") is None, reason="needs gpg"),
]


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Key]:
    made = make_key(tmp_path_factory.mktemp("keys"), "good")
    yield made
    remove_key(made)


@pytest.fixture(scope="module")
def editions(key: Key, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A mirror at one time, and later."""
    first = make_mirror(tmp_path_factory.mktemp("first"), key)
    second = Path(shutil.copytree(first, tmp_path_factory.mktemp("second") / "mirror"))
    return first, make_mirror(second, key, SECOND)


class Place:
    """An artifact, a server with a mirror, and the settings to meet them."""

    def __init__(self, top: Path, server: Faulty, key: Key, overlay: Path) -> None:
        self.top, self.server, self.key, self.overlay = top, server, key, overlay
        self.artifact = top / "artifact"
        self.mirrors = [server.url]

    def settings(self, **more: Any) -> Settings:
        given: dict[str, Any] = dict.fromkeys(options.OPTIONS)
        given |= {"directory": self.artifact, "arch": "x86_64", "mirror": self.mirrors, "keyring": self.key.public}
        return options.read(given | {"overlay_override": self.overlay} | more)[0]

    def lock(self, *, update: bool = False, **more: Any) -> dict[str, Any]:
        path = locking.run(self.settings(**more), Log(), update=update)
        return tomllib.loads(path.read_text())

    def resolve(self, **more: Any) -> Inputs:
        """The inputs of a build."""
        settings = self.settings(**more)
        found = fetch.mirrors(settings.mirrors, settings.cache, Log(), offline=settings.offline)
        pins = lock.read(self.artifact)
        with Verifier(settings.keyring if settings.verify else None, self.top / "gpg") as verifier:
            resolver = Resolver(found, verifier, settings.cache, lock=pins, offline=settings.offline)
            return resolver.resolve(settings.arch)

    def become(self, mirror: Path) -> None:
        """The server has this from now on."""
        shutil.rmtree(self.server.top)
        shutil.copytree(mirror, self.server.top)

    def finished(self) -> list[str]:
        """Files in the cache that have a final name."""
        return sorted(path.name for path in (self.settings().cache / "downloads/files").glob("*/*"))


@pytest.fixture
def place(
    tmp_path: Path,
    editions: tuple[Path, Path],
    key: Key,
    overlay: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Place]:
    monkeypatch.setattr(download, "PAUSES_SECONDS", (0, 0))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "artifact").mkdir()
    (tmp_path / "artifact/genpack.json5").write_text("{name: 'a'}")
    shutil.copytree(editions[0], tmp_path / "served")
    with serve(tmp_path / "served") as server:
        yield Place(tmp_path, server, key, overlay)


def test_a_lock_pins_the_dated_files(place: Place, editions: tuple[Path, Path]) -> None:
    found = place.lock()
    stage3 = (editions[0] / FIRST.stage3).read_bytes()
    sha256 = hashlib.sha256(stage3).hexdigest()
    assert found["stage3"] == {"x86_64": {"path": FIRST.stage3, "size": len(stage3), "sha256": sha256}}
    sha256 = hashlib.sha256((editions[0] / SNAPSHOT).read_bytes()).hexdigest()
    assert found["snapshot"] == {"path": FIRST.snapshot, "sha256": sha256, "commit": "abc", "time": FIRST.epoch}
    assert found["overlay"]["source"] == "folder"
    assert [path.name for path in place.artifact.iterdir() if path.name.startswith(".")] == []


def test_locked_files_have_the_same_pins_as_the_same_files_without_a_lock(place: Place) -> None:
    def pins(inputs: Inputs) -> Pins:
        return Pins(inputs.stage3.sha256, inputs.snapshot.sha256, "o", {})

    before = place.resolve()
    place.lock()
    after = place.resolve()
    assert pins(before) == pins(after)
    assert after.snapshot.name == FIRST.snapshot


def test_a_lock_holds_while_the_mirror_moves_on(place: Place, editions: tuple[Path, Path]) -> None:
    first = place.lock()
    place.become(editions[1])
    assert place.resolve().stage3.name == FIRST.stage3
    shutil.rmtree(place.settings().cache)  # not the cache alone: the mirror still has the dated files
    assert place.resolve().snapshot.name == FIRST.snapshot
    assert POINTER not in [path for path, _ in place.server.asked[-10:]]
    assert place.lock() == first
    second = place.lock(update=True)
    assert second["stage3"]["x86_64"]["path"] == SECOND.stage3
    assert second["snapshot"]["path"] == SECOND.snapshot
    assert place.resolve().stage3.name == SECOND.stage3


def test_a_locked_build_asks_nobody_when_the_cache_has_it_all(place: Place) -> None:
    place.lock()
    place.server.asked.clear()
    place.resolve()
    assert place.server.asked == []


def test_missing_parts_are_added_and_the_others_stay(place: Place, editions: tuple[Path, Path]) -> None:
    whole = place.lock()
    text = (place.artifact / "genpack.lock").read_text()
    place.become(editions[1])
    (place.artifact / "genpack.lock").write_text(text[: text.index("[snapshot]")])
    found = place.lock()
    assert found["stage3"] == whole["stage3"]
    assert found["snapshot"]["path"] == SECOND.snapshot
    assert found["overlay"] == whole["overlay"]


def test_update_refuses_to_go_back(place: Place, editions: tuple[Path, Path]) -> None:
    place.become(editions[1])
    place.lock()
    text = (place.artifact / "genpack.lock").read_text()
    place.become(editions[0])
    with pytest.raises(TrustError, match=r"stage3 of 20240102T030405Z, older than the one of 20240209T000000Z in genp"):
        place.lock(update=True)
    for name in (POINTER, SECOND.stage3, f"{SECOND.stage3}.asc", f"{SECOND.stage3}.sha256"):
        (place.server.top / name).parent.mkdir(exist_ok=True)
        shutil.copy(editions[1] / name, place.server.top / name)
    with pytest.raises(TrustError, match=r"gentoo-latest.* is a snapshot of 2024-01-02 03:04:05, older than the one"):
        place.lock(update=True)
    assert (place.artifact / "genpack.lock").read_text() == text


def test_a_mirror_older_than_the_lock(place: Place, editions: tuple[Path, Path]) -> None:
    """A replayed index: the pinned files are not there, and the index names older ones."""
    place.become(editions[1])
    place.lock()
    place.become(editions[0])
    shutil.rmtree(place.settings().cache)
    with pytest.raises(TrustError, match=r"-systemd\.txt names a stage3 of 20240102T030405Z, older than .* in genp"):
        place.resolve()


def test_a_mirror_that_no_longer_has_the_pinned_files(place: Place) -> None:
    place.lock()
    shutil.rmtree(place.settings().cache)
    shutil.rmtree((place.server.top / FIRST.stage3).parent)
    with pytest.raises(GenpackError, match=rf"no mirror has {FIRST.stage3} \(pinned by genpack\.lock\)") as caught:
        place.resolve()
    assert "genpack lock --update" in str(caught.value.tip)


def test_older_signed_files_under_the_pinned_names(place: Place, editions: tuple[Path, Path]) -> None:
    place.become(editions[1])
    place.lock()
    shutil.rmtree(place.settings().cache)
    for suffix in ("", ".gpgsig", ".md5sum"):
        shutil.copy(editions[1] / f"{FIRST.snapshot}{suffix}", place.server.top / f"{SECOND.snapshot}{suffix}")
    with pytest.raises(TrustError, match=r"20240208.* is a snapshot of 2024-01-02 .*, older than the one of 2024"):
        place.resolve()
    assert [name for name in place.finished() if "gentoo" in name] == []
    shutil.rmtree(place.settings().cache)
    for suffix in ("", ".asc", ".sha256", ".DIGESTS"):
        shutil.copy(editions[1] / f"{FIRST.stage3}{suffix}", place.server.top / f"{SECOND.stage3}{suffix}")
    with pytest.raises(TrustError, match=r"\.sha256 is signed for another file \(stage3-amd64-systemd-20240102T"):
        place.resolve()
    (place.server.top / f"{SECOND.stage3}.sha256").unlink()
    with pytest.raises(GenpackError, match=r"is not the file that genpack\.lock pins|bytes long, not"):
        place.resolve()
    assert place.finished() == []


def test_another_file_of_the_same_time(place: Place, key: Key) -> None:
    place.lock()
    shutil.rmtree(place.settings().cache)
    other = tar_xz({"gentoo-20240102/metadata/timestamp.commit": f"abc {FIRST.epoch} time\n".encode(), "x": b""})
    (place.server.top / FIRST.snapshot).write_bytes(other)
    (place.server.top / f"{FIRST.snapshot}.gpgsig").write_bytes(key.detach(other))
    for verify in (True, False):
        with pytest.raises(TrustError, match=r"is not the file that genpack\.lock pins: its SHA-256 is "):
            place.resolve(no_verify=not verify)
    assert [name for name in place.finished() if "gentoo" in name] == []


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda top: (top / f"{FIRST.stage3}.asc").unlink(), r"has no signature: \.asc is missing"),
        (lambda top: (top / f"{SNAPSHOT}.gpgsig").unlink(), r"has no signature: \.gpgsig is missing"),
        (lambda top: (top / f"{FIRST.stage3}.asc").write_text("x"), "has no signature that gpg can read"),
        (lambda top: (top / f"{SNAPSHOT}.md5sum").write_text("x"), "is damaged or truncated: its MD5"),
        (lambda top: shutil.copy(top / f"{SNAPSHOT}.gpgsig", top / f"{FIRST.stage3}.asc"), "does not fit"),
        (lambda top: shutil.copy(top / FIRST.stage3, top / SNAPSHOT), "is damaged or truncated: its MD5"),
    ],
)
def test_what_is_refused_is_not_kept(place: Place, spoil: Callable[[Path], object], said: str) -> None:
    whole = place.server.top.with_name("whole")
    shutil.copytree(place.server.top, whole)
    spoil(place.server.top)
    with pytest.raises(TrustError, match=said) as caught:
        place.resolve()
    assert place.server.url in caught.value.message
    assert caught.value.tip
    assert "\n" not in caught.value.message
    names = place.finished()
    assert names in ([], [FIRST.stage3.rsplit("/", 1)[1]])  # the stage3 was good when the snapshot's turn came
    place.become(whole)
    place.resolve()


def test_the_next_mirror_stands_in(
    place: Place, editions: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    place.mirrors = ["http://127.0.0.1:9", place.server.url]
    place.lock()
    shown = capsys.readouterr().err
    assert shown.count("note: http://127.0.0.1:9/") == 1
    assert f"mirrors left: {place.server.url}" in shown
    shutil.rmtree(place.settings().cache)
    place.mirrors = [place.server.url, str(editions[0])]
    place.server.script["*"] = [Reply(503)]
    assert place.resolve().stage3.mirror == str(editions[0])
    place.server.script = {FIRST.snapshot: [Reply(404)]}
    assert place.resolve().snapshot.mirror == str(editions[0])
    assert f"{place.server.url} has no gentoo-20240102.tar.xz: taken from {editions[0]}" in capsys.readouterr().err
    place.server.script["*"] = [Reply(503)]
    place.mirrors = [place.server.url]
    shutil.rmtree(place.settings().cache)
    with pytest.raises(GenpackError, match="the server says 503"):
        place.resolve()


def test_a_mirror_with_a_wrong_file_is_not_passed_over(place: Place, editions: tuple[Path, Path]) -> None:
    (place.server.top / f"{FIRST.stage3}.asc").write_text("x")
    place.mirrors.append(str(editions[0]))
    with pytest.raises(TrustError):
        place.resolve()


@pytest.mark.parametrize("locked", [True, False])
def test_offline_after_a_fill(place: Place, locked: bool) -> None:
    if locked:
        place.lock()
    before = place.resolve()
    place.server.asked.clear()
    place.server.script["*"] = [Reply(503)]
    assert place.resolve(offline=True) == before
    assert place.server.asked == []


def test_offline_says_what_is_missing(place: Place) -> None:
    def refused(name: str) -> None:
        with pytest.raises(GenpackError) as caught:
            place.resolve(offline=True)
        assert caught.value.message == f"--offline: {name} is neither in the cache nor in a local mirror"
        assert "run 'genpack lock' once without --offline" in str(caught.value.tip)

    refused(POINTER)
    place.lock()
    shutil.rmtree(place.settings().cache)
    refused(f"{FIRST.stage3} (pinned by genpack.lock)")
    place.resolve()
    for path in (place.settings().cache / "downloads/files").glob("*/gentoo-*"):
        path.unlink()
    refused(f"{FIRST.snapshot} (pinned by genpack.lock)")


def test_no_dated_snapshot(place: Place) -> None:
    for path in place.server.top.glob("snapshots/gentoo-2024*"):
        path.unlink()
    with pytest.raises(GenpackError, match=r"has no dated snapshot .* \(asked for: gentoo-20240102, gentoo-20240103,"):
        place.lock()
    assert not (place.artifact / "genpack.lock").exists()


@pytest.mark.parametrize("content", [b"", b"abc\n", b"abc soon x\n", b"abc 0 x\n", b"abc 99999999999 x\n", None])
def test_a_snapshot_without_a_time(place: Place, key: Key, content: bytes | None) -> None:
    name = "gentoo-20240102/" + ("metadata/other" if content is None else "metadata/timestamp.commit")
    archive = tar_xz({name: content or b""})
    for path in (SNAPSHOT, FIRST.snapshot):
        (place.server.top / path).write_bytes(archive)
        (place.server.top / f"{path}.gpgsig").write_bytes(key.detach(archive))
        (place.server.top / f"{path}.md5sum").write_text(f"{hashlib.md5(archive).hexdigest()}  x\n")
    with pytest.raises(GenpackError, match=r"has no metadata/timestamp|says '.*', not 'COMMIT EPOCH TIME'") as caught:
        place.lock()
    assert "\n" not in caught.value.message


def test_locked(place: Place) -> None:
    with pytest.raises(GenpackError, match=r"--locked: there is no genpack\.lock"):
        place.lock(locked=True)
    with pytest.raises(UsageError, match="exclude each other"):
        place.lock(locked=True, update=True)
    found = place.lock()
    assert place.lock(locked=True) == found
    with pytest.raises(GenpackError, match=r"does not pin stage3\.i686"):
        place.lock(locked=True, arch="i686")
    (place.overlay / "metadata/layout.conf").write_text("masters = gentoo\n# changed\n")
    for more in ({"locked": True}, {}):
        with pytest.raises(TrustError, match=r"is not the genpack-overlay of genpack\.lock"):
            place.lock(**more)
    assert place.lock(update=True)["overlay"] != found["overlay"]


def test_no_artifact(place: Place) -> None:
    (place.artifact / "genpack.json5").unlink()
    with pytest.raises(UsageError, match=r"no genpack\.json5"):
        place.lock()
    assert list(place.artifact.iterdir()) == []


def test_no_verify_warns_every_time(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    for path in place.server.top.rglob("*.asc"):
        path.unlink()
    for update in (False, True, True):
        place.lock(no_verify=True, update=update)
        assert "signatures of stage3 and snapshot are NOT checked" in capsys.readouterr().err
