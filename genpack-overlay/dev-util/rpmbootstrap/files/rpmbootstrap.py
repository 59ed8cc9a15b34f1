#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Install packages of an RPM repository, with all that they need, into a folder that becomes a system of its own."""

import argparse
import bz2
import gzip
import hashlib
import itertools
import lzma
import platform
import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from urllib.parse import urljoin
from xml.etree import ElementTree

REPO, COMMON, RPM = (f"{{http://linux.duke.edu/metadata/{name}}}" for name in ("repo", "common", "rpm"))
TIMEOUT = 60.0  # seconds
HASHES = ("sha256", "sha384", "sha512")


def fail(text: str):
    """End with one line."""
    sys.exit(f"rpmbootstrap: error: {text}")


def fetch(url: str, kind: str = "", digest: str = "") -> bytes:
    """What is at a URL, which must have the hash."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            data = answer.read()
    except (OSError, ValueError) as e:
        fail(f"{url}: {getattr(e, 'reason', None) or e}")
    if kind and (kind not in HASHES or hashlib.new(kind, data).hexdigest() != digest):
        fail(f"{url}: its {kind} is not {digest}")
    return data


def unpack(url: str, data: bytes) -> bytes:
    """The list of packages without its compression."""
    if url.endswith(".zst"):
        try:
            return subprocess.run(["zstd", "-dcq"], input=data, capture_output=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError) as e:
            fail(f"{url}: zstd: {e}")
    try:
        for suffix, module in ((".gz", gzip), (".xz", lzma), (".bz2", bz2)):
            if url.endswith(suffix):
                return module.decompress(data)
    except (OSError, EOFError, lzma.LZMAError) as e:
        fail(f"{url}: can't be unpacked: {e}")
    return data


def version_key(text: str) -> list[tuple[int, int, str]]:
    """Sorts as rpmvercmp does: numbers above letters, ~ below the end, ^ above it."""
    key = []
    for part in re.findall(r"\d+|[A-Za-z]+|[~^]", text):
        if part.isdigit():
            key.append((4, int(part), ""))
        else:
            key.append({"~": (0, 0, ""), "^": (2, 0, "")}.get(part, (3, 0, part)))
    return [*key, (1, 0, "")]


class Package:
    """An entry of the list."""

    def __init__(self, base: str, entry: ElementTree.Element) -> None:
        def text(name: str) -> str:
            return entry.findtext(f"{COMMON}{name}") or ""

        self.name, self.arch = text("name"), text("arch")
        version, checksum = entry.find(f"{COMMON}version"), entry.find(f"{COMMON}checksum")
        location, details = entry.find(f"{COMMON}location"), entry.find(f"{COMMON}format")
        if version is None or checksum is None or location is None or details is None:
            fail(f"{base}: the entry of {self.name or 'a package'} is not complete")
        self.version = (int(version.get("epoch") or 0), *(version_key(version.get(n, "")) for n in ("ver", "rel")))
        self.url = urljoin(base, location.get("href", ""))
        self.kind, self.digest = checksum.get("type", ""), (checksum.text or "").strip()
        names = [e.get("name", "") for e in details.iterfind(f"{RPM}provides/{RPM}entry")]
        self.provides = {self.name, *names, *(e.text or "" for e in details.iterfind(f"{COMMON}file"))}
        needed = (e.get("name", "") for e in details.iterfind(f"{RPM}requires/{RPM}entry"))
        # rpm itself provides the former and judges the latter when it installs
        self.requires = [n for n in needed if not n.startswith(("rpmlib(", "("))]


def read(base: str, arch: str) -> dict[str, Package]:
    """The newest package of each name for a machine."""
    index = urljoin(base, "repodata/repomd.xml")
    newest: dict[str, Package] = {}
    try:
        for data in ElementTree.fromstring(fetch(index)).iterfind(f"{REPO}data"):
            location, checksum = data.find(f"{REPO}location"), data.find(f"{REPO}checksum")
            if data.get("type") != "primary" or location is None or checksum is None:
                continue
            url = urljoin(base, location.get("href", ""))
            listing = unpack(url, fetch(url, checksum.get("type", ""), (checksum.text or "").strip()))
            for entry in ElementTree.fromstring(listing).iterfind(f"{COMMON}package"):
                package = Package(base, entry)
                old = newest.get(package.name)
                if package.arch in (arch, "noarch") and (old is None or old.version < package.version):
                    newest[package.name] = package
    except ElementTree.ParseError as e:
        fail(f"{index}: not the metadata of an RPM repository: {e}")
    if not newest:
        fail(f"{index}: it lists no package for {arch}")
    return newest


def closure(known: dict[str, Package], wanted: list[str], excluded: set[str]) -> list[Package]:
    """The wanted packages and what they need, whoever provides it; of several the one that is chosen already."""
    providers: dict[str, list[Package]] = {}
    for package, name in itertools.chain.from_iterable(((p, n) for n in p.provides) for p in known.values()):
        providers.setdefault(name, []).append(package)
    chosen: dict[str, Package] = {}
    waiting = [(name, "which is asked for") for name in wanted]
    while waiting:
        name, why = waiting.pop(0)
        found = [p for p in providers.get(name, []) if p.name not in excluded]
        if any(p.name in chosen for p in found):
            continue
        if not found and name in providers:
            continue  # left out on purpose; rpm has the last word
        if not found:
            fail(f"nothing provides {name}, {why}")
        package = next((p for p in found if p.name == name), min(found, key=lambda p: p.name))
        chosen[package.name] = package
        waiting += [(needed, f"which {package.name} needs") for needed in package.requires]
    return sorted(chosen.values(), key=lambda p: p.name)


def rpm(root: Path, *words: str) -> None:
    """Run rpm on the new system."""
    try:
        status = subprocess.run(["rpm", "--root", str(root), *words], check=False).returncode
    except OSError as e:
        fail(f"rpm can't be started: {e.strerror}")
    if status != 0:
        fail(f"rpm ended with status {status}; {root} is not complete")


def main() -> None:
    """Resolves, downloads, installs."""
    parser = argparse.ArgumentParser(prog="rpmbootstrap", description=__doc__)
    parser.add_argument("--key", type=Path, action="append", default=[], metavar="FILE",
                        help="public key that packages are signed with; can be given several times")  # fmt: skip
    parser.add_argument("--no-signature", action="store_true", help="take packages whose signatures nobody checks")
    parser.add_argument("--exclude", action="append", default=[], metavar="NAME", help="never install this package")
    parser.add_argument("--arch", default=platform.machine(), help="of the packages (default: %(default)s)")
    parser.add_argument("url", metavar="BASE-URL", help="folder that has repodata/")
    parser.add_argument("root", type=Path, metavar="FOLDER", help="new or empty")
    parser.add_argument("packages", nargs="+", metavar="PACKAGE", help="name, or what a package provides")
    options = parser.parse_args()
    root = options.root.absolute()
    if bool(options.key) == options.no_signature:
        parser.error("either --key or --no-signature is wanted")
    for key in options.key:
        if not key.is_file():
            parser.error(f"--key {key}: there is no such file")
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        parser.error(f"{root} is not an empty folder")
    base = options.url.rstrip("/") + "/"
    packages = closure(read(base, options.arch), options.packages, set(options.exclude))
    with tempfile.TemporaryDirectory(prefix="rpmbootstrap-") as folder:
        files = []
        for number, package in enumerate(packages, 1):
            print(f"{number}/{len(packages)} {package.name}", flush=True)
            path = Path(folder) / f"{number}.rpm"  # the list is not to choose paths
            path.write_bytes(fetch(package.url, package.kind or "sha256", package.digest))
            files.append(str(path))
        root.mkdir(parents=True, exist_ok=True)
        rpm(root, "--initdb")
        for key in options.key:
            rpm(root, "--import", str(key.absolute()))
        check = ["--nosignature"] if options.no_signature else ["--define", "_pkgverify_level all"]
        rpm(root, "--install", *check, *files)


if __name__ == "__main__":
    main()
