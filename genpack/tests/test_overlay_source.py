# SPDX-License-Identifier: MIT
"""genpack-overlay from a folder, an archive, a URL; archives that try to get out."""

from __future__ import annotations

import dataclasses
import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faulty import Reply, serve
from genpack.errors import GenpackError, TrustError, UsageError
from genpack.lock import Lock, OverlayPin
from genpack.log import Log
from genpack.overlay_source import Overlay
from genpack.settings import Settings

from genpack import download, options, overlay_source, overlays


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(download, "PAUSES_SECONDS", (0, 0))
    given: dict[str, Any] = dict.fromkeys(options.OPTIONS) | {"arch": "x86_64"}
    return options.read(given)[0]


def locate(settings: Settings, overlay: object = None, lock: Lock | None = None, **more: Any) -> Overlay:
    set_to = None if overlay is None else str(overlay)
    return overlay_source.locate(dataclasses.replace(settings, overlay=set_to, **more), Log(), lock)


def pack(overlay: Path, archive: Path, top: str = "genpack-overlay-1.0", mode: str = "w:gz") -> Path:
    with tarfile.open(archive, mode) as tar:  # type: ignore[call-overload]  # the mode is none of its literals
        tar.add(overlay, arcname=top)
    return archive


def test_the_order(settings: Settings, overlay: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Path(shutil.copytree(overlay, tmp_path / "other"))
    with pytest.raises(UsageError, match="no genpack-overlay to build with") as caught:
        locate(settings)
    for way in ("genpack-overlay", "--overlay-override", "'overlay'"):
        assert way in str(caught.value.tip)
    assert locate(settings, overlay) == Overlay(overlay, "folder")
    assert locate(settings, overlay, overlay_override=other) == Overlay(other, "folder")
    for bad in (tmp_path / "gone", tmp_path, "ftp://x.invalid/x"):
        with pytest.raises(UsageError):
            locate(settings, bad)


@pytest.mark.spawns
def test_the_installed_command_is_last(settings: Settings, overlay: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin/genpack-overlay"
    command.write_text(f'#!/bin/sh\n[ "$1" = path ] && echo "{overlay}"\n')
    command.chmod(0o755)
    assert locate(settings) == Overlay(overlay, "genpack-overlay path")
    other = Path(shutil.copytree(overlay, tmp_path / "other"))
    assert locate(settings, other) == Overlay(other, "folder")


@pytest.mark.parametrize(("suffix", "mode"), [("tar", "w"), ("tgz", "w:gz"), ("tar.xz", "w:xz"), ("tar.bz2", "w:bz2")])
@pytest.mark.parametrize("top", ["genpack-overlay-1.0", "."])
def test_an_archive(settings: Settings, overlay: Path, tmp_path: Path, suffix: str, mode: str, top: str) -> None:
    (overlay / "profiles/link").symlink_to("repo_name")
    (overlay / "genpack/base/run").write_text("#!/bin/sh\n")
    (overlay / "genpack/base/run").chmod(0o755)
    archive = pack(overlay, tmp_path / f"overlay.{suffix}", top, mode)
    found = locate(settings, archive)
    assert found.source == archive.name
    assert overlays.content_hash(found.folder) == overlays.content_hash(overlay) == found.folder.name
    assert (found.folder / "profiles/link").is_symlink()
    assert locate(settings, archive) == found
    (found.folder / "profiles/repo_name").write_text("genpack-overlay\nchanged\n")
    assert locate(settings, archive) == found
    assert overlays.content_hash(found.folder) == found.folder.name
    assert [path.name for path in found.folder.parent.iterdir() if path.name.startswith(".")] == []


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", content: bytes = b"x") -> Callable[..., None]:
    def add(tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, link
        info.size = len(content) if kind == tarfile.REGTYPE else 0
        tar.addfile(info, io.BytesIO(content))

    return add


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([member("../evil")], "../evil leads out of the archive's folder"),
        ([member("a/../../evil")], "a/../../evil leads out"),
        ([member("/tmp/evil")], "/tmp/evil leads out"),
        ([member("l", tarfile.SYMTYPE, "..")], "l leads out"),
        ([member("l", tarfile.SYMTYPE, "/etc")], "l leads out"),
        ([member("d/l", tarfile.SYMTYPE, "../../evil")], "d/l leads out"),
        ([member("in", tarfile.DIRTYPE), member("a", tarfile.SYMTYPE, "in"), member("a/evil")], "a/evil leads out"),
        ([member("a", tarfile.SYMTYPE, "b"), member("b", tarfile.SYMTYPE, ".."), member("a/evil")], "b leads out"),
        ([member("a", tarfile.SYMTYPE, "b"), member("a")], "a leads out"),
        ([member("h", tarfile.LNKTYPE, "profiles/repo_name")], "h is a hard link"),
        ([member("n", tarfile.CHRTYPE)], "n is a device or the like"),
        ([member("p", tarfile.FIFOTYPE)], "p is a device or the like"),
    ],
)
def test_an_archive_that_tries_to_get_out(
    settings: Settings, overlay: Path, tmp_path: Path, members: list[Callable[..., None]], said: str
) -> None:
    archive = pack(overlay, tmp_path / "overlay.tar", ".", "w")
    with tarfile.open(archive, "a") as tar:
        for add in members:
            add(tar)
    before = sorted(path for path in tmp_path.rglob("*"))
    with pytest.raises(TrustError, match=said.replace(".", r"\.")) as caught:
        locate(settings, archive)
    assert str(archive) in caught.value.message
    assert sorted(path for path in tmp_path.rglob("*")) == before
    assert not list((settings.cache / "overlays").glob("*/profiles"))
    assert not list((settings.cache / "overlays").glob(".unpack*"))


def test_archives_that_are_none(settings: Settings, overlay: Path, tmp_path: Path) -> None:
    whole = pack(overlay, tmp_path / "overlay.tar.gz").read_bytes()
    for content, said in (
        (whole[: len(whole) // 2], "can't be unpacked"),
        (b"rubbish", "can't be unpacked"),
        (b"", "can't be unpacked"),
        (whole[:20] + b"\0" * 50 + whole[70:], "can't be unpacked"),
    ):
        (tmp_path / "bad.tar.gz").write_bytes(content)
        with pytest.raises(UsageError, match=said) as caught:
            locate(settings, tmp_path / "bad.tar.gz")
        assert "\n" not in caught.value.message
    other = pack(overlay / "genpack", tmp_path / "o.tar.gz")
    with pytest.raises(UsageError, match="holds no ebuild repository genpack-overlay"):
        locate(settings, other)


def test_a_bomb(settings: Settings, overlay: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = pack(overlay, tmp_path / "overlay.tar.gz")
    monkeypatch.setattr(overlay_source, "MAX_BYTES", 10)
    with pytest.raises(TrustError, match="is too large for an ebuild repository"):
        locate(settings, archive)


def test_a_url(settings: Settings, overlay: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "served").mkdir()
    pack(overlay, tmp_path / "served/o-1.tar.gz")
    content = overlays.content_hash(overlay)
    with serve(tmp_path / "served") as server:
        url = f"{server.url}/o-1.tar.gz"
        with pytest.raises(GenpackError, match=f"--offline: genpack-overlay of {url} is not in the cache"):
            locate(settings, url, offline=True)
        server.script["*"] = [Reply(cut=100, tag='"a"'), Reply(tag='"a"')]
        found = locate(settings, url)
        assert (found.folder.name, found.source) == (content, url)
        assert "nothing shows that this is the real genpack-overlay" in capsys.readouterr().err
        server.script["*"] = [Reply(503)]
        assert locate(settings, url, offline=True) == found
        pins = Lock(overlay=OverlayPin(url, content))
        assert locate(settings, url, pins) == found  # the pinned content is in the cache: nobody is asked
        assert locate(settings, None, pins) == found
        assert capsys.readouterr().err == ""
        with pytest.raises(GenpackError, match="the server says 503"):
            locate(settings, url, Lock(overlay=OverlayPin(url, "a" * 64)))
        server.script["*"] = [Reply(404)]
        with pytest.raises(GenpackError, match="the server does not have it"):
            locate(settings, url)
