# SPDX-License-Identifier: MIT
"""apt's sources, Manifests, the store of results, signatures."""

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from genpack_mirror import process
from genpack_mirror.apt import distribution_sources
from genpack_mirror.ebuilds import content_revision, manifest
from genpack_mirror.publish import publish_stage3
from genpack_mirror.sign import Signer
from genpack_mirror.store import Store, digest

MIRROR = Path(__file__).parents[1]


def test_only_the_distribution_s_own_sources(tmp_path: Path) -> None:
    folder = tmp_path / "sources.list.d"
    folder.mkdir()
    (tmp_path / "sources.list").write_text("deb http://deb.invalid/debian bookworm main\n# deb x bookworm main\n")
    (folder / "other.list").write_text("deb [signed-by=/k] http://vendor.invalid/apt vendor-bookworm main\n")
    (folder / "security.list").write_text("deb [signed-by=/k] http://deb.invalid/s bookworm-security main\n")
    (folder / "d.sources").write_text(
        "Types: deb\nURIs: http://a.invalid\nSuites: bookworm bookworm-updates\nComponents: main\n\n"
        "Types: deb\nURIs: http://b.invalid\nSuites: nodistro\nComponents: main\n"
    )
    found = distribution_sources(tmp_path, "bookworm")
    assert sorted(found) == ["d.sources", "security.list", "sources.list"]
    assert "a.invalid" in found["d.sources"] and "b.invalid" not in found["d.sources"]
    assert "#" not in found["sources.list"]


def test_manifest_is_glep_74(tmp_path: Path) -> None:
    path = tmp_path / "a-1.tar.gz"
    path.write_bytes(b"content")
    blake, sha = hashlib.blake2b(b"content").hexdigest(), hashlib.sha512(b"content").hexdigest()
    assert manifest([path]) == f"DIST a-1.tar.gz 7 BLAKE2B {blake} SHA512 {sha}\n"


def test_a_changed_ebuild_has_another_revision() -> None:
    assert content_revision("a") != content_revision("b")
    assert content_revision("a") == content_revision("a")


def test_store_makes_once_and_leaves_no_half_result(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    calls = []

    def good(folder: Path) -> None:
        calls.append(folder)
        (folder / "x").write_text("1")

    def bad(folder: Path) -> None:
        (folder / "x").write_text("half")
        raise RuntimeError

    first = store.get("step", "a" * 64, good)
    assert store.get("step", "a" * 64, good) == first and len(calls) == 1
    with pytest.raises(RuntimeError):
        store.get("step", "b" * 64, bad)
    assert [path.name for path in store.root.iterdir()] == [first.name]
    (store.root / ".step.new").mkdir()  # what a power cut leaves
    store = Store(store.root)
    second = store.get("step", "c" * 64, good)
    assert [path.name for path in store.root.iterdir()] == [second.name]


def test_digest_sees_names_links_and_modes(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("x")
    seen = {digest(tmp_path)}
    path.chmod(0o755)
    seen.add(digest(tmp_path))
    (tmp_path / "link").symlink_to("f")
    seen.add(digest(tmp_path))
    path.rename(tmp_path / "g")
    seen.add(digest(tmp_path))
    assert len(seen) == 4


def test_published_stage3_verifies_with_the_exported_key(tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    (made / "stage3.tar.xz").write_bytes(b"not a tarball, but signed")
    mirror, home = tmp_path / "mirror", tmp_path / "home"
    home.mkdir(mode=0o700)
    signer = Signer(tmp_path / "key")
    try:
        publish_stage3(made, 1_700_000_000, mirror, signer)
        signer.export(mirror / "keyring.asc")
    finally:
        signer.close()
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet"]
    subprocess.run([*gpg, "--import", str(mirror / "keyring.asc")], check=True)
    autobuilds = mirror / "releases/amd64/autobuilds"
    pointer = autobuilds / "latest-stage3-amd64-systemd.txt"
    text = subprocess.run([*gpg, "--decrypt", str(pointer)], check=True, capture_output=True, text=True).stdout
    path, size = text.splitlines()[-1].split()
    tarball = autobuilds / path
    assert tarball.stat().st_size == int(size)
    subprocess.run([*gpg, "--verify", f"{tarball}.asc", str(tarball)], check=True)
    sums = subprocess.run([*gpg, "--decrypt", f"{tarball}.sha256"], check=True, capture_output=True, text=True).stdout
    assert sums.split()[0] == hashlib.sha256(tarball.read_bytes()).hexdigest()
    tarball.write_bytes(b"changed")
    assert subprocess.run([*gpg, "--verify", f"{tarball}.asc", str(tarball)]).returncode != 0


def test_a_signal_at_the_start_of_a_program_ends_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes when the program runs and the function that started it has not returned yet."""
    children = []

    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *words: Any, **options: Any) -> None:
            super().__init__(*words, **options)
            children.append(self)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            process.run(["sleep", "1000"])
    finally:
        signal.signal(signal.SIGINT, before)
    assert children[0].returncode == -signal.SIGTERM


def test_an_interrupted_program_is_ended_gently(tmp_path: Path) -> None:
    """It may have started and mounted things that it alone takes down."""
    mark = tmp_path / "mark"
    script = f"trap 'echo ended > {mark}; exit 1' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 0.1; done"
    code = f"import sys; sys.path.insert(0, {str(MIRROR)!r})\n"
    code += "import signal\nfrom genpack_mirror import main, process\n"
    code += f"signal.signal(signal.SIGTERM, main._interrupt)\nprocess.run(['sh', '-c', {script!r}])\n"
    parent = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    while not (tmp_path / "pid").exists():
        assert parent.poll() is None
        time.sleep(0.05)
    parent.terminate()
    parent.wait(60)
    assert mark.read_text() == "ended\n"
