# SPDX-License-Identifier: MIT
"""Signatures, verified with gpg in a private, throwaway GNUPGHOME against one keyring file."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from genpack import process, scratch
from genpack.errors import TrustError, UsageError

GENTOO_KEYRING = Path("/usr/share/openpgp-keys/gentoo-release.asc")
_GPG = ("gpg", "--batch", "--no-tty", "--no-autostart", "--trust-model", "always", "--status-fd", "2")


def keyring_file(given: Path | None) -> Path:
    """The keyring to verify with: the one given, else Gentoo's own. Raises UsageError if there is none."""
    path = given or GENTOO_KEYRING
    if path.is_file():
        return path
    if given:
        raise UsageError(f"keyring {given} is no file", tip="--keyring names a file of public keys (armored or not)")
    raise UsageError(
        f"no keyring to verify signatures with: {GENTOO_KEYRING} is not there",
        tip="give the mirror's public keys with --keyring FILE",
    )


def import_keyring(gpg: Sequence[str | Path], keyring: Path) -> None:
    """Puts a keyring file's keys into the home that the words `gpg` name. Raises UsageError if it has none."""
    # By what it imported: where the home's path is too long for an agent's socket, its exit status is 2 all the same.
    done = process.run([*gpg, "--status-fd", "2", "--import", keyring], check=False)
    if b"[GNUPG:] IMPORT_OK " not in done.stderr:
        raise UsageError(f"{keyring} holds no usable public key", tip="check --keyring")


class Verifier:
    """A context manager. With `keyring` None nothing is verified, as --no-verify asks. `place`: where the GNUPGHOME is
    made."""

    def __init__(self, keyring: Path | None, place: Path) -> None:
        self.keyring = keyring
        self.place = place
        self.keyring_hash = "" if keyring is None else hashlib.sha256(keyring.read_bytes()).hexdigest()
        self._home: Path | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Verifier:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def clearsigned(self, name: str, data: bytes) -> bytes:
        """The signed text in a clear-signed message. Raises TrustError. Unverified: the text between the marks."""
        if self.keyring is None:
            return unwrap(data)
        with tempfile.NamedTemporaryFile(dir=self._gpg_home(), delete=False) as file:
            file.write(data)
        result = process.run([*self._gpg(), "--output", "-", "--decrypt", file.name], check=False)
        self._judge(name, result)
        return result.stdout

    def detached(self, name: str, path: Path, signature: bytes) -> None:
        """Checks a file's detached signature, armored or binary. Raises TrustError."""
        if self.keyring is None:
            return
        with tempfile.NamedTemporaryFile(dir=self._gpg_home(), delete=False) as file:
            file.write(signature)
        self._judge(name, process.run([*self._gpg(), "--verify", file.name, path], check=False))

    def _gpg(self) -> list[str | Path]:
        return [*_GPG, "--homedir", self._gpg_home()]

    def _gpg_home(self) -> Path:
        """The GNUPGHOME, made and given the keyring's keys at its first use."""
        if self._home is None:
            self._home = self._stack.enter_context(scratch.folder(self.place))
            assert self.keyring is not None
            import_keyring(self._gpg(), self.keyring)
        return self._home

    def _judge(self, name: str, result: process.Result) -> None:
        """Raises TrustError unless gpg found a good signature and none that is not."""
        words: dict[str, list[str]] = {}
        for line in result.stderr.decode(errors="replace").splitlines():
            if line.startswith("[GNUPG:] "):
                word, *rest = line[9:].split()
                words.setdefault(word, rest)
        for word, why, tip in _REFUSED:
            if word in words and not (word in {"NO_PUBKEY", "ERRSIG"} and "VALIDSIG" in words):
                key = words[word][0] if words[word] else "?"
                raise TrustError(f"{name}: {why.format(key=key, keyring=self.keyring)}", tip=tip)
        if "GOODSIG" not in words or "VALIDSIG" not in words:
            raise TrustError(f"{name}: has no signature that gpg can read", tip=_FETCH)


_FETCH = "use another mirror, or fetch the file again"
_KEYS = "bring the keyring up to date (--keyring FILE names one), or use another mirror"
#: gpg's status word -> what is wrong, and what to do; the first that applies is told.
_REFUSED = (
    ("BADSIG", "the signature by key {key} does not fit: the file was changed or is damaged", _FETCH),
    ("EXPKEYSIG", "the key {key} of the signature has expired", _KEYS),
    ("REVKEYSIG", "the key {key} of the signature was revoked", _KEYS),
    ("EXPSIG", "the signature by key {key} has expired", _FETCH),
    (
        "NO_PUBKEY",
        "signed by key {key}, which is not in the keyring {keyring}",
        "use another mirror; for a mirror of your own name its keys with --keyring FILE",
    ),
    ("ERRSIG", "the signature by key {key} can't be checked", _FETCH),
)


def unwrap(data: bytes) -> bytes:
    """The text of a clear-signed message, taken without looking at the signature."""
    begin = b"-----BEGIN PGP SIGNED MESSAGE-----"
    if begin not in data:
        return data
    _, _, rest = data.partition(begin)
    _, _, body = rest.replace(b"\r\n", b"\n").partition(b"\n\n")
    text, _, _ = body.partition(b"-----BEGIN PGP SIGNATURE-----")
    return b"\n".join(line.removeprefix(b"- ") for line in text.split(b"\n"))
