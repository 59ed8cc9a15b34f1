# SPDX-License-Identifier: MIT
"""The mirror's own OpenPGP key, and the signatures in Gentoo's forms."""

from __future__ import annotations

import hashlib
from pathlib import Path

from .process import run


class Signer:
    """A key without a passphrase in ``home``, made when missing. It signs this mirror and nothing else."""

    def __init__(self, home: Path) -> None:
        self.home = home
        if not (home / "trustdb.gpg").exists():
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._gpg("--passphrase", "", "--quick-generate-key", "genpack local mirror (test key)", "ed25519", "sign")

    def _gpg(self, *words: str | Path) -> str:
        return run(["gpg", "--homedir", self.home, "--batch", "--yes", "--quiet", "--no-tty", *words])

    def export(self, path: Path) -> None:
        """The public key, armored."""
        path.write_text(self._gpg("--armor", "--export"))

    def detached(self, path: Path, suffix: str) -> None:
        """``path`` + ``suffix``: an armored detached signature."""
        self._gpg("--armor", "--output", f"{path}{suffix}", "--detach-sign", path)

    def clear(self, path: Path, text: str) -> None:
        """Write ``text`` clear-signed to ``path``."""
        plain = path.with_name(path.name + ".plain")
        plain.write_text(text)
        self._gpg("--output", path, "--clear-sign", plain)
        plain.unlink()

    def close(self) -> None:
        """End the agent that gpg started for this home."""
        run(["gpgconf", "--homedir", self.home, "--kill", "all"])


def file_digest(path: Path, name: str) -> str:
    """The hex digest of a file, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, name).hexdigest()


def digests_text(path: Path) -> str:
    """Gentoo's .DIGESTS text for one file."""
    return "".join(
        f"# {label} HASH\n{file_digest(path, name)}  {path.name}\n"
        for label, name in (("BLAKE2B", "blake2b"), ("SHA512", "sha512"))
    )
