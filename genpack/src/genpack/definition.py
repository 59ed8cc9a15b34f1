# SPDX-License-Identifier: MIT
"""The definition file: found, parsed, checked. What is wrong with it is collected, not raised one by one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from genpack import json5
from genpack.arch import ARCHES
from genpack.errors import UsageError
from genpack.json5 import Node
from genpack.keys import FILE_NAME, IGNORED, KEYS, unknown_key
from genpack.model import ArchLayer, Layer, Source, Variant
from genpack.problems import Problems, suggest
from genpack.shapes import members, string, wrong_type

FILE_NAMES = ("genpack.json5", "genpack.json")

#: Names a variant can't have: its folder lies beside these in work/<arch>/.
RESERVED_VARIANTS = {"lower", "lower.new", "upper", "work", "merged", "logs", "binpkgs", "state.json", "lock"}


def find(folder: Path) -> Path:
    """The definition file of an artifact's folder. Raises UsageError if there is none, or two."""
    found = [folder / name for name in FILE_NAMES if (folder / name).is_file()]
    if not found:
        raise UsageError(f"no {FILE_NAMES[0]} in {folder}", tip="go to an artifact's folder, or name it with -C DIR")
    if len(found) > 1:
        raise UsageError(f"both {FILE_NAMES[0]} and {FILE_NAMES[1]} are in {folder}", tip="remove one of them")
    return found[0]


def read(path: Path) -> tuple[Source, Problems]:
    """The file's content, and what is wrong with it so far. Raises DefinitionError for a syntax error."""
    problems = Problems(path)
    try:
        root = json5.parse(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        problems.add(line, "syntax", f"byte 0x{error.object[error.start]:02x} is not UTF-8", "save the file as UTF-8")
    except json5.Json5Error as error:
        problems.add(error.line, "syntax", error.message, f"look at column {error.column}")
    problems.raise_if_any()
    if root.kind != "object":
        wrong_type(problems, root, "definition", "an object {...}")
        problems.raise_if_any()
    return _Reader(problems).source(root), problems


class _Reader:
    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.profile_lines: dict[str, int] = {}
        self.env_lines: dict[str, tuple[int, str]] = {}

    def source(self, root: Node) -> Source:
        top = {"arch", "variants", "default_variant"}
        base, others = self.layer(root, "", set(KEYS), top, "")
        variants: dict[str, Variant] = {}
        if "variants" in others:
            variants = self.variants(others["variants"])
        default = None
        if "default_variant" in others:
            node = others["default_variant"]
            default = string(self.problems, node, "default_variant")
            if default is not None and default not in variants:
                what, advice = f"there is no variant '{default}'", suggest(default, variants)
                self.problems.add(node.line, "default_variant", what, advice)
                default = None
        arches = self.arches(others["arch"], "arch") if "arch" in others else ()
        return Source(base, arches, variants, default, self.profile_lines, self.env_lines)

    def layer(
        self, node: Node, path: str, keys: set[str], more: set[str], place: str
    ) -> tuple[Layer, dict[str, Node]]:
        """The layer that an object holds, and its members named in `more`."""
        values: dict[str, Any] = {}
        others: dict[str, Node] = {}
        for member in members(self.problems, node, path):
            where = f"{path}.{member.key}" if path else member.key
            if member.key in keys:
                value = KEYS[member.key].read(self.problems, member.value, where)
                if value is not None:
                    values[member.key] = value
                if member.key == "profile":
                    values["profile_given"] = True
                    self.profile_lines.setdefault(str(value), member.line)
                if member.key == "env":
                    self.note_env(member.value, where)
            elif member.key in more:
                others[member.key] = member.value
            elif not path and member.key in IGNORED:
                self.problems.note(member.line, where, "has no meaning any more: ignored")
            else:
                unknown_key(self.problems, member, path, keys | more, place)
        return Layer(**values), others

    def note_env(self, node: Node, path: str) -> None:
        """Remember where each file of env/ is named."""
        for member in node.members if node.kind == "object" else ():
            items = member.value.items if member.value.kind == "list" else (member.value,)
            for item in items:
                for name in item.value.split() if isinstance(item.value, str) else ():
                    self.env_lines.setdefault(name, (item.line, f"{path}.{member.key}"))

    def arches(self, node: Node, path: str) -> tuple[ArchLayer, ...]:
        if node.kind != "object":
            wrong_type(self.problems, node, path, "an object {architecture: {...}}")
            return ()
        keys = {name for name, key in KEYS.items() if key.in_arch}
        found = []
        for member in members(self.problems, node, path):
            where = f"{path}.{member.key}"
            names = tuple(name.strip() for name in member.key.split("|"))
            for name in names:
                if name not in ARCHES:
                    what = f"unknown architecture '{name}'"
                    self.problems.add(member.line, where, what, suggest(name, ARCHES))
            if member.value.kind != "object":
                wrong_type(self.problems, member.value, where, "an object")
                continue
            layer, _ = self.layer(member.value, where, keys, set(), "for an architecture")
            found.append(ArchLayer(names, layer))
        return tuple(found)

    def variants(self, node: Node) -> dict[str, Variant]:
        if node.kind != "object":
            wrong_type(self.problems, node, "variants", "an object {name: {...}}")
            return {}
        keys = {name for name, key in KEYS.items() if key.in_variant}
        found = {}
        for member in members(self.problems, node, "variants"):
            where = f"variants.{member.key}"
            if not FILE_NAME.fullmatch(member.key) or re.search(r"\s", member.key):
                self.problems.add(member.line, where, "is no name", "use letters, digits and . _ + - only")
            elif member.key in RESERVED_VARIANTS:
                self.problems.add(member.line, where, "is a name that genpack uses itself", "choose another")
            if member.value.kind != "object":
                wrong_type(self.problems, member.value, where, "an object")
                continue
            layer, others = self.layer(member.value, where, keys, {"arch"}, "in a variant")
            arches = self.arches(others["arch"], f"{where}.arch") if "arch" in others else ()
            found[member.key] = Variant(layer, arches)
        return found
