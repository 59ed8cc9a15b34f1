# SPDX-License-Identifier: MIT
"""The SBOM of made-up packages: valid by the SPDX project's own validator, complete, and the same every time."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import lowers
import pytest
from genpack.errors import GenpackError
from genpack.vardb import Database

from genpack import image, licences, sbom

IMAGE = sbom.Image("x-x86_64.squashfs", "x", None, "x86_64", "ab" * 32, lowers.EPOCH)


@pytest.fixture
def lower(tmp_path: Path) -> Path:
    return lowers.make(tmp_path / "lower")


def document(lower: Path, text: str = lowers.PACKAGES) -> dict[str, Any]:
    made = sbom.encode(sbom.document(IMAGE, image.parse(text, "x"), Database(lower)))
    content: dict[str, Any] = json.loads(made)
    return content


def problems(folder: Path, content: dict[str, Any]) -> list[str]:
    """What the validator says."""
    from spdx_tools.spdx.parser.parse_anything import parse_file
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    path = folder / "x.spdx.json"
    path.write_text(json.dumps(content))
    return [message.validation_message for message in validate_full_spdx_document(parse_file(str(path)))]


def test_valid(lower: Path, tmp_path: Path) -> None:
    content = document(lower)
    assert problems(tmp_path, content) == []
    content["packages"][1]["licenseDeclared"] = "no-such-licence"
    assert problems(tmp_path, content) != []


def test_packages(lower: Path) -> None:
    packages = {entry["name"]: entry for entry in document(lower)["packages"]}
    lib = packages["a/lib"]
    assert lib["versionInfo"] == "1.0-r1"
    assert lib["licenseDeclared"] == "(GPL-2.0-or-later OR LicenseRef-gentoo-odd-eula) AND GFDL-1.3-only"
    assert lib["homepage"] == "https://lib.invalid/"
    assert lib["downloadLocation"] == "https://gnu.invalid/gnu/lib/lib-1.0.tar.xz"
    assert lib["externalRefs"][0]["referenceLocator"] == "pkg:ebuild/a/lib@1.0-r1"
    assert "USE: doc ssl" in lib["comment"]
    tool = packages["a/tool"]
    assert (tool["summary"], tool["versionInfo"], "homepage" in tool) == ("A tool", "2.0_p1", False)
    odd = packages["b+c/odd_name"]
    assert (odd["SPDXID"], odd["licenseDeclared"]) == ("SPDXRef-Package-b-2b-c-odd-5f-name-3", "NOASSERTION")
    assert odd["comment"].startswith("repository: genpack-overlay;")
    picture = packages["x-x86_64"]
    assert picture["checksums"] == [{"algorithm": "SHA256", "checksumValue": "ab" * 32}]
    assert picture["packageFileName"] == "x-x86_64.squashfs"


def test_sources_and_relations(lower: Path) -> None:
    content = document(lower)
    packages = {entry["name"]: entry for entry in content["packages"]}
    assert "t.tar.gz" not in packages  # its USE flag is off
    doc = packages["lib-doc.tar.gz"]
    assert doc["downloadLocation"] == "https://lib.invalid/d/v1.tar.gz"
    assert {entry["algorithm"]: entry["checksumValue"] for entry in doc["checksums"]} == {
        "SHA512": hashlib.sha512(b"doc").hexdigest(),
        "BLAKE2b-512": hashlib.blake2b(b"doc").hexdigest(),
    }
    assert "checksums" not in packages["tool-2.0.tar.gz"]  # no Manifest has it
    relations = {tuple(entry.values()) for entry in content["relationships"]}
    ids = {name: entry["SPDXID"] for name, entry in packages.items()}
    assert ("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Image") in relations
    assert {other for one, kind, other in relations if (one, kind) == ("SPDXRef-Image", "CONTAINS")} == {
        ids["a/lib"], ids["a/tool"], ids["b+c/odd_name"],
    }  # fmt: skip
    assert {(one, other) for one, kind, other in relations if kind == "DEPENDS_ON"} == {
        (ids["a/tool"], ids["a/lib"]),
        (ids["b+c/odd_name"], ids["a/lib"]),
    }
    assert (ids["a/lib"], "GENERATED_FROM", ids["lib-doc.tar.gz"]) in relations


def test_licence_texts(lower: Path) -> None:
    assert document(lower)["hasExtractedLicensingInfos"] == [
        {"licenseId": "LicenseRef-gentoo-odd-eula", "name": "odd-eula", "extractedText": "You may look at it."}
    ]
    assert "hasExtractedLicensingInfos" not in document(lower, "a/tool-2.0_p1[0]\n\n")
    (lower / "var/db/repos/gentoo/licenses/odd-eula").unlink()
    assert "no text" in document(lower)["hasExtractedLicensingInfos"][0]["extractedText"]


def test_the_same_every_time_and_anywhere(tmp_path: Path) -> None:
    one, two = (document(lowers.make(tmp_path / name)) for name in ("one", "two/deeper"))
    assert one == two
    assert one["creationInfo"]["created"] == "2023-11-14T22:13:20Z"
    other = document(tmp_path / "one", "a/tool-2.0_p1[0]\n\n")
    assert one["documentNamespace"] != other["documentNamespace"]
    assert one["documentNamespace"].startswith("urn:genpack:spdx:x:")


def test_a_package_that_is_not_installed(lower: Path) -> None:
    with pytest.raises(GenpackError, match="a/none-1 is not in the lower layer"):
        document(lower, "a/none-1[0]\n\n")


def test_every_licence_of_the_table_is_one_of_spdx() -> None:
    from license_expression import get_spdx_licensing

    spdx = get_spdx_licensing()
    names = [*licences._SAME, *licences._OTHER, "GPL-1", "GPL-2+", "LGPL-2.1", "AGPL-3+", "FDL-1.3", "LGPL-2"]
    for name in names:
        assert spdx.validate(licences.known(name), strict=True).errors == [], name
    assert [licences.known(name) for name in ("GPL-4", "AGPL-1", "public-domain", "Artistic")] == [None] * 4


@pytest.mark.parametrize(
    ("text", "use", "expected"),
    [
        ("GPL-2", "", "GPL-2.0-only"),
        ("GPL-2+ MIT", "", "GPL-2.0-or-later AND MIT"),
        ("|| ( BSD MIT )", "", "BSD-3-Clause OR MIT"),
        ("|| ( ( BSD ISC ) MIT )", "", "(BSD-3-Clause AND ISC) OR MIT"),
        ("ZLIB || ( a? ( MIT ) BSD )", "", "Zlib AND BSD-3-Clause"),
        ("a? ( MIT ) !a? ( BSD )", "a", "MIT"),
        ("a? ( MIT ) !a? ( BSD )", "", "BSD-3-Clause"),
        ("MIT MIT", "", "MIT"),
        ("Apache-2.0-with-LLVM-exceptions MIT", "", "Apache-2.0 WITH LLVM-exception AND MIT"),
        ("odd_one", "", "LicenseRef-gentoo-odd-one"),
        ("a? ( MIT )", "", "NOASSERTION"),
        ("", "", "NOASSERTION"),
        ("|| ( MIT", "", "NOASSERTION"),
        ("MIT )", "", "NOASSERTION"),
        ("|| MIT", "", "NOASSERTION"),
    ],
)
def test_expressions(text: str, use: str, expected: str) -> None:
    assert licences.expression(text, use.split())[0] == expected
