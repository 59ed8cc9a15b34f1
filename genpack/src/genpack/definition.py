# SPDX-License-Identifier: MIT
"""The definition file: found, parsed, checked. What is wrong with it is collected, not raised one by one."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from genpack import json5
from genpack.arch import ARCHES
from genpack.errors import UsageError
from genpack.json5 import Node
from genpack.keys import IGNORED, KEYS, STRUCTURE, unknown_key
from genpack.model import ArchLayer, Layer, Mention, Source, Variant
from genpack.problems import Problems, suggest_and_list
from genpack.shapes import members, string, wrong_type
from genpack.values import FILE_NAME
from genpack.workdir import WorkDir

FILE_NAMES = ("genpack.json5", "genpack.json")

#: Bytes; a definition of a thousand packages has 50 KB.
MAX_SIZE = 1 << 20

EXAMPLE = '{ name: "my-image", profile: "paravirt" }'


def find(folder: Path) -> Path:
    """The definition file of an artifact's folder. Raises UsageError if there is none, or two."""
    found = [path for name in FILE_NAMES if _is_definition(path := folder / name)]
    if not found:
        below = sorted({path.parent.name for name in FILE_NAMES for path in folder.glob(f"*/{name}")})
        tip = f"go to an artifact's folder, or name it with -C DIR; the smallest {FILE_NAMES[0]}: {EXAMPLE}"
        if below:
            tip = f"name one of the folders here that have one with -C: {', '.join(below[:10])}"
        raise UsageError(f"no {FILE_NAMES[0]} in {folder}", tip=tip)
    if len(found) > 1:
        raise UsageError(f"both {FILE_NAMES[0]} and {FILE_NAMES[1]} are in {folder}", tip="remove one of them")
    return found[0]


def _is_definition(path: Path) -> bool:
    """True if the file is there. Raises UsageError for what has its name and can't be read as a file."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        if path.is_symlink():
            raise UsageError(f"{path} is a link to nothing", tip=f"it points to {os.readlink(path)}") from error
        return False
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}") from error
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "no regular file"
        raise UsageError(f"{path} is {what}", tip=f"put a definition there, like {EXAMPLE}")
    return True


def read(path: Path) -> tuple[Source, Problems]:
    """The file's content, and what is wrong with it so far. Raises DefinitionError for a syntax error."""
    problems = Problems(path)
    text = _text(path, problems)
    problems.raise_if_any()
    try:
        root = json5.parse(text)
    except json5.Json5Error as error:
        problems.add(error.line, "syntax", error.message, f"look at column {error.column}")
        problems.raise_if_any()
        raise
    if root.kind != "object":
        wrong_type(problems, root, "definition", "an object {...}")
        problems.raise_if_any()
    return _Reader(problems).source(root), problems


def _text(path: Path, problems: Problems) -> str:
    """The file as text. Raises UsageError if it can't be read."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}") from error
    if len(content) > MAX_SIZE:
        problems.add(1, "syntax", "the file is larger than 1 MiB", "files go to files/, not into the definition")
    elif content[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        problems.add(1, "syntax", "the file is UTF-16", "save it as UTF-8")
    elif b"\0" in content:
        line = content[: content.index(b"\0")].count(b"\n") + 1
        problems.add(line, "syntax", "a NUL byte: this is no text", "save the file as UTF-8 text")
    else:
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            what = f"byte 0x{content[error.start]:02x} is not UTF-8"
            problems.add(line, "syntax", what, "save the file as UTF-8")
    return ""


def reserved_variants() -> set[str]:
    """Names a variant can't have: its folder lies beside these in work/<arch>/."""
    work = WorkDir(Path("work"), "arch", None)
    return {path.name for path in vars(work).values() if isinstance(path, Path) and path.parent == work.top}


class _Reader:
    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.profiles: list[Mention] = []
        self.env_files: list[Mention] = []

    def source(self, root: Node) -> Source:
        base, others = self.layer(root, "", set(KEYS), set(STRUCTURE), "")
        variants: dict[str, Variant] = {}
        if "variants" in others:
            variants = self.variants(others["variants"])
        default = None
        if "default_variant" in others:
            node = others["default_variant"]
            default = string(self.problems, node, "default_variant")
            if default is not None and default not in variants:
                what, advice = f"there is no variant '{default}'", suggest_and_list(default, variants)
                self.problems.add(node.line, "default_variant", what, advice)
                default = None
        arches = self.arches(others["arch"], "arch") if "arch" in others else ()
        return Source(base, arches, variants, default, tuple(self.profiles), tuple(self.env_files))

    def layer(
        self, node: Node, path: str, keys: set[str], more: set[str], place: str, variant: str | None = None
    ) -> tuple[Layer, dict[str, Node]]:
        """The layer that an object holds, and its members named in `more`."""
        values: dict[str, Any] = {}
        others: dict[str, Node] = {}
        for member in members(self.problems, node, path):
            where = f"{path}.{member.key}" if path else member.key
            if member.key in keys:
                value = KEYS[member.key].shape.read(self.problems, member.value, where)
                if value is not None:
                    values[member.key] = value
                if member.key == "profile":
                    values["profile_given"] = True
                    if value is not None:
                        self.profiles.append(Mention(value, member.value.line, where, variant))
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
                    if FILE_NAME.fullmatch(name):
                        self.env_files.append(Mention(name, item.line, f"{path}.{member.key}"))

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
                    self.problems.add(member.line, where, what, suggest_and_list(name, ARCHES))
                elif names.count(name) > 1:
                    self.problems.add(member.line, where, f"'{name}' is there twice", "leave one")
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
        reserved = reserved_variants()
        for member in members(self.problems, node, "variants"):
            where = f"variants.{member.key}"
            if not FILE_NAME.fullmatch(member.key):
                self.problems.add(member.line, where, "is no name", "use up to 100 letters, digits and . _ + -")
            elif member.key in reserved:
                self.problems.add(member.line, where, "is a name that genpack uses itself", "choose another")
            if member.value.kind != "object":
                wrong_type(self.problems, member.value, where, "an object")
                continue
            layer, others = self.layer(member.value, where, keys, {"arch"}, "in a variant", member.key)
            arches = self.arches(others["arch"], f"{where}.arch") if "arch" in others else ()
            found[member.key] = Variant(layer, arches)
        return found
