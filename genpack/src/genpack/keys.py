# SPDX-License-Identifier: MIT
"""The table of the definition's keys: their shapes, where they may stand, how they merge, what they mean.

The reader (definition.py), the JSON Schema (schema.py) and `genpack show` (show.py) go by it; the tests compare it
with genpack.json5(5).
"""

from __future__ import annotations

from dataclasses import dataclass

from genpack import values
from genpack.account_keys import GROUPS, USERS
from genpack.json5 import Member
from genpack.problems import Problems, suggest
from genpack.shapes import Shape
from genpack.values import ATOMS, BOOLEAN, EXCLUDES, PACKAGES, atom_map, named

#: How the values of several layers become one.
LATER = "later wins"
NEW = "new entries appended"
BY_KEY = "by key, later wins"
BY_NAME = "appended; same name replaces"


@dataclass(frozen=True)
class Key:
    """A key of the definition. `default` is JSON, or words; `in_arch`, `in_variant`: where else than at the top it
    may stand."""

    shape: Shape
    default: str
    merge: str
    text: str
    in_arch: bool = False
    in_variant: bool = False

    @property
    def marks(self) -> str:
        """`(m)(v)` as in the man page."""
        return "(m)" * self.in_arch + "(v)" * self.in_variant


def _everywhere(shape: Shape, default: str, merge: str, text: str) -> Key:
    return Key(shape, default, merge, text, in_arch=True, in_variant=True)


def _not_in_arch(shape: Shape, default: str, merge: str, text: str) -> Key:
    return Key(shape, default, merge, text, in_variant=True)


_NAME = named(values.FILE_NAME, "artifact name")
_USE = atom_map(values.USE_FLAG, "USE flag", nullable=True)
_KEYWORDS = atom_map(values.KEYWORD, "keyword", null=(), nullable=True)
_LICENSES = atom_map(values.LICENSE, "license", nullable=False)
_ENV = atom_map(values.FILE_NAME, "file name", nullable=False)

KEYS: dict[str, Key] = {
    "name": _not_in_arch(_NAME, "the folder's name", LATER, "Name of the artifact, and of its files."),
    "profile": _not_in_arch(
        values.PROFILE_NAME, "null", LATER, "Profile of genpack-overlay below genpack/<gentoo architecture>/."
    ),
    "outfile": _not_in_arch(
        values.OUTFILE, '"{name}-{arch}.squashfs"', LATER, "The image's file; {name}, {arch}, {variant} are replaced."
    ),
    "compression": _not_in_arch(
        values.COMPRESSION, '"auto"', LATER, "Compression of the image; auto: gzip where GRUB must read it, else zstd."
    ),
    "packages": _everywhere(
        PACKAGES, "[]", NEW, "What the image holds; a leading - removes an inherited entry, # makes a comment."
    ),
    "buildtime_packages": _everywhere(ATOMS, "[]", NEW, "Packages of the lower layer only."),
    "buildtime_packages_first": _everywhere(BOOLEAN, "false", LATER, "Install buildtime_packages before all others."),
    "binpkg_excludes": _everywhere(
        EXCLUDES, "[]", NEW, "Neither taken from nor put into the cache of binary packages."
    ),
    "use": _everywhere(_USE, "{}", BY_KEY, "package.use; */* stands for all packages, NAME: sets a USE_EXPAND group."),
    "accept_keywords": _everywhere(
        _KEYWORDS, "{}", BY_KEY, "package.accept_keywords; null is the architecture's testing keyword."
    ),
    "mask": _everywhere(ATOMS, "[]", NEW, "package.mask."),
    "license": _everywhere(_LICENSES, "{}", BY_KEY, "package.license."),
    "env": _everywhere(_ENV, "{}", BY_KEY, "package.env: files in the artifact's folder env/."),
    "users": _not_in_arch(USERS, "[]", BY_NAME, "Users to make in the image, or to change."),
    "groups": _not_in_arch(GROUPS, "[]", BY_NAME, "Groups to make in the image, or to change."),
    "services": _everywhere(values.SERVICES, "[]", NEW, "Units to enable, as systemctl enable takes them."),
    "setup_commands": _everywhere(values.COMMANDS, "[]", "appended", "Shell commands, run in this order in the image."),
    "circulardep_breaker": _not_in_arch(
        values.BREAKER, "none", LATER, "Packages to install first on a fresh lower layer, with these USE flags."
    ),
    "devel": _not_in_arch(BOOLEAN, "false", LATER, "Keep headers, man pages and static libraries."),
    "independent_binpkgs": Key(BOOLEAN, "false", "not merged", "A cache of binary packages of this artifact's own."),
    "include_commit_id": Key(BOOLEAN, "false", "not merged", "Write /.genpack/commit-id."),
}

#: The keys that hold layers: name -> (what they are, marks, what they do).
STRUCTURE = {
    "arch": ("object: architecture -> object", "(v)", "Keys for some architectures: NAME, or NAME|NAME."),
    "variants": ("object: name -> object", "", "Keys for variants, chosen with --variant."),
    "default_variant": ("string", "", "The variant that is built without --variant."),
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
    elif member.key in KEYS or member.key in STRUCTURE:
        problems.add(member.line, where, f"can't be given {place}", "move it to the top level of the file")
    else:
        problems.add(member.line, where, "unknown key", suggest(member.key, allowed))
