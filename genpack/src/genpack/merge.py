# SPDX-License-Identifier: MIT
"""Merges base, arch, variant and the variant's arch, in this order, into one definition.

Lists: what is not there yet is appended; in `packages` an entry `-atom` removes. `setup_commands`: appended. `users`,
`groups`: appended, one of the same name replaces. Maps: by key, later wins. Everything else: later wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from genpack.model import AtomMap, Compression, Definition, Group, Layer, Source, User

T = TypeVar("T")
Named = TypeVar("Named", User, Group)


def unique(old: Sequence[str], new: Iterable[str]) -> tuple[str, ...]:
    """The old entries, then the new ones that are not there yet."""
    return tuple(dict.fromkeys([*old, *new]))


def packages(old: Sequence[str], new: Iterable[str]) -> tuple[str, ...]:
    """Like unique, and an entry `-atom` removes what is there so far."""
    result = list(old)
    for entry in new:
        if entry.startswith("-"):
            result = [atom for atom in result if atom != entry[1:]]
        elif entry not in result:
            result.append(entry)
    return tuple(result)


def named(old: Sequence[Named], new: Iterable[Named]) -> tuple[Named, ...]:
    """Old and new accounts; a new one of the same name takes the old one's place."""
    result = {account.name: account for account in old}
    for account in new:
        result[account.name] = account
    return tuple(result.values())


def by_key(old: AtomMap, new: AtomMap) -> AtomMap:
    """Both maps; of a key in both the new value, at the end: Portage lets the last matching line win."""
    return {**{key: value for key, value in old.items() if key not in new}, **new}


def later(old: T | None, new: T | None) -> T | None:
    return old if new is None else new


def two(old: Layer, new: Layer) -> Layer:
    """One layer laid over another."""
    return Layer(
        name=later(old.name, new.name),
        profile=new.profile if new.profile_given else old.profile,
        profile_given=old.profile_given or new.profile_given,
        outfile=later(old.outfile, new.outfile),
        compression=later(old.compression, new.compression),
        packages=packages(old.packages, new.packages),
        buildtime_packages=unique(old.buildtime_packages, new.buildtime_packages),
        buildtime_packages_first=later(old.buildtime_packages_first, new.buildtime_packages_first),
        binpkg_excludes=unique(old.binpkg_excludes, new.binpkg_excludes),
        use=by_key(old.use, new.use),
        accept_keywords=by_key(old.accept_keywords, new.accept_keywords),
        mask=unique(old.mask, new.mask),
        license=by_key(old.license, new.license),
        env=by_key(old.env, new.env),
        users=named(old.users, new.users),
        groups=named(old.groups, new.groups),
        services=unique(old.services, new.services),
        setup_commands=(*old.setup_commands, *new.setup_commands),
        circulardep_breaker=later(old.circulardep_breaker, new.circulardep_breaker),
        devel=later(old.devel, new.devel),
        independent_binpkgs=later(old.independent_binpkgs, new.independent_binpkgs),
        include_commit_id=later(old.include_commit_id, new.include_commit_id),
    )


def all_layers(source: Source) -> list[Layer]:
    """Every layer of the file."""
    places = [(source.base, source.arches), *((each.layer, each.arches) for each in source.variants.values())]
    return [layer for base, arches in places for layer in (base, *(entry.layer for entry in arches))]


def layers(source: Source, arch: str, variant: str | None) -> list[Layer]:
    """The layers that apply, in their order."""
    result = [source.base, *(entry.layer for entry in source.arches if arch in entry.arches)]
    if variant is not None:
        chosen = source.variants[variant]
        result += [chosen.layer, *(entry.layer for entry in chosen.arches if arch in entry.arches)]
    return result


def merge(source: Source, arch: str, variant: str | None, default_name: str) -> Definition:
    """The definition for an architecture and a variant (one that exists, or None)."""
    merged = Layer()
    for layer in layers(source, arch, variant):
        merged = two(merged, layer)
    name = merged.name or default_name
    outfile = merged.outfile or ("{name}-{variant}-{arch}.squashfs" if variant else "{name}-{arch}.squashfs")
    for placeholder, text in (("{name}", name), ("{arch}", arch), ("{variant}", variant or "")):
        outfile = outfile.replace(placeholder, text)
    return Definition(
        arch=arch,
        variant=variant,
        name=name,
        profile=merged.profile,
        outfile=outfile,
        compression=merged.compression or Compression(),
        packages=merged.packages,
        buildtime_packages=merged.buildtime_packages,
        buildtime_packages_first=bool(merged.buildtime_packages_first),
        binpkg_excludes=merged.binpkg_excludes,
        use=merged.use,
        accept_keywords=merged.accept_keywords,
        mask=merged.mask,
        license=merged.license,
        env=merged.env,
        users=merged.users,
        groups=merged.groups,
        services=merged.services,
        setup_commands=merged.setup_commands,
        circulardep_breaker=merged.circulardep_breaker,
        devel=bool(merged.devel),
        independent_binpkgs=bool(merged.independent_binpkgs),
        include_commit_id=bool(merged.include_commit_id),
    )
