# SPDX-License-Identifier: MIT
"""The definition as data: frozen, typed, free of JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

AtomMap = Mapping[str, tuple[str, ...] | None]


@dataclass(frozen=True)
class User:
    """An account to make in the upper phase. `line` is where the definition names it."""

    name: str
    uid: int | None = None
    comment: str | None = None
    home: str | None = None
    shell: str | None = None
    initial_group: str | None = None
    additional_groups: tuple[str, ...] = ()
    create_home: bool = True
    empty_password: bool = False
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Group:
    """A group to make in the upper phase. `line` is where the definition names it."""

    name: str
    gid: int | None = None
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Compression:
    """`algorithm` is one of ALGORITHMS; `level` None is that algorithm's default."""

    algorithm: str = "auto"
    level: int | None = None


#: Algorithm -> the levels it takes (None: it has none).
ALGORITHMS: Mapping[str, range | None] = {
    "auto": None,
    "gzip": range(1, 10),
    "xz": None,
    "lzo": range(1, 10),
    "zstd": range(1, 23),
    "lz4": None,
    "none": None,
}


@dataclass(frozen=True)
class Breaker:
    """Packages to install first on a fresh lower layer, with restricted USE, to break a circular dependency."""

    packages: tuple[str, ...]
    use: tuple[str, ...]


@dataclass(frozen=True)
class Layer:
    """The keys of one object of the file: the base, an `arch` entry or a variant. None: not given."""

    name: str | None = None
    profile: str | None = None
    profile_given: bool = False  # `profile: null` takes an inherited profile away
    outfile: str | None = None
    compression: Compression | None = None
    packages: tuple[str, ...] = ()
    buildtime_packages: tuple[str, ...] = ()
    buildtime_packages_first: bool | None = None
    binpkg_excludes: tuple[str, ...] = ()
    use: AtomMap = field(default_factory=dict)
    accept_keywords: AtomMap = field(default_factory=dict)
    mask: tuple[str, ...] = ()
    license: AtomMap = field(default_factory=dict)
    env: AtomMap = field(default_factory=dict)
    users: tuple[User, ...] = ()
    groups: tuple[Group, ...] = ()
    services: tuple[str, ...] = ()
    setup_commands: tuple[str, ...] = ()
    circulardep_breaker: Breaker | None = None
    devel: bool | None = None
    independent_binpkgs: bool | None = None
    include_commit_id: bool | None = None


@dataclass(frozen=True)
class ArchLayer:
    """A layer for some architectures (genpack's names)."""

    arches: tuple[str, ...]
    layer: Layer


@dataclass(frozen=True)
class Variant:
    """A variant's own keys and its architectures'."""

    layer: Layer
    arches: tuple[ArchLayer, ...] = ()


@dataclass(frozen=True)
class Mention:
    """A name that the definition holds, and where."""

    name: str
    line: int
    key: str
    variant: str | None = None


@dataclass(frozen=True)
class Source:
    """The whole file. `profiles` and `env_files` say where these are named."""

    base: Layer
    arches: tuple[ArchLayer, ...]
    variants: Mapping[str, Variant]
    default_variant: str | None
    profiles: tuple[Mention, ...] = ()
    env_files: tuple[Mention, ...] = ()


@dataclass(frozen=True)
class Definition:
    """The merged definition for one architecture and variant: all that any later step sees."""

    arch: str
    variant: str | None
    name: str
    profile: str | None
    outfile: str
    compression: Compression
    packages: tuple[str, ...]
    buildtime_packages: tuple[str, ...]
    buildtime_packages_first: bool
    binpkg_excludes: tuple[str, ...]
    use: AtomMap
    accept_keywords: AtomMap
    mask: tuple[str, ...]
    license: AtomMap
    env: AtomMap
    users: tuple[User, ...]
    groups: tuple[Group, ...]
    services: tuple[str, ...]
    setup_commands: tuple[str, ...]
    circulardep_breaker: Breaker | None
    devel: bool
    independent_binpkgs: bool
    include_commit_id: bool
