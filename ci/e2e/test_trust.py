# SPDX-License-Identifier: MIT
"""Inputs by the real command: locks, downloads over a bad line, --offline, and signatures that are refused."""

from __future__ import annotations

import hashlib
import io
import shutil
import signal
import subprocess
import tarfile
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from harness.commands import Argument, Result, interrupt_group, run
from harness.toy import Mirror, Workspace, wait_until
from harness.webserver import Fault, Web, serve

LATEST = "snapshots/gentoo-latest.tar.xz"
AUTOBUILDS = "releases/amd64/autobuilds"


@pytest.fixture
def web(mirror: Mirror) -> Iterator[Web]:
    """The real mirror over HTTP."""
    with serve(mirror.folder) as served:
        yield served


@dataclass(frozen=True)
class Place(Workspace):
    """A workspace whose mirrors are the given addresses."""

    mirrors: tuple[Argument, ...] = ()

    def argv(self, *words: Argument) -> tuple[str, ...]:
        argv = list(super().argv(*words))
        at = argv.index("--mirror")
        argv[at : at + 2] = [word for address in self.mirrors for word in ("--mirror", str(address))]
        if "--update" in argv:  # it is the command's own
            argv.append(argv.pop(argv.index("--update")))
        return tuple(argv)

    @property
    def lock(self) -> Path:
        return self.artifact / "genpack.lock"

    def kept(self) -> list[str]:
        """Names of the whole files in the cache."""
        return sorted(path.name for path in (self.cache / "genpack/downloads/files").glob("*/*"))


def place(base: Path, mirror: Mirror, *addresses: Argument) -> Place:
    made = Place(base, mirror, base / "cache", addresses)
    made.define()
    return made


def refused(result: Result, *words: str, status: int = 1) -> None:
    """One error line with these words, a tip, and no traceback."""
    assert result.status == status, str(result)
    (line,) = result.error_lines("genpack")
    for word in words:
        assert word in line, f"{word!r} is not in: {line}"
    assert "\ntip: " in result.stderr or "; " in line, str(result)
    assert "Traceback" not in result.output


def name_of_stage3(mirror: Mirror) -> str:
    (path,) = (mirror.folder / AUTOBUILDS).glob("*/stage3-*.tar.xz")
    return path.name


def test_a_lock_over_a_line_that_breaks_and_then_without_any(toy_mirror: Mirror, web: Web, tmp_path: Path) -> None:
    here = place(tmp_path, toy_mirror, web.url)
    name = name_of_stage3(toy_mirror)
    refused(here.genpack("lock", "--locked"), "there is no genpack.lock")
    refused(here.genpack("lock", "--offline"), "--offline: ", "latest-stage3-amd64-systemd.txt")
    # Killed in the middle of the download: nothing has its final name, and the next run goes on.
    web.faults = {name: [Fault(sent=50 << 20, stall=True)]}
    process = here.start("lock")
    wait_until(web.stalled.is_set, "the download stands still", 60)
    interrupt_group(process, signal.SIGKILL)
    process.communicate()
    assert here.kept() == []
    assert not here.lock.exists()
    (part,) = here.cache.rglob("*.part")
    done = part.stat().st_size
    assert 0 < done <= 50 << 20
    busy = Fault(503, headers={"Retry-After": "1"})
    web.faults = {name: [Fault(sent=20 << 20), busy], "-systemd.txt": [busy], ".md5sum": [Fault(sent=0)]}
    web.log.clear()
    assert here.genpack("lock").ok().stdout == f"{here.lock}\n"
    assert web.of(name) == [(f"bytes={done}-", 206), *[(f"bytes={done + (20 << 20)}-", code) for code in (503, 206)]]
    assert here.kept() == ["gentoo-latest.tar.xz", name]
    assert list(here.cache.rglob("*.part*")) == []
    pins = tomllib.loads(here.lock.read_text())
    stage3, snapshot = pins["stage3"]["x86_64"], pins["snapshot"]
    for pin in (stage3, snapshot):
        assert hashlib.sha256((toy_mirror.folder / pin["path"]).read_bytes()).hexdigest() == pin["sha256"]
    assert stage3["size"] == (toy_mirror.folder / stage3["path"]).stat().st_size
    assert snapshot["path"] != "snapshots/gentoo-latest.tar.xz"
    # Everything is in the cache: nobody is asked.
    web.log.clear()
    before = here.lock.read_bytes()
    for words in (("--locked",), ("--offline",), ("--offline", "--update")):
        here.genpack("lock", *words).ok()
    assert web.log == []
    assert here.lock.read_bytes() == before
    (file,) = here.cache.rglob(f"files/*/{name}")
    file.unlink()
    refused(here.genpack("lower", "--offline"), "--offline: ", name, "pinned by genpack.lock")
    assert not list(here.work.rglob("lower"))


def test_two_at_once_fetch_once(toy_mirror: Mirror, web: Web, tmp_path: Path) -> None:
    places = [place(tmp_path / name, toy_mirror, web.url) for name in "ab"]
    places = [replace(each, cache=tmp_path / "cache") for each in places]
    started = [each.start("lock") for each in places]
    ends = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0, 0], ends
    assert places[0].lock.read_bytes() == places[1].lock.read_bytes()
    assert len(web.of(name_of_stage3(toy_mirror))) == 1
    assert sum("another genpack fetches" in stderr for _, stderr in ends) >= 1, ends


# A mirror of tiny archives, signed by keys made here: what a real one can't be made to do.


@dataclass(frozen=True)
class Signer:
    """A key in a home of its own."""

    home: Path
    keyring: Path

    def gpg(self, *words: Argument, data: bytes = b"") -> bytes:
        argv = ["gpg", "--homedir", self.home, "--batch", "--yes", "--passphrase", "", *words]
        return subprocess.run(argv, input=data, capture_output=True, check=True).stdout


def signer(base: Path, name: str, *expiry: str, then: tuple[str, ...] = ()) -> Signer:
    home = base / name
    home.mkdir(mode=0o700)
    made = Signer(home, base / f"{name}.asc")
    made.gpg(*then, "--quick-generate-key", f"{name} <{name}@invalid>", "ed25519", "sign", *expiry)
    made.keyring.write_bytes(made.gpg("--armor", "--export"))
    return made


PAST = ("--faked-system-time", "20200101T000000!")


@pytest.fixture(scope="module")
def signers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Signer]]:
    base = tmp_path_factory.mktemp("k")
    made = {"good": signer(base, "good"), "else": signer(base, "else"), "old": signer(base, "old", "1d", then=PAST)}
    yield made
    for each in made.values():
        run("gpgconf", "--homedir", each.home, "--kill", "all")


def archive(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def tiny_mirror(folder: Path, by: Signer, day: int, options: tuple[str, ...] = ()) -> None:
    """An edition of a day of 2024-01; what is there of other days stays, but for what is called latest."""
    stamp = f"202401{day:02}T000000Z"
    stage3, snapshot = f"{AUTOBUILDS}/{stamp}/stage3-amd64-systemd-{stamp}.tar.xz", f"snapshots/gentoo-202401{day:02}"
    stage3_bytes = archive("usr/bin/emerge", stamp.encode())
    text = f"abc {1704067200 + 86400 * (day - 1)} 2024-01-{day:02}\n"
    snapshot_bytes = archive(f"gentoo-202401{day:02}/metadata/timestamp.commit", text.encode())
    sums = f"{hashlib.sha256(stage3_bytes).hexdigest()}  {Path(stage3).name}\n".encode()
    index = f"{stamp}/{Path(stage3).name} {len(stage3_bytes)}\n".encode()
    written = {
        stage3: stage3_bytes,
        f"{stage3}.asc": by.gpg(*options, "--armor", "--detach-sign", data=stage3_bytes),
        f"{stage3}.sha256": by.gpg(*options, "--clearsign", data=sums),
        f"{AUTOBUILDS}/latest-stage3-amd64-systemd.txt": by.gpg(*options, "--clearsign", data=index),
    }
    signature = by.gpg(*options, "--detach-sign", data=snapshot_bytes)
    for base in (snapshot, "snapshots/gentoo-latest"):
        written |= {f"{base}.tar.xz": snapshot_bytes, f"{base}.tar.xz.gpgsig": signature}
        written[f"{base}.tar.xz.md5sum"] = f"{hashlib.md5(snapshot_bytes).hexdigest()}  {base}\n".encode()
    for path, content in written.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


@pytest.fixture
def tiny(signers: dict[str, Signer], toy_mirror: Mirror, tmp_path: Path) -> Iterator[Place]:
    """An artifact with the tiny mirror of the 5th, over HTTP."""
    tiny_mirror(tmp_path / "tiny", signers["good"], 5)
    with serve(tmp_path / "tiny") as served:
        mirror = Mirror(tmp_path / "tiny", toy_mirror.overlay, signers["good"].keyring)
        yield place(tmp_path / "space", mirror, served.url)


def one(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def unsign(folder: Path) -> None:
    index = folder / AUTOBUILDS / "latest-stage3-amd64-systemd.txt"
    index.write_text(next(line for line in index.read_text().splitlines() if "stage3-" in line) + "\n")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda top: one(top, f"{AUTOBUILDS}/*/*.asc").unlink(), ("has no signature", ".asc is missing")),
        (lambda top: (top / f"{LATEST}.gpgsig").unlink(), ("has no signature", ".gpgsig is missing")),
        (unsign, ("latest-stage3-amd64-systemd.txt", "has no signature that gpg can read")),
        (
            lambda top: shutil.copy(one(top, f"{AUTOBUILDS}/*/*.asc"), top / f"{LATEST}.gpgsig"),
            ("gentoo-latest.tar.xz: the signature by key", "does not fit"),
        ),
    ],
    ids=["missing", "missing-snapshot", "unsigned", "another-file"],
)
def test_what_is_not_as_signed(tiny: Place, spoil: Callable[[Path], object], words: tuple[str, ...]) -> None:
    spoil(tiny.mirror.folder)
    refused(tiny.genpack("lock"), *words)
    assert [name for name in tiny.kept() if "gentoo" in name] == []
    assert not tiny.lock.exists()
    result = tiny.genpack("lock", "--no-verify").ok()
    assert "warning: --no-verify: signatures of stage3 and snapshot are NOT checked" in result.stderr


def test_keys(tiny: Place, signers: dict[str, Signer]) -> None:
    stranger = replace(tiny, mirror=replace(tiny.mirror, keyring=signers["else"].keyring))
    refused(stranger.genpack("lock"), "signed by key", "not in the keyring", "else.asc")
    shutil.rmtree(tiny.mirror.folder)
    tiny_mirror(tiny.mirror.folder, signers["old"], 5, PAST)
    old = replace(tiny, mirror=replace(tiny.mirror, keyring=signers["old"].keyring))
    refused(old.genpack("lock"), "the key", "has expired")
    shutil.rmtree(tiny.mirror.folder)
    tiny_mirror(tiny.mirror.folder, signers["good"], 5)
    index = tiny.mirror.folder / AUTOBUILDS / "latest-stage3-amd64-systemd.txt"
    good = signers["good"]
    text = next(line for line in index.read_text().splitlines() if "stage3-" in line)
    index.write_bytes(good.gpg("--default-sig-expire", "seconds=1", "--clearsign", data=f"{text}\n".encode()))
    wait_until(lambda: b"EXPSIG" in expired(good, index), "the signature expires", 10)
    refused(tiny.genpack("lock"), "the signature by key", "has expired")
    # The keyring can be named in the configuration file, too.
    config = tiny.base / "config/genpack/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('keyrign = "x"\n')
    refused(tiny.genpack("lock"), f"{config}:1: keyrign: unknown key; did you mean 'keyring'?", status=2)


def expired(by: Signer, path: Path) -> bytes:
    argv: list[Argument] = ["gpg", "--homedir", by.home, "--batch", "--status-fd", "1", "--verify", path]
    return subprocess.run(argv, capture_output=True, check=False).stdout


def test_replayed_older_files(tiny: Place, signers: dict[str, Signer]) -> None:
    mirror, good = tiny.mirror.folder, signers["good"]
    tiny_mirror(mirror, good, 6)
    tiny.genpack("lock").ok()
    pinned = tiny.lock.read_bytes()
    tiny_mirror(mirror, good, 5)  # signed well, and older: its files are what is called latest
    refused(tiny.genpack("lock", "--update"), "names a stage3 of 20240105", "older than the one of 20240106")
    assert tiny.lock.read_bytes() == pinned
    tiny.genpack("lock").ok()  # the pinned files are still there
    shutil.rmtree(tiny.cache)
    day5, day6 = (mirror / AUTOBUILDS / f"202401{day}T000000Z" for day in ("05", "06"))
    for path in day5.iterdir():
        shutil.copy(path, day6 / path.name.replace("20240105", "20240106"))
    refused(tiny.genpack("lock"), ".sha256 is signed for another file (stage3-amd64-systemd-20240105")
    shutil.rmtree(day6)
    refused(tiny.genpack("lock"), "names a stage3 of 20240105", "older than the one of 20240106")
    tiny_mirror(mirror, good, 6)
    for suffix in ("", ".gpgsig"):
        shutil.copy(*(mirror / f"snapshots/gentoo-202401{day}.tar.xz{suffix}" for day in ("05", "06")))
    refused(tiny.genpack("lock"), "gentoo-20240106.tar.xz is a snapshot of 2024-01-05", "older than")
    assert [name for name in tiny.kept() if "gentoo" in name] == []
    tiny_mirror(mirror, good, 7)
    tiny.genpack("lock", "--update").ok()
    assert "20240107" in tiny.lock.read_text()


def test_mistakes_in_a_lock(tiny: Place) -> None:
    tiny.genpack("lock").ok()
    good = tiny.lock.read_text()
    for command, old, new, said in (
        ("lock", "version = 1", "version = 2", "genpack.lock:2: version: is 2"),
        ("check", "size = ", "siez = ", "genpack.lock:6: stage3.x86_64.siez: unknown key; did you mean 'size'?"),
        ("build", "[snapshot]", "[snapshot", "genpack.lock:9: "),
    ):
        tiny.lock.write_text(good.replace(old, new))
        refused(tiny.genpack(command), said, status=2)
    tiny.lock.write_text(good[: good.index("[overlay]")])
    refused(tiny.genpack("lower", "--locked"), "--locked: genpack.lock does not pin overlay")
    tiny.lock.write_text(good)
    refused(tiny.genpack("lower", "--locked", "--arch", "i686"), "does not pin stage3.i686")


def test_the_next_mirror_stands_in(tiny: Place) -> None:
    (tiny.base / "empty").mkdir()
    with serve(tiny.mirror.folder) as closed:
        closed.faults["-systemd.txt"] = [Fault(403)]
        both = replace(tiny, mirrors=(tiny.base / "empty", closed.url, *tiny.mirrors))
        result = both.genpack("lock").ok()
    assert result.stderr.count("the server says 403 Forbidden; mirrors left: ") == 1, str(result)
    assert len(closed.log) == 1


# The same files by a lock give the same keys: a build that is there is not made anew.


def test_an_overlay_archive_and_a_lock_skip_what_is_built(toy: Workspace, tmp_path: Path) -> None:
    if not toy.image.is_file():  # this module alone
        toy.define()
        toy.genpack("build").ok()
    lock, config = toy.artifact / "genpack.lock", toy.base / "config/genpack/config.toml"
    try:
        toy.genpack("build").ok()
        toy.genpack("lock").ok()
        result = toy.genpack("build", "--locked", "--offline").ok()
        for phase in ("lower", "upper", "pack"):
            assert f"{phase}: skipped, nothing it depends on changed" in result.stderr, str(result)
        # The same overlay out of an archive, named in the configuration file.
        packed = tmp_path / "genpack-overlay-1.tar.gz"
        with tarfile.open(packed, "w:gz") as tar:
            tar.add(toy.mirror.overlay, arcname="genpack-overlay-1")
        config.parent.mkdir(parents=True)
        config.write_text(f'overlay = "{packed}"\n')
        argv = list(toy.argv("build", "--locked"))
        at = argv.index("--overlay-override")
        del argv[at : at + 2]
        result = run(*argv, env=toy.env, timeout=300).ok()
        assert "lower: skipped, nothing it depends on changed" in result.stderr, str(result)
        lock.write_text(lock.read_text().replace(overlay_hash(lock), "0" * 64))
        refused(toy.genpack("build"), "is not the genpack-overlay of genpack.lock", "0" * 64)
        # Without a network: what Portage would have fetched is named, what a folder has is there.
        lock.unlink()
        script = (
            "grep -c : /proc/net/dev; cd /var/db/repos/gentoo/app-misc/toy; export DISTDIR=/tmp/d; mkdir /tmp/d;"
            "ebuild toy-*.ebuild fetch && rm /tmp/d/* && ! GENTOO_MIRRORS= ebuild toy-*.ebuild fetch"
        )
        result = run(*toy.argv("bash", "--offline"), "sh", "-c", script, env=toy.env).ok()
        assert result.stdout.splitlines()[0] == "1", str(result)  # the loopback interface alone
        assert "Local mirror has file: toy-" in result.output, str(result)
        assert "--offline: https://toy.invalid/toy-1.0.tar.gz is in neither cache nor local mirror" in result.output
    finally:
        lock.unlink(missing_ok=True)
        shutil.rmtree(config.parent, ignore_errors=True)


def overlay_hash(lock: Path) -> str:
    found: str = tomllib.loads(lock.read_text())["overlay"]["sha256"]
    return found
