# SPDX-License-Identifier: MIT
"""Reads the value of each key: one function a shape, every problem noted, never an exception.

A reader gets the node and the key's path and returns the value, leaving out what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from genpack.account_keys import groups, users
from genpack.atoms import advice as atom_advice
from genpack.atoms import is_atom, is_map_atom
from genpack.json5 import Member, Node
from genpack.model import ALGORITHMS, Breaker, Compression
from genpack.problems import Problems, nearest, suggest
from genpack.shapes import boolean, fields, integer, members, string, strings, words, wrong_type

Reader = Callable[[Problems, Node, str], Any]

FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")
PROFILE = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]*(?:/[A-Za-z0-9_+-][A-Za-z0-9._+-]*)*")
UNIT = re.compile(
    r"[A-Za-z0-9:_.\\-]+(?:@[A-Za-z0-9:_.\\-]*)?"
    r"(?:\.(?:service|socket|timer|path|target|mount|automount|swap|slice))?"
)
USE_FLAG = re.compile(r"[+-]?[A-Za-z0-9][A-Za-z0-9+_@-]*|-\*|[A-Z][A-Z0-9_]*:")
KEYWORD = re.compile(r"[~-]?(?:[A-Za-z0-9_][A-Za-z0-9_-]*|\*)|\*\*")
LICENSE = re.compile(r"-?(?:@?[A-Za-z0-9_][A-Za-z0-9+_.-]*|\*)")


def matching(pattern: re.Pattern[str], wanted: str) -> Reader:
    """A reader of a string of a certain form."""

    def read(problems: Problems, node: Node, path: str) -> str | None:
        text = string(problems, node, path)
        if text is not None and not pattern.fullmatch(text):
            problems.add(node.line, path, f"'{text}' is no {wanted}", "use letters, digits and . _ + - only")
            return None
        return text

    return read


def profile(problems: Problems, node: Node, path: str) -> str | None:
    if node.kind == "null":
        return None
    found: str | None = matching(PROFILE, "profile name")(problems, node, path)
    return found


def outfile(problems: Problems, node: Node, path: str) -> str | None:
    text = string(problems, node, path)
    for word in re.findall(r"\{([^{}]*)\}", text or ""):
        if word not in {"name", "arch", "variant"}:
            problems.add(node.line, path, f"unknown placeholder '{{{word}}}'", "use {name}, {arch} or {variant}")
    return text


def atoms(problems: Problems, node: Node, path: str) -> tuple[str, ...]:
    good = []
    for line, text in strings(problems, node, path):
        if is_atom(text):
            good.append(text)
        else:
            problems.add(line, path, f"'{text}' is no package atom", atom_advice(text))
    return tuple(good)


def atom_or_atoms(problems: Problems, node: Node, path: str) -> tuple[str, ...]:
    return atoms(problems, Node((node,), node.line, "list") if node.kind == "string" else node, path)


def runtime_packages(problems: Problems, node: Node, path: str) -> tuple[str, ...]:
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


def atom_map(pattern: re.Pattern[str], what: str, *, null: tuple[str, ...] | None = None, nullable: bool) -> Reader:
    """A reader of `atom -> words`; a null value stands for `null`."""

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

    return read


def services(problems: Problems, node: Node, path: str) -> tuple[str, ...]:
    good = []
    for line, text in strings(problems, node, path):
        if UNIT.fullmatch(text):
            good.append(text)
        else:
            problems.add(line, path, f"'{text}' is no unit name", "write it as systemctl enable takes it")
    return tuple(good)


def commands(problems: Problems, node: Node, path: str) -> tuple[str, ...]:
    return tuple(text for _, text in strings(problems, node, path))


def compression(problems: Problems, node: Node, path: str) -> Compression | None:
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
        problems.add(node.line, path, f"unknown algorithm '{name}'", suggest(name, ALGORITHMS))
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


def breaker(problems: Problems, node: Node, path: str) -> Breaker | None:
    if node.kind != "object":
        wrong_type(problems, node, path, "an object {packages, use}")
        return None
    given = fields(problems, node, path, {"packages": "packages", "use": "use"})
    if "packages" not in given:
        problems.add(node.line, path, "has no packages", "add 'packages'")
        return None
    found = atoms(problems, given["packages"], f"{path}.packages")
    use = words(problems, given["use"], f"{path}.use") if "use" in given else []
    for line, word in use:
        if not USE_FLAG.fullmatch(word) or word.endswith(":"):
            problems.add(line, f"{path}.use", f"'{word}' is no USE flag", "correct the USE flag")
    return Breaker(found, tuple(word.removeprefix("+") for _, word in use))


@dataclass(frozen=True)
class Key:
    """A key of the definition. `in_arch`, `in_variant`: where else than at the top it may stand."""

    read: Reader
    in_arch: bool = False
    in_variant: bool = False


KEYS: dict[str, Key] = {
    "name": Key(matching(FILE_NAME, "artifact name"), in_variant=True),
    "profile": Key(profile, in_variant=True),
    "outfile": Key(outfile, in_variant=True),
    "compression": Key(compression, in_variant=True),
    "packages": Key(runtime_packages, in_arch=True, in_variant=True),
    "buildtime_packages": Key(atoms, in_arch=True, in_variant=True),
    "buildtime_packages_first": Key(boolean, in_arch=True, in_variant=True),
    "binpkg_excludes": Key(atom_or_atoms, in_arch=True, in_variant=True),
    "use": Key(atom_map(USE_FLAG, "USE flag", nullable=True), in_arch=True, in_variant=True),
    "accept_keywords": Key(atom_map(KEYWORD, "keyword", null=(), nullable=True), in_arch=True, in_variant=True),
    "mask": Key(atoms, in_arch=True, in_variant=True),
    "license": Key(atom_map(LICENSE, "license", nullable=False), in_arch=True, in_variant=True),
    "env": Key(atom_map(FILE_NAME, "file name", nullable=False), in_arch=True, in_variant=True),
    "users": Key(users, in_variant=True),
    "groups": Key(groups, in_variant=True),
    "services": Key(services, in_arch=True, in_variant=True),
    "setup_commands": Key(commands, in_arch=True, in_variant=True),
    "circulardep_breaker": Key(breaker, in_variant=True),
    "devel": Key(boolean, in_variant=True),
    "independent_binpkgs": Key(boolean),
    "include_commit_id": Key(boolean),
}

#: Spellings of earlier tools: an error that names the new one.
OLD_SPELLINGS = {
    "buildtime-packages": "buildtime_packages",
    "binpkg-exclude": "binpkg_excludes",
    "circulardep-breaker": "circulardep_breaker",
}

#: Keys of earlier tools that mean nothing any more: ignored with a note.
IGNORED = {"lower-layer-capacity"}


def unknown_key(problems: Problems, member: Member, path: str, allowed: set[str], place: str) -> None:
    """Reports a key that may not stand here."""
    where = f"{path}.{member.key}" if path else member.key
    if member.key in OLD_SPELLINGS:
        problems.add(member.line, where, "old spelling", f"write '{OLD_SPELLINGS[member.key]}'")
    elif member.key in KEYS or member.key in {"arch", "variants", "default_variant"}:
        problems.add(member.line, where, f"can't be given {place}", "move it to the top level of the file")
    else:
        near = nearest(member.key, allowed)
        advice = f"did you mean '{near}'?" if near else "known are: " + ", ".join(sorted(allowed))
        problems.add(member.line, where, "unknown key", advice)
