# SPDX-License-Identifier: MIT
"""JUnit XML, as CI servers read it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from genpack_vm.errors import VmError


@dataclass(frozen=True)
class Case:
    """One test; `failure` None when it was good."""

    name: str
    seconds: float = 0.0
    failure: str | None = None
    out: str = ""
    err: str = ""


def _xml_text(text: str) -> str:
    """Without the characters that XML 1.0 cannot hold."""
    return "".join(c if c in "\t\n" or 0x20 <= ord(c) < 0xD800 or 0xE000 <= ord(c) < 0xFFFE else "\ufffd" for c in text)


def document(suite: str, cases: Sequence[Case]) -> bytes:
    """The whole file."""
    root = ElementTree.Element(
        "testsuite",
        name=_xml_text(suite),
        tests=str(len(cases)),
        failures=str(sum(case.failure is not None for case in cases)),
        errors="0",
        skipped="0",
        time=f"{sum(case.seconds for case in cases):.3f}",
    )
    for case in cases:
        element = ElementTree.SubElement(
            root, "testcase", classname="vm", name=_xml_text(case.name), time=f"{case.seconds:.3f}"
        )
        if case.failure is not None:
            first, _, _ = case.failure.partition("\n")
            failure = ElementTree.SubElement(element, "failure", message=_xml_text(first))
            failure.text = _xml_text(case.failure)
        for tag, text in (("system-out", case.out), ("system-err", case.err)):
            if text:
                ElementTree.SubElement(element, tag).text = _xml_text(text)
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def write(path: Path, suite: str, cases: Sequence[Case]) -> None:
    """Replace `path` in one step."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(document(suite, cases))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as e:
        temporary.unlink(missing_ok=True)
        raise VmError(f"cannot write {path}: {e.strerror}") from e
