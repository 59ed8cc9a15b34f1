# SPDX-License-Identifier: MIT
"""All that is read before a plan is made: the image, the boot loaders, the files that go beside them."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import zipfile
from dataclasses import dataclass
from pathlib import Path

from genpack_install import bootloader, image, installed, raspberry_pi, samples
from genpack_install.bootloader import Loaders
from genpack_install.errors import UsageError
from genpack_install.image import Image
from genpack_install.log import Log
from genpack_install.model import KIB, BootFile, Options

IMAGE_NAME = "system.img"
#: On the data partition, where names have no length limit of FAT's and no extension is needed.
IMAGE_NAME_ON_DATA = "system"
#: Names of images during an update, see genpack-install(8).
IMAGE_NAMES = (IMAGE_NAME, "system.cur", "system.new", "system.old")
GRUBENV = "grubenv"
#: GRUB writes into this file but can't make it (docs/grub.texi, "Environment block").
EMPTY_GRUBENV = b"# GRUB Environment Block\n".ljust(KIB, b"#")
_FORBIDDEN = re.compile(r'[\x00-\x1f"*:<>?\\|\x7f]|[. ]$')
_TEXT_LIMIT = 1 << 20


@dataclass(frozen=True)
class Inputs:
    """`files`: what lies on the boot partition beside image and grubenv. `epoch`: the time of all files. `identifier`:
    16 bytes from which ids of disks and file systems are made."""

    image: Image
    loaders: Loaders
    files: tuple[BootFile, ...]
    epoch: int
    identifier: bytes

    @property
    def content(self) -> int:
        """Bytes that the files take on FAT, in clusters of 32 KiB at most."""
        return sum(-(-file.size // (32 * KIB)) * 32 * KIB for file in self.files) + KIB


def gather(options: Options, temporary: Path, log: Log, *, grub_reads: bool = True, random: bool = False) -> Inputs:
    """Reads and checks everything. `temporary`: an empty folder for what must be unpacked. `grub_reads`: GRUB will read
    the image. `random`: ids of their own even if nobody asks for them."""
    found = image.check(options.image or installed.image(), log)
    if grub_reads and not found.raspberry_pi:
        found.grub_reads_it()
    loaders = bootloader.find(found, options.bootloaders, log)
    files: dict[str, BootFile] = {file.name.lower(): file for file in loaders.files()}
    if found.raspberry_pi:
        files |= {file.name.lower(): file for file in raspberry_pi.boot_files(found, temporary / "boot", log)}
    for name, path in (("system.cfg", options.system_cfg), ("system.ini", options.system_ini)):
        if path is not None:
            files[name] = BootFile(name, content=_text(path, name))
        elif options.sample:
            files[f"{name}.sample"] = BootFile(f"{name}.sample", content=samples.CONTENT[name].encode())
    if options.additional is not None:
        files |= {file.name.lower(): file for file in _additional(options.additional, temporary / "additional")}
    epoch = _epoch(found)
    return Inputs(
        found, loaders, tuple(files[name] for name in sorted(files)), epoch, _identifier(found, options, random)
    )


def sources(options: Options) -> tuple[Path, ...]:
    """The files that are read beside the image."""
    given = (options.system_cfg, options.system_ini, options.additional)
    return tuple(path for path in given if path is not None)


def _epoch(found: Image) -> int:
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return found.created
    if not text.isascii() or not text.isdigit():
        raise UsageError(f"SOURCE_DATE_EPOCH={text} is no number of seconds")
    return int(text)


def _identifier(found: Image, options: Options, random: bool) -> bytes:
    """Random where two media of one image may meet in a machine, unless the same bytes are asked for."""
    if options.random_ids or (random and not os.environ.get("SOURCE_DATE_EPOCH")):
        return secrets.token_bytes(16)
    return hashlib.sha256(b"genpack-install ids\0" + found.fingerprint).digest()[:16]


def _text(path: Path, name: str) -> bytes:
    """A configuration file; UsageError if it can't be read or is no text."""
    option = "--" + name.replace(".", "-")
    try:
        with path.open("rb") as file:
            content = file.read(_TEXT_LIMIT + 1)
    except OSError as e:
        raise UsageError(f"{option}: cannot read {path}: {e.strerror}") from e
    if len(content) > _TEXT_LIMIT:
        raise UsageError(f"{option}: {path} has more than 1 MiB: it is no {name}")
    if b"\0" in content:
        raise UsageError(f"{option}: {path} is no text file", tip="save it as plain text in UTF-8")
    return content


def _additional(path: Path, folder: Path) -> list[BootFile]:
    """The files of a ZIP, unpacked into `folder`; UsageError if it is none, or a name in it can't be used."""
    found: dict[str, BootFile] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for number, member in enumerate(archive.infolist()):
                name = member.filename
                if member.is_dir():
                    continue
                _check_name(path, name)
                if name.lower() in found:
                    raise UsageError(f"{path}: {name} is in it twice (FAT knows no capital letters)")
                target = folder / str(number)
                folder.mkdir(exist_ok=True)
                with archive.open(member) as source, target.open("wb") as file:
                    while block := source.read(1 << 20):
                        file.write(block)
                found[name.lower()] = BootFile(name, source=target)
    except OSError as e:
        raise UsageError(f"--additional-boot-files: cannot read {path}: {e.strerror}") from e
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as e:  # RuntimeError: encrypted
        raise UsageError(f"--additional-boot-files: {path} is no ZIP file that can be read: {e}") from e
    return list(found.values())


def _check_name(path: Path, name: str) -> None:
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or "." in parts or "" in parts:
        raise UsageError(
            f"{path}: {name!r} leads out of the boot partition", tip="names in it must be relative and plain"
        )
    if any(_FORBIDDEN.search(part) for part in parts):
        raise UsageError(f"{path}: {name!r} can't be the name of a file on FAT", tip="rename it")
    if name.lower() in (*IMAGE_NAMES, GRUBENV):
        raise UsageError(f"{path}: {name} is a name that genpack-install uses itself", tip="rename it")
