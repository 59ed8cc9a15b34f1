# SPDX-License-Identifier: MIT
"""genpack.lock as a file: the golden sample, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from genpack.errors import GenpackError, TrustError, UsageError
from genpack.lock import Lock, OverlayPin, SnapshotPin, Stage3Pin, read, render, require, write

SAMPLES = Path(__file__).resolve().parents[2] / "ci/formats/genpack.lock"
A, B = "a" * 64, "b" * 64
TEXT = f"""# a comment
version = 1

[stage3.x86_64]
path = "releases/x.tar.xz"
size = 5
sha256 = "{A}"

[snapshot]
path = "snapshots/gentoo-20240102.tar.xz"
sha256 = "{A}"
commit = "abc"
time = 1704164645

[overlay]
source = "folder"
sha256 = "{B}"
"""
WHOLE = Lock(
    {"x86_64": Stage3Pin("releases/x.tar.xz", 5, A)},
    SnapshotPin("snapshots/gentoo-20240102.tar.xz", A, "abc", 1704164645),
    OverlayPin("folder", B),
)


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.lock")), ids=lambda path: path.stem)
def test_the_sample_is_read_and_written_back_byte_for_byte(sample: Path, tmp_path: Path) -> None:
    (tmp_path / "genpack.lock").write_bytes(sample.read_bytes())
    lock = read(tmp_path)
    assert lock is not None
    (tmp_path / "genpack.lock").unlink()
    assert write(tmp_path, lock).read_bytes() == sample.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["genpack.lock"]


def test_samples_are_there() -> None:
    assert {path.stem for path in SAMPLES.glob("*.lock")} == {"one-architecture", "all-architectures"}


def put(folder: Path, text: str | bytes) -> Path:
    (folder / "genpack.lock").write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def test_what_a_person_may_write(tmp_path: Path) -> None:
    assert read(tmp_path) is None
    assert read(put(tmp_path, TEXT)) == WHOLE
    assert read(put(tmp_path, b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())) == WHOLE
    dotted = TEXT.replace("[stage3.x86_64]\npath", "[stage3]\nx86_64.path").replace("\nsize", "\nx86_64.size")
    assert read(put(tmp_path, dotted.replace("sha256", "x86_64.sha256", 1))) == WHOLE
    assert read(put(tmp_path, "version = 1\n")) == Lock()


def test_writing_is_the_same_for_any_order(tmp_path: Path) -> None:
    pins = {arch: Stage3Pin(f"p-{arch}", 1, A) for arch in ("x86_64", "aarch64")}
    assert render(Lock(pins)) == render(Lock(dict(reversed(pins.items()))))
    odd = Lock(overlay=OverlayPin('https://x.invalid/a"b\\c\u00e4', A))
    put(tmp_path, render(odd))
    assert read(tmp_path) == odd


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version = 1", "version = 2", "genpack.lock:2: version: is 2; this genpack reads 1"),
        ("version = 1", 'version = "1"', "genpack.lock:2: version: must be a number"),
        ("version = 1", "version = true", "genpack.lock:2: version: must be a number"),
        ("version = 1", "", "genpack.lock:1: file: has no version"),
        ("version = 1", "version = ", "genpack.lock:2: Invalid value"),
        ("[snapshot]", "[snapshot", "genpack.lock:9: Expected ']'"),
        ("[snapshot]", "[snapshots]", "genpack.lock:9: snapshots: unknown key; did you mean 'snapshot'?"),
        ("[snapshot]", "[[snapshot]]", "genpack.lock:9: snapshot: must be a table"),
        ("stage3.x86_64", "stage3.amd64", "genpack.lock:4: stage3.amd64: unknown architecture; "),
        ("size = 5", "siez = 5", "genpack.lock:6: stage3.x86_64.siez: unknown key; did you mean 'size'?"),
        ("size = 5", 'size = "5"', "genpack.lock:6: stage3.x86_64.size: must be a number"),
        ("size = 5", "size = 0", "genpack.lock:6: stage3.x86_64.size: 0 is less than 1"),
        ("size = 5", "size = 5.0", "genpack.lock:6: stage3.x86_64.size: must be a number"),
        ("size = 5\n", "", "genpack.lock:4: stage3.x86_64: has no size; add it"),
        (f'"{A}"\n\n[snap', '"abc"\n\n[snap', "genpack.lock:7: stage3.x86_64.sha256: 'abc' is not a SHA-256"),
        ("releases/x", "../releases/x", "genpack.lock:5: stage3.x86_64.path: '../releases/x.tar.xz' is not a path"),
        ("releases/x", "/releases/x", "genpack.lock:5: stage3.x86_64.path: '/releases/x.tar.xz' is not a path below"),
        ("time = 1704164645", "time = 2024-01-02", "genpack.lock:13: snapshot.time: must be a number"),
        ("time = 1704164645", "time = 99999999999", "genpack.lock:13: snapshot.time: 99999999999 is no time"),
        ('commit = "abc"', 'commit = "xyz"', "genpack.lock:12: snapshot.commit: 'xyz' is not a commit"),
        ('source = "folder"', 'source = ""', "genpack.lock:16: overlay.source: '' is not a source"),
        ("size = 5", "size = 5\nsize = 6", "genpack.lock:7: Cannot overwrite a value"),
    ],
)  # fmt: skip
def test_mistakes(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in TEXT
    with pytest.raises(UsageError) as caught:
        read(put(tmp_path, TEXT.replace(old, new)))
    assert caught.value.message.startswith(said)
    assert "\n" not in caught.value.message
    assert caught.value.status == 2


def test_what_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"genpack\.lock:2: is not UTF-8"):
        read(put(tmp_path, b"version = 1\n# \xff\n"))
    with pytest.raises(UsageError, match=r"genpack\.lock.*(deeply|Invalid)"):
        read(put(tmp_path, "version = " + "[" * 100_000))
    (tmp_path / "genpack.lock").unlink()
    (tmp_path / "genpack.lock").mkdir()
    with pytest.raises(UsageError, match=r"can't read .*genpack.lock: Is a directory"):
        read(tmp_path)


def test_require() -> None:
    assert require(WHOLE, "x86_64") is WHOLE
    with pytest.raises(GenpackError, match=r"--locked: there is no genpack.lock") as caught:
        require(None, "x86_64")
    assert caught.value.tip == "write it with 'genpack lock'"
    with pytest.raises(GenpackError, match=r"--locked: genpack.lock does not pin stage3\.aarch64$") as caught:
        require(WHOLE, "aarch64")
    assert caught.value.tip == "add it with 'genpack lock --arch aarch64'"
    with pytest.raises(GenpackError, match=r"does not pin stage3\.i686, snapshot, overlay"):
        require(Lock(), "i686")


def test_a_time_that_is_not_the_snapshot_s() -> None:
    WHOLE.check_time(1704164645)
    Lock().check_time(1)
    with pytest.raises(UsageError, match=r"snapshot\.time is 1704164645, and the snapshot's own time is 1704164646"):
        WHOLE.check_time(1704164646)


def test_another_overlay() -> None:
    WHOLE.check_overlay(B, Path("/x"))
    Lock().check_overlay(A, Path("/x"))
    with pytest.raises(TrustError, match=rf"/x is not the genpack-overlay .* {A}, pinned is {B}") as caught:
        WHOLE.check_overlay(A, Path("/x"))
    assert "genpack lock --update" in str(caught.value.tip)
