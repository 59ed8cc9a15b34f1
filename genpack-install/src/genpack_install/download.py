# SPDX-License-Identifier: MIT
"""Images from the web: kept below /var/cache until they are whole, so that a broken download goes on where it was.

What was got is compared with SHA256SUMS beside the image, before anything else is done with it.
"""

from __future__ import annotations

import hashlib
import posixpath
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from genpack_install.errors import ImageError, InstallError
from genpack_install.log import Log
from genpack_install.log import size as human

CACHE = Path("/var/cache/genpack-install")
_BLOCK = 1 << 20
_TIMEOUT = 60.0
_SMALL = 1 << 20  # bytes of SHA256SUMS or of a signature
_ATTEMPTS = 5


def is_url(given: str) -> bool:
    """Whether an IMAGE of the command line is on the web."""
    return given.startswith(("http://", "https://"))


def _beside(url: str, name: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return parts._replace(path=posixpath.join(posixpath.dirname(parts.path), name)).geturl()


def _open(url: str, headers: dict[str, str] | None = None) -> HTTPResponse:
    request = urllib.request.Request(url, headers={"User-Agent": "genpack-install", **(headers or {})})
    response: HTTPResponse = urllib.request.urlopen(request, timeout=_TIMEOUT)
    return response


def _small(url: str, tip: str) -> bytes:
    try:
        with _open(url) as response:
            return response.read(_SMALL)
    except (OSError, HTTPException) as e:
        raise InstallError(f"cannot get {url}: {e}", tip=tip) from e


def expected(text: str, name: str) -> str | None:
    """The SHA-256 of a file in the text of SHA256SUMS, as sha256sum prints it."""
    for line in text.splitlines():
        digest, _, rest = line.partition(" ")
        if rest.strip().removeprefix("*").removeprefix("./") == name and len(digest) == 64:
            return digest.lower()
    return None


@contextmanager
def fetched(url: str, log: Log, *, signed: bool, cache: Path = CACHE) -> Iterator[tuple[Path, Path | None]]:
    """(image, its signature if `signed`) as files that are removed at the end of the block; what is not whole stays for
    the next time. InstallError if it can't be had, ImageError if it is not what SHA256SUMS says."""
    name = posixpath.basename(urllib.parse.urlsplit(url).path)
    sums = _small(_beside(url, "SHA256SUMS"), "beside the image there must be SHA256SUMS, as sha256sum makes it")
    digest = expected(sums.decode("utf-8", "replace"), name)
    if digest is None:
        raise ImageError(f"{_beside(url, 'SHA256SUMS')} has no line for {name}")
    no_signature = "a key is configured: beside the image there must be its signature"
    signature = _small(f"{url}.sig", no_signature) if signed else b""
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    path, seal = cache / f"{digest}.part", cache / f"{digest}.sig"
    for old in cache.glob("*.part"):
        if old != path:
            old.unlink()
    if not _is(path, digest):
        _get(url, path, log)
        if not _is(path, digest):
            path.unlink()
            raise ImageError(f"{url} is not what SHA256SUMS says", tip="try again, or tell whoever publishes it")
    try:
        if signed:
            seal.write_bytes(signature)
        yield path, seal if signed else None
    finally:
        path.unlink(missing_ok=True)
        seal.unlink(missing_ok=True)


def _is(path: Path, digest: str) -> bool:
    if not path.exists():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == digest


def _get(url: str, path: Path, log: Log) -> None:
    """The whole of a URL to a file, after what the file has already; a connection that breaks is taken up again."""
    for attempt in range(1, _ATTEMPTS + 1):
        begun = path.stat().st_size if path.exists() else 0
        try:
            with _open(url, {"Range": f"bytes={begun}-"} if begun else None) as response, path.open("ab") as file:
                if begun and response.status != 206:
                    file.seek(file.truncate(0))  # the server has no parts
                elif begun:
                    log.line(f"going on after {human(begun)}")
                length = response.headers.get("Content-Length")
                want = file.tell() + int(length) if length else None
                while block := response.read(_BLOCK):
                    file.write(block)
                if want is None or file.tell() == want:
                    return
            problem = "the connection was closed early"
        except urllib.error.HTTPError as e:
            if e.code == 416:  # there is no more, or the file is another by now
                path.unlink()
                problem = "it has changed"
            else:
                raise InstallError(f"cannot get {url}: the server says {e.code} {e.reason}") from e
        except (OSError, HTTPException) as e:
            problem = str(e)
        log.warning(f"{url}: {problem}" + (", trying again" if attempt < _ATTEMPTS else ""))
    raise InstallError(f"cannot get {url}: {problem}", tip="run the same command again: it goes on where it was")
