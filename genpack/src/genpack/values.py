# SPDX-License-Identifier: MIT
"""Reads the values of keys: one function a shape, every problem noted, never an exception."""

from __future__ import annotations

import re

from genpack.atoms import ATOM, EXCLUDE, MAP_ATOM, is_atom, is_exclude, is_map_atom, package
from genpack.atoms import advice as atom_advice
from genpack.json5 import Node
from genpack.model import ALGORITHMS, Breaker, Compression
from genpack.problems import Problems, suggest
from genpack.shapes import (
    LINE,
    TEXT,
    Shape,
    boolean,
    fields,
    integer,
    members,
    string,
    strings,
    whole,
    words,
    words_schema,
    wrong_type,
)

#: Of an artifact, a variant, a file in env/. Names of files are made of it: NAME_MAX is 255.
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,99}")
PROFILE = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]*(?:/[A-Za-z0-9_+-][A-Za-z0-9._+-]*)*")
# Without a leading '-': systemctl would take it for an option.
UNIT = re.compile(
    r"[A-Za-z0-9:_.\\][A-Za-z0-9:_.\\-]{0,199}(?:@[A-Za-z0-9:_.\\-]*)?"
    r"(?:\.(?:service|socket|timer|path|target|mount|automount|swap|slice))?"
)
USE_FLAG = re.compile(r"[+-]?[A-Za-z0-9][A-Za-z0-9+_@-]*|-\*|[A-Z][A-Z0-9_]*:")
BREAKER_FLAG = re.compile(r"[+-]?[A-Za-z0-9][A-Za-z0-9+_@-]*|-\*")
KEYWORD = re.compile(r"-?~?(?:[A-Za-z0-9_][A-Za-z0-9_-]*|\*)|-?\*\*")
LICENSE = re.compile(r"-?(?:@?[A-Za-z0-9_][A-Za-z0-9+_.-]*|\*)")


#: First folders of an `outfile` that the next build would read, or that genpack makes.
TAKEN = ("files", "kernel", "savedconfig", "patches", "env", "overlay", "work")
TAKEN_FILES = ("genpack.json5", "genpack.json", "genpack.lock", "SHA256SUMS")
PLACEHOLDERS = ("{name}", "{arch}", "{variant}")


def named(pattern: re.Pattern[str], wanted: str) -> Shape:
    """A string of a certain form."""

    def read(problems: Problems, node: Node, path: str) -> str | None:
        text = string(problems, node, path)
        if text is not None and not pattern.fullmatch(text):
            advice = "use letters, digits and . _ + - only" if len(text) < 100 else "use fewer than 100 characters"
            problems.add(node.line, path, f"'{text}' is no {wanted}", advice)
            return None
        return text

    return Shape(read, whole(pattern.pattern), "string")


def read_profile(problems: Problems, node: Node, path: str) -> str | None:
    if node.kind == "null":
        return None
    found: str | None = named(PROFILE, "profile name").read(problems, node, path)
    return found


def read_outfile(problems: Problems, node: Node, path: str) -> str | None:
    text = string(problems, node, path)
    if text is None:
        return None
    before = problems.count
    for word in re.findall(r"\{[^{}]*\}", text):
        if word not in PLACEHOLDERS:
            problems.add(node.line, path, f"unknown placeholder '{word}'", "use {name}, {arch} or {variant}")
    parts = text.split("/")
    if text.startswith("/"):
        problems.add(node.line, path, f"'{text}' is an absolute path", "name the folder with --output-dir")
    elif not parts[-1] or any(part in {"", ".", ".."} for part in parts):
        problems.add(node.line, path, f"'{text}' is no file in or below the artifact's folder", "write a file's name")
    elif (len(parts) > 1 and parts[0] in TAKEN) or text in (*TAKEN, *TAKEN_FILES):
        problems.add(node.line, path, f"'{text}' lies where genpack keeps something else", "choose another name")
    elif len(parts[-1].encode()) > 160:  # placeholders, and the suffixes of the records beside the image
        problems.add(node.line, path, "is too long for a file's name", "use at most 160 bytes")
    return text if problems.count == before else None


def read_atoms(problems: Problems, node: Node, path: str) -> tuple[str, ...]:
    good = []
    for line, text in strings(problems, node, path):
        if is_atom(text):
            good.append(text)
        else:
            problems.add(line, path, f"'{text}' is no package atom", atom_advice(text))
    return tuple(good)


def read_excludes(problems: Problems, node: Node, path: str) -> tuple[str, ...]:
    """An atom, or a list; of the kind that emerge can leave out of binary packages."""
    good = []
    for line, text in strings(problems, Node((node,), node.line, "list") if node.kind == "string" else node, path):
        if is_exclude(text):
            good.append(text)
        elif is_atom(text):
            problems.add(line, path, f"'{text}' is more than a name and a slot", f"write '{package(text)}'")
        else:
            problems.add(line, path, f"'{text}' is no package atom", atom_advice(text))
    return tuple(good)


def read_packages(problems: Problems, node: Node, path: str) -> tuple[str, ...]:
    """Atoms; `-atom` removes, `#...` is a comment."""
    good = []
    for line, text in strings(problems, node, path):
        if text.startswith("#"):
            problems.note(line, path, f"'{text}' is a comment: ignored")
        elif is_atom(text.removeprefix("-")):
            good.append(text)
        else:
            problems.add(line, path, f"'{text}' is no package atom", atom_advice(text.removeprefix("-")))
    return tuple(good)


def atom_map(pattern: re.Pattern[str], what: str, *, null: tuple[str, ...] | None = None, nullable: bool) -> Shape:
    """An object `atom -> words`; a null value stands for `null`."""

    def read(problems: Problems, node: Node, path: str) -> dict[str, tuple[str, ...] | None]:
        result: dict[str, tuple[str, ...] | None] = {}
        if node.kind != "object":
            wrong_type(problems, node, path, f"an object {{atom: {what}}}")
            return result
        for member in members(problems, node, path):
            where = f"{path}.{member.key}"
            if not is_map_atom(member.key):
                problems.add(member.line, where, "is no package atom", atom_advice(member.key))
                continue
            if member.value.kind == "null" and nullable:
                result[member.key] = null
                continue
            good = []
            for line, word in words(problems, member.value, where):
                if pattern.fullmatch(word):
                    good.append(word.removeprefix("+"))
                else:
                    problems.add(line, where, f"'{word}' is no {what}", f"correct the {what}")
            result[member.key] = tuple(good)
        return result

    value = words_schema(pattern.pattern)
    if nullable:
        value = {"anyOf": [*value["anyOf"], {"type": "null"}]}  # type: ignore[misc]  # words_schema's own list
    schema = {"type": "object", "propertyNames": whole(MAP_ATOM), "additionalProperties": value}
    return Shape(read, schema, "object: atom -> string, list" + (" or null" if nullable else ""))


def read_services(problems: Problems, node: Node, path: str) -> tuple[str, ...]:
    good = []
    for line, text in strings(problems, node, path):
        if UNIT.fullmatch(text):
            good.append(text)
        else:
            problems.add(line, path, f"'{text}' is no unit name", "write it as systemctl enable takes it")
    return tuple(good)


def read_commands(problems: Problems, node: Node, path: str) -> tuple[str, ...]:
    return tuple(text for _, text in strings(problems, node, path, multiline=True))


def read_compression(problems: Problems, node: Node, path: str) -> Compression | None:
    level_node: Node | None = None
    name_node: Node | None = node
    if node.kind == "object":
        given = fields(problems, node, path, {"algorithm": "algorithm", "level": "level"})
        name_node, level_node = given.get("algorithm"), given.get("level")
        if name_node is None:
            problems.add(node.line, path, "has no algorithm", "add 'algorithm'")
            return None
    elif node.kind != "string":
        wrong_type(problems, node, path, "a string or an object {algorithm, level}")
        return None
    name = string(problems, name_node, path) if name_node else None
    if name is None:
        return None
    if name not in ALGORITHMS:
        algorithm, colon, _ = name.partition(":")
        advice = f"write {{algorithm: '{algorithm}', level: ...}}" if colon else suggest(name, ALGORITHMS)
        problems.add((name_node or node).line, path, f"unknown algorithm '{name}'", advice)
        return None
    level = None if level_node is None else integer(problems, level_node, f"{path}.level", 22)
    if level is not None and level_node is not None:
        levels = ALGORITHMS[name]
        if levels is None:
            problems.add(level_node.line, f"{path}.level", f"{name} has no levels", "leave it out")
        elif level not in levels:
            advice = f"use {levels.start} to {levels.stop - 1}"
            problems.add(level_node.line, f"{path}.level", f"{name} has no level {level}", advice)
    return Compression(name, level)


def read_breaker(problems: Problems, node: Node, path: str) -> Breaker | None:
    if node.kind != "object":
        wrong_type(problems, node, path, "an object {packages, use}")
        return None
    given = fields(problems, node, path, {"packages": "packages", "use": "use"})
    if "packages" not in given:
        problems.add(node.line, path, "has no packages", "add 'packages'")
        return None
    found = read_atoms(problems, given["packages"], f"{path}.packages")
    use = words(problems, given["use"], f"{path}.use") if "use" in given else []
    for line, word in use:
        if not BREAKER_FLAG.fullmatch(word):
            problems.add(line, f"{path}.use", f"'{word}' is no USE flag", "correct the USE flag")
    return Breaker(found, tuple(word.removeprefix("+") for _, word in use))


def compression_schema() -> dict[str, object]:
    """An algorithm, or an object with one and a level that it has."""
    entries: list[dict[str, object]] = [{"enum": list(ALGORITHMS)}]
    for name, levels in ALGORITHMS.items():
        properties: dict[str, object] = {"algorithm": {"const": name}}
        if levels is not None:
            properties["level"] = {"type": "integer", "minimum": levels.start, "maximum": levels.stop - 1}
        required = {"type": "object", "required": ["algorithm"], "additionalProperties": False}
        entries.append({**required, "properties": properties})
    return {"anyOf": entries}


_ATOMS = {"type": "array", "items": whole(ATOM)}
_PACKAGES = {"type": "array", "items": {"anyOf": [whole(f"-?{ATOM}"), {**LINE, "pattern": r"^#[^\n\r\0]*$"}]}}
_BREAKER = {
    "type": "object",
    "required": ["packages"],
    "additionalProperties": False,
    "properties": {"packages": _ATOMS, "use": words_schema(BREAKER_FLAG.pattern)},
}
_PROFILE = {"anyOf": [whole(PROFILE.pattern), {"type": "null"}]}
_OUTFILE = whole(r"(?!/)(?:[^{}\n\r\0]|\{(?:name|arch|variant)\})+")

BOOLEAN = Shape(boolean, {"type": "boolean"}, "boolean")
PROFILE_NAME = Shape(read_profile, _PROFILE, "string or null")
OUTFILE = Shape(read_outfile, _OUTFILE, "string")
COMPRESSION = Shape(read_compression, compression_schema(), "string or object {algorithm, level}")
ATOMS = Shape(read_atoms, _ATOMS, "list of atoms")
EXCLUDES = Shape(
    read_excludes,
    {"anyOf": [whole(EXCLUDE), {"type": "array", "items": whole(EXCLUDE)}]},
    "atom or list of atoms",
)
PACKAGES = Shape(read_packages, _PACKAGES, "list of atoms")
SERVICES = Shape(read_services, {"type": "array", "items": whole(UNIT.pattern)}, "list of unit names")
COMMANDS = Shape(read_commands, {"type": "array", "items": TEXT}, "list of strings")
BREAKER = Shape(read_breaker, _BREAKER, "object {packages, use}")
