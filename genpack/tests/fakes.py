# SPDX-License-Identifier: MIT
"""A signed mirror of tiny archives, made with gpg and tarfile."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

STAMP = "20240102T030405Z"
AUTOBUILDS = "releases/amd64/autobuilds"
POINTER = f"{AUTOBUILDS}/latest-stage3-amd64-systemd.txt"
STAGE3 = f"{AUTOBUILDS}/{STAMP}/stage3-amd64-systemd-{STAMP}.tar.xz"
SNAPSHOT = "snapshots/gentoo-latest.tar.xz"


@dataclass(frozen=True)
class Key:
    """A signing key in a home of its own; `public` is its armored public part."""

    home: Path
    public: Path

    def gpg(self, *words: str | Path, data: bytes = b"") -> bytes:
        argv = ["gpg", "--homedir", self.home, "--batch", "--yes", "--passphrase", "", *words]
        return subprocess.run(argv, input=data, capture_output=True, check=True).stdout

    def clearsign(self, text: str) -> bytes:
        return self.gpg("--clearsign", data=text.encode())

    def detach(self, content: bytes, *, armor: bool = True) -> bytes:
        return self.gpg("--detach-sign", *(["--armor"] if armor else []), data=content)


def make_key(folder: Path, name: str, *more: str, options: tuple[str, ...] = ()) -> Key:
    # gpg-agent's socket path is limited to 108 bytes: a home of its own in /tmp, not in pytest's deep folders.
    home = Path(tempfile.mkdtemp(prefix="gpg-"))
    key = Key(home, folder / f"{name}.asc")
    key.gpg(*options, "--quick-generate-key", f"{name} <{name}@invalid>", "ed25519", "sign", *more)
    key.public.write_bytes(key.gpg("--armor", "--export"))
    return key


def tar_xz(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@dataclass(frozen=True)
class Edition:
    """What a mirror has at one time."""

    stamp: str = STAMP
    day: str = "20240102"
    epoch: int = 1704164645

    @property
    def stage3(self) -> str:
        return f"{AUTOBUILDS}/{self.stamp}/stage3-amd64-systemd-{self.stamp}.tar.xz"

    @property
    def snapshot(self) -> str:
        return f"snapshots/gentoo-{self.day}.tar.xz"


FIRST = Edition()
SECOND = Edition("20240209T000000Z", "20240208", 1707436800)


def make_mirror(folder: Path, key: Key, edition: Edition = FIRST) -> Path:
    """A whole mirror; the archives hold next to nothing. In a mirror that is there, files of other editions stay."""
    stage3 = tar_xz({"usr/bin/emerge": b"#!/bin/sh\n", "filler": bytes(range(256)) * 40, "at": edition.stamp.encode()})
    snapshot = tar_xz({f"gentoo-{edition.day}/metadata/timestamp.commit": f"abc {edition.epoch} time\n".encode()})
    name = edition.stage3.rsplit("/", 1)[1]
    write = {
        edition.stage3: stage3,
        f"{edition.stage3}.asc": key.detach(stage3),
        f"{edition.stage3}.sha256": key.clearsign(f"# SHA256 HASH\n{hashlib.sha256(stage3).hexdigest()}  {name}\n"),
        f"{edition.stage3}.DIGESTS": key.clearsign(f"# SHA512 HASH\n{hashlib.sha512(stage3).hexdigest()}  {name}\n"),
        POINTER: key.clearsign(f"# Latest as of now\n{edition.stamp}/{name} {len(stage3)}\n"),
    }
    signature = key.detach(snapshot, armor=False)
    for path in (SNAPSHOT, edition.snapshot):
        write[path] = snapshot
        write[f"{path}.gpgsig"] = signature
        write[f"{path}.md5sum"] = f"{hashlib.md5(snapshot).hexdigest()}  {path.rsplit('/', 1)[1]}\n".encode()
    for path, content in write.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def remove_key(key: Key) -> None:
    """Ends the key's agent and removes its home."""
    subprocess.run(["gpgconf", "--homedir", key.home, "--kill", "all"], check=False)
    shutil.rmtree(key.home, ignore_errors=True)
