# SPDX-License-Identifier: MIT
"""Binary package hosts of --binhost and --getbinpkg: what Portage reads about them while genpack runs it.

Nothing of it stays in the lower layer: the files lie in the work folder and are mounted over it.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from genpack import process
from genpack.errors import UsageError
from genpack.log import Log
from genpack.settings import Settings
from genpack.trust import import_keyring

#: Portage's own configuration, and its own trusted keys, in the lower layer.
CONFIGURATION = "etc/portage/binrepos.conf"
PORTAGE_KEYS = "etc/portage/gnupg"
#: Indexes and packages that Portage fetched. It names an index by host and path, whatever the port: never kept.
FETCHED = ("var/cache/edb/binhost", "var/cache/binhost")

KEYS_MOUNT = "/mnt/binhost-keys"
_GPG = ("gpg", "--batch", "--no-tty", "--quiet", "--no-autostart")


@dataclass(frozen=True)
class Binhost:
    """A folder or a server. `address` is for messages, `uri` for Portage; `folder` is mounted where `uri` says."""

    address: str
    name: str
    uri: str
    folder: Path | None = None

    @property
    def mount(self) -> str:
        return f"/mnt/{self.name}"


def parse(addresses: Iterable[str]) -> list[Binhost]:
    """The hosts of these addresses, each once. Raises UsageError for what is neither a folder with an index of binary
    packages nor a URL."""
    found: dict[str, Binhost] = {}
    for address in addresses:
        parts = urlsplit(address)
        if parts.scheme in {"http", "https"} and parts.hostname:
            uri, folder = address.rstrip("/"), None
        else:
            folder = Path(unquote(parts.path)) if parts.scheme == "file" else Path(address)
            if parts.scheme not in {"", "file"} and not folder.is_dir():
                what = f"binhost {address}: can't fetch by '{parts.scheme}'"
                raise UsageError(what, tip="use http, https or a folder")
            if not folder.is_dir():
                what = f"binhost {address}: there is no such folder"
                raise UsageError(what, tip="name a folder or an http(s) URL")
            folder = folder.absolute()
            if not (folder / "Packages").is_file():
                what = f"binhost {address}: has no file Packages, so it is no folder of binary packages"
                tip = "name a PKGDIR of Portage; 'emaint --fix binhost' writes its index"
                raise UsageError(what, tip=tip)
            uri = str(folder)
        name = f"binhost-{hashlib.sha256(uri.encode()).hexdigest()[:8]}"
        found.setdefault(uri, Binhost(address, name, uri if folder is None else f"file:///mnt/{name}", folder))
    return list(found.values())


@dataclass(frozen=True)
class Binhosts:
    """What one run uses. `own`: the stage3's own hosts as well; `keyring` None: nothing is verified; `place`: a folder
    of the work folder for what Portage reads."""

    hosts: Sequence[Binhost]
    own: bool
    keyring: Path | None
    place: Path

    @classmethod
    def of(cls, settings: Settings, keyring: Path | None, place: Path, log: Log) -> Binhosts:
        """Those of the settings; with --offline only folders. Raises UsageError."""
        hosts = parse(settings.binhosts)
        if settings.offline:
            for host in hosts:
                if host.folder is None:
                    log.note(f"--offline: binhost {host.address} is not asked")
            if settings.getbinpkg:
                log.note("--offline: --getbinpkg has no effect")
        if hosts and keyring is None:
            log.warning("--no-verify: signatures of binary packages are NOT checked")
        kept = [host for host in hosts if host.folder is not None or not settings.offline]
        return cls(kept, settings.getbinpkg and not settings.offline, keyring, place)

    @property
    def used(self) -> bool:
        return bool(self.hosts) or self.own

    @property
    def _configuration(self) -> Path:
        return self.place / "binrepos.conf"

    @property
    def _keys(self) -> Path:
        return self.place / "keys"

    @property
    def mounts(self) -> list[tuple[Path, str]]:
        """(folder, where it is in the container). With the stage3's own hosts alone Portage's set-up is left as is."""
        if not self.hosts:
            return []
        folders = [(host.folder, host.mount) for host in self.hosts if host.folder is not None]
        return [(self._configuration, f"/{CONFIGURATION}"), (self._keys, KEYS_MOUNT), *folders]

    @property
    def environment(self) -> dict[str, str]:
        """Where Portage finds the keys. Its trust helper must not look for others: it needs a network."""
        if not self.hosts:
            return {}
        return {"BINPKG_GPG_VERIFY_GPG_HOME": KEYS_MOUNT, "PORTAGE_TRUST_HELPER": "/bin/true"}

    def configuration(self) -> str:
        """Our part of binrepos.conf; the first host given is asked first."""
        verify = "false" if self.keyring is None else "true"
        text = ""
        for index, host in enumerate(self.hosts):
            text += f"[{host.name}]\nsync-uri = {host.uri.replace('%', '%%')}\npriority = {1000 - index}\n"
            text += f"location = /var/cache/binhost/{host.name}\nverify-signature = {verify}\n\n"
        return text

    def prepare(self, lower: Path) -> None:
        """Writes what is mounted, and forgets what Portage fetched in another run."""
        self.forget(lower)
        if not self.hosts:
            return
        shutil.rmtree(self.place, ignore_errors=True)
        self._configuration.mkdir(parents=True)
        stage3 = lower / CONFIGURATION
        if self.own and stage3.is_dir():
            for file in stage3.rglob("*"):
                if file.is_file():
                    shutil.copyfile(file, self._configuration / f"50-{file.name}")
        (self._configuration / "genpack.conf").write_text(self.configuration())
        self._trust(lower)

    def needs_trust_helper(self, lower: Path) -> bool:
        """True if Gentoo's keys must be set up before ours can be added to them."""
        return self.own and bool(self.hosts) and (lower / "usr/bin/getuto").is_file()

    def forget(self, lower: Path) -> None:
        """Removes what Portage fetched from hosts."""
        for name in FETCHED:
            shutil.rmtree(lower / name, ignore_errors=True)

    def _address(self, name: str) -> str:
        return next((host.address for host in self.hosts if host.name == name), name)

    def refused(self, output: str) -> tuple[str, str] | None:
        """If emerge's output tells that it refused a host's package: what to say, and what to do."""
        found = _REFUSED.search(output)
        if found is None:
            return None
        why, tip = next(((why, tip) for word, why, tip in _CAUSES if re.search(word, output)), (found[3], _FETCH))
        key = re.search(r"\[GNUPG:\] (?:NO_PUBKEY|BADSIG|EXPKEYSIG|REVKEYSIG) (\w+)", output)
        why = why.format(key=key[1] if key else "?", keyring=self.keyring)
        return f"binary package {found[2]} of {self._address(found[1])} is refused: {why}", tip

    def unreachable(self, output: str) -> list[str]:
        """A line for each host that Portage could not ask."""
        found = dict.fromkeys(_UNREACHABLE.findall(output))
        return [f"binhost {self._address(name)} is passed over: {why}" for name, why in found]

    def _trust(self, lower: Path) -> None:
        """A GNUPGHOME in which the keyring's keys are trusted, and with the stage3's own hosts also what Portage's own
        one holds. Portage reads it as the user nobody."""
        keys = self._keys
        if self.own and (lower / PORTAGE_KEYS).is_dir():
            shutil.copytree(lower / PORTAGE_KEYS, keys, ignore=shutil.ignore_patterns("S.*", "*.lock"))
        else:
            keys.mkdir()
        keys.chmod(0o700)
        if self.keyring is not None:
            gpg: list[str | Path] = [*_GPG, "--homedir", keys]
            import_keyring(gpg, self.keyring)
            shown = process.run(["gpg", "--batch", "--with-colons", "--show-keys", self.keyring]).stdout.decode()
            trusted = "".join(f"{fingerprint}:6:\n" for fingerprint in fingerprints(shown))
            process.run([*gpg, "--import-ownertrust"], stdin=trusted.encode())
            process.run([*gpg, "--check-trustdb"])
        for path in (keys, *keys.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)


#: A host's package that could not be used: its host, its path, what Portage says.
_REFUSED = re.compile(r"Error extracting '/var/cache/binhost/([^/]+)/([^']+)', (.*)")
_UNREACHABLE = re.compile(r"!!! \[([^\]]+)\] Error fetching binhost.*\n!!! \[[^\]]+\] (.*)")
_FETCH = "leave the host out, or have the package made again there"
_KEYS = "name the host's key with --keyring (it holds the mirror's keys and those of hosts), or leave the host out"
#: In gpg's status -> why, and what to do; the first that applies.
_CAUSES = (
    (r"\[GNUPG:\] BADSIG", "the signature by key {key} does not fit: it was changed or is damaged", _FETCH),
    (r"\[GNUPG:\] EXPKEYSIG", "the key {key} of the signature has expired", _KEYS),
    (r"\[GNUPG:\] REVKEYSIG", "the key {key} of the signature was revoked", _KEYS),
    (r"\[GNUPG:\] NO_PUBKEY", "signed by key {key}, which is not in the keyring {keyring}", _KEYS),
    (r"\[GNUPG:\] TRUST_(?!ULT|FULL)", "the signature's key is not trusted", _KEYS),
    (
        r"\[GNUPG:\] NODATA|signature not found",
        "it is not signed",
        "sign it there with gpkg-sign, or leave the host out",
    ),
)


def fingerprints(colons: str) -> list[str]:
    """The primary keys' fingerprints in gpg's listing with colons."""
    found: list[str] = []
    wanted = False
    for line in colons.splitlines():
        fields = line.split(":")
        if fields[0] == "pub":
            wanted = True
        elif fields[0] == "fpr" and wanted:
            found.append(fields[9])
            wanted = False
    return found
