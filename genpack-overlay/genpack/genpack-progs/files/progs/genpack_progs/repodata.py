# SPDX-License-Identifier: MIT
"""The metadata of an RPM repository: repodata/repomd.xml and the list of packages ("primary") that it names."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urljoin
from xml.etree import ElementTree

from . import process
from .errors import ProgsError
from .store import Store

REPO = "{http://linux.duke.edu/metadata/repo}"
COMMON = "{http://linux.duke.edu/metadata/common}"
BASE = "{http://www.w3.org/XML/1998/namespace}base"
HASHES = {"sha": "sha1", "sha1": "sha1", "sha224": "sha224", "sha256": "sha256", "sha384": "sha384",
          "sha512": "sha512"}


@dataclass(frozen=True)
class Rpm:
    """A package; `time` is that of its file, in seconds since the epoch."""

    name: str
    arch: str
    time: int
    url: str


@dataclass(frozen=True)
class Listing:
    """Where the list of packages is, and what it must have."""

    url: str
    kind: str
    digest: str


def read(store: Store, repository: str, *, max_age: float, show: bool) -> list[Rpm]:
    """All packages of the repository, whose URL ends in /."""
    url = urljoin(repository, "repodata/repomd.xml")
    with store.get(url, max_age=max_age, show=show) as file:
        listing = parse_index(url, repository, file.read())
    sha256 = listing.digest if listing.kind == "sha256" else None
    with store.get(listing.url, sha256=sha256, show=show) as file:
        data = file.read()
    if hashlib.new(listing.kind, data).hexdigest() != listing.digest:
        raise ProgsError(f"{listing.url}: its {listing.kind} is not the one of repomd.xml", tip="try again later")
    return list(packages(listing.url, repository, unpack(listing.url, data)))


def parse_index(url: str, repository: str, text: bytes) -> Listing:
    """The listing that repomd.xml names."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as e:
        raise ProgsError(f"{url}: not XML: {e}", tip="is that the URL of an RPM repository?") from e
    for data in root.findall(f"{REPO}data"):
        location, checksum = data.find(f"{REPO}location"), data.find(f"{REPO}checksum")
        if data.get("type") == "primary" and location is not None and checksum is not None:
            kind = HASHES.get(checksum.get("type", ""))
            if kind is None:
                raise ProgsError(f"{url}: unknown kind of checksum {checksum.get('type')!r}")
            base = location.get(BASE, repository)
            return Listing(urljoin(base, location.get("href", "")), kind, (checksum.text or "").strip().lower())
    raise ProgsError(f"{url}: it names no list of packages", tip="is that the URL of an RPM repository?")


def unpack(url: str, data: bytes) -> bytes:
    """The listing without its compression, which the end of its name tells."""
    try:
        if url.endswith(".gz"):
            return gzip.decompress(data)
        if url.endswith(".xz"):
            return lzma.decompress(data)
        if url.endswith(".bz2"):
            return bz2.decompress(data)
    except (OSError, EOFError, lzma.LZMAError) as e:
        raise ProgsError(f"{url}: cannot be unpacked: {e}") from e
    if url.endswith(".zst"):
        status, out, err = process.transform(["zstd", "-dcq"], data, needed_to="unpack the list of packages")
        if status:
            raise ProgsError(f"{url}: cannot be unpacked: zstd {process.explain(status)}: {err.strip()}")
        return out
    if url.endswith(".xml"):
        return data
    raise ProgsError(f"{url}: compressed in a way that is not known (.gz, .xz, .bz2, .zst are)")


def packages(url: str, repository: str, text: bytes) -> Iterator[Rpm]:
    """The packages of a listing."""
    try:
        for _, element in ElementTree.iterparse(io.BytesIO(text)):
            if element.tag == f"{COMMON}package":
                yield _package(repository, element)
                element.clear()
    except (ElementTree.ParseError, AttributeError, TypeError, ValueError) as e:
        raise ProgsError(f"{url}: not a list of packages: {e}") from e


def _package(repository: str, element: ElementTree.Element) -> Rpm:
    def child(name: str) -> ElementTree.Element:
        found = element.find(f"{COMMON}{name}")
        if found is None:
            raise ValueError(f"a package without {name}")
        return found

    location = child("location")
    return Rpm(child("name").text or "", child("arch").text or "", int(child("time").get("file", "0")),
               urljoin(location.get(BASE, repository), location.get("href", "")))
