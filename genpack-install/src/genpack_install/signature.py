# SPDX-License-Identifier: MIT
"""Detached OpenPGP signatures of images, checked by gpg with the keys of one file and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from genpack_install import process
from genpack_install.errors import ImageError, InstallError, UsageError
from genpack_install.log import Log

#: Keys in an image: with one there, an update without a good signature is refused.
FOLDER = Path("/usr/share/genpack-install/keys")
_SUFFIXES = (".sig", ".asc")


def keys(given: Path | None, folder: Path = FOLDER) -> list[Path]:
    """The key files that count: the one given, else those of the image; none: nothing has to be signed."""
    if given is not None:
        if not given.is_file():
            raise UsageError(f"--key: there is no file {given}")
        return [given]
    return sorted(path for path in folder.glob("*") if path.suffix in (".asc", ".gpg"))


def beside(image: Path) -> Path:
    """The signature of an image file. ImageError if there is none."""
    for suffix in _SUFFIXES:
        path = image.with_name(image.name + suffix)
        if path.is_file():
            return path
    raise ImageError(
        f"{image} is not signed: there is no {image.name}.sig beside it, and a key is configured",
        tip="gpg --detach-sign makes it; genpack-install(8) says where keys lie",
    )


def check(image: Path, signature: Path, keyring: Sequence[Path], log: Log) -> str:
    """The fingerprint of the key that has signed the image. ImageError if none of these keys has."""
    process.require(["gpg"])
    with TemporaryDirectory(prefix="genpack-install-") as temporary:
        home = Path(temporary) / "gnupg"
        home.mkdir(mode=0o700)
        gpg = ["gpg", "--batch", "--no-autostart", "--homedir", str(home), "--no-auto-check-trustdb"]
        for key in keyring:
            try:
                process.run([*gpg, "--import", key], log)
            except InstallError as e:
                raise UsageError(f"{key} holds no OpenPGP key: {e}") from e
        try:
            words = [*gpg, "--trust-model", "always", "--status-fd", "1", "--verify", str(signature), str(image)]
            said = process.run(words, log).stdout
        except InstallError as e:
            raise ImageError(
                f"{image} has no good signature of {', '.join(str(key) for key in keyring)}: {e}",
                tip="get the image and its signature again, from where the key is from",
            ) from e
    # A signature of a revoked or expired key has no such line (doc/DETAILS of GnuPG).
    lines = [line.split() for line in said.splitlines() if line.startswith("[GNUPG:] VALIDSIG ")]
    if not lines or "[GNUPG:] GOODSIG " not in said:
        raise ImageError(f"{image}: the key of its signature has expired or was revoked")
    return lines[0][2]
