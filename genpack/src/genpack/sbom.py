# SPDX-License-Identifier: MIT
"""NAME-ARCH.spdx.json: what an image is made of, as an SPDX 2.3 document.

The image CONTAINS its packages; a package DEPENDS_ON others and is GENERATED_FROM its source archives. Nothing in the
document depends on when or where it was made: its time is the snapshot's, its namespace the hash of its content.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from genpack import __version__, hashing, licences
from genpack.image import Package
from genpack.vardb import Database, Installed, Source

NOASSERTION = licences.NOASSERTION
NAMESPACE = "urn:genpack:spdx"
_ALGORITHMS = {"SHA512": ("SHA512", 128), "BLAKE2B": ("BLAKE2b-512", 128), "SHA256": ("SHA256", 64)}
_URL = re.compile(r"(https?|ftp)://[\w-]+(\.[\w-]+)*\.[A-Za-z]{2,}(:\d+)?(/[^\s#]*)?")

Json = dict[str, object]


@dataclass(frozen=True)
class Image:
    """The image that the document is about. `epoch`: the snapshot's time, seconds."""

    file: str
    name: str
    variant: str | None
    arch: str
    sha256: str
    epoch: int


def document(image: Image, listed: Iterable[Package], database: Database) -> Json:
    """The whole document. `listed`: the packages of /.genpack/packages. Raises GenpackError if one of them is not
    in the lower layer."""
    packages, relationships, archives = [_image(image)], [], dict[str, Source]()
    references: dict[str, str] = {}  # licence -> a repository that has its text
    ids = {package.name: _id("Package", package.name) for package in listed}
    relationships.append(_relation("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Image"))
    for name in sorted(ids):
        installed = database.package(name)
        expression, unknown = licences.expression(installed.license, installed.use)
        references |= {licence: installed.repository for licence in sorted(unknown - references.keys())}
        sources = database.sources(installed)
        packages.append(_package(installed, ids[name], expression, sources))
        relationships.append(_relation("SPDXRef-Image", "CONTAINS", ids[name]))
        for source in sources:
            archive = _id("Source", source.file)
            archives.setdefault(archive, source)
            relationships.append(_relation(ids[name], "GENERATED_FROM", archive))
    for package in listed:
        relationships += [
            _relation(ids[other], "DEPENDS_ON", ids[package.name]) for other in package.needed_by if other in ids
        ]
    packages += [_archive(archive, archives[archive]) for archive in sorted(archives)]
    content: Json = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": image.file,
        "creationInfo": {
            "created": datetime.fromtimestamp(image.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "creators": [f"Tool: genpack-{__version__}"],
        },
        "packages": packages,
        "relationships": sorted(relationships, key=lambda entry: tuple(entry.values())),
        "hasExtractedLicensingInfos": [_text(name, references[name], database) for name in sorted(references)],
    }
    if not references:
        del content["hasExtractedLicensingInfos"]
    return {"documentNamespace": f"{NAMESPACE}:{image.name}:{hashing.of_value(content)}", **content}


def encode(content: Mapping[str, object]) -> bytes:
    """The document's bytes."""
    return json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n"


def path(image: Path) -> Path:
    """NAME-ARCH.squashfs -> NAME-ARCH.spdx.json."""
    return image.with_name(f"{image.name.removesuffix('.squashfs')}.spdx.json")


def _image(image: Image) -> Json:
    return {
        "SPDXID": "SPDXRef-Image",
        "name": image.name + (f"-{image.variant}" if image.variant else "") + f"-{image.arch}",
        "packageFileName": image.file,
        "downloadLocation": NOASSERTION,
        "filesAnalyzed": False,
        "licenseConcluded": NOASSERTION,
        "licenseDeclared": NOASSERTION,
        "copyrightText": NOASSERTION,
        "primaryPackagePurpose": "OPERATING_SYSTEM",
        "checksums": [{"algorithm": "SHA256", "checksumValue": image.sha256}],
    }


def _package(package: Installed, spdx_id: str, licence: str, sources: list[Source]) -> Json:
    homepage = next((page for page in package.homepages if _URL.fullmatch(page)), None)
    purl = f"pkg:ebuild/{quote(package.category)}/{quote(package.name)}@{quote(package.version)}"
    entry: Json = {
        "SPDXID": spdx_id,
        "name": f"{package.category}/{package.name}",
        "versionInfo": package.version,
        "downloadLocation": next((s.uri for s in sources if _URL.fullmatch(s.uri)), NOASSERTION),
        "filesAnalyzed": False,
        "licenseConcluded": NOASSERTION,
        "licenseDeclared": licence,
        "copyrightText": NOASSERTION,
    }
    if homepage:
        entry["homepage"] = homepage
    if package.description:
        entry["summary"] = package.description
    use = f"; USE: {' '.join(sorted(package.use))}" if package.use else ""
    entry["comment"] = f"repository: {package.repository or 'unknown'}; slot: {package.slot or '0'}{use}"
    entry["externalRefs"] = [
        {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}
    ]
    return entry


def _archive(spdx_id: str, source: Source) -> Json:
    checksums = []
    for name, digest in sorted(source.hashes.items()):
        algorithm, length = _ALGORITHMS.get(name, ("", 0))
        if re.fullmatch(rf"[0-9a-f]{{{length or 1}}}", digest) and algorithm:
            checksums.append({"algorithm": algorithm, "checksumValue": digest})
    entry: Json = {
        "SPDXID": spdx_id,
        "name": source.file,
        "packageFileName": source.file,
        "downloadLocation": source.uri if _URL.fullmatch(source.uri) else NOASSERTION,
        "filesAnalyzed": False,
        "licenseConcluded": NOASSERTION,
        "licenseDeclared": NOASSERTION,
        "copyrightText": NOASSERTION,
        "primaryPackagePurpose": "SOURCE",
    }
    return {**entry, "checksums": checksums} if checksums else entry


def _text(name: str, repository: str, database: Database) -> Json:
    text = database.licence_text(name, repository).strip()
    return {
        "licenseId": licences.reference(name),
        "name": name,
        "extractedText": text or f"The ebuild repositories have no text of the licence {name}.",
    }


def _relation(one: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def _id(kind: str, name: str) -> str:
    """An SPDX identifier, which has letters, digits, dots and hyphens: any other character as its code."""

    def code(found: re.Match[str]) -> str:
        return "-" if found[0] in {"-", "/"} else f"-{ord(found[0]):x}-"

    return f"SPDXRef-{kind}-" + re.sub(r"[^A-Za-z0-9.]", code, name)
