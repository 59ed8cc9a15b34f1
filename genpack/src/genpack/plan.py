# SPDX-License-Identifier: MIT
"""The phases' keys, from the hashes of their inputs, and why a phase must run. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from genpack import hashing
from genpack.model import Compression, Definition
from genpack.workdir import PhaseState

#: Raised when a phase does something else with the same inputs.
REVISIONS = {"lower": 1, "upper": 1, "pack": 2}

#: Keys of the definition that each phase reads; the order within each value counts.
LOWER_KEYS = (
    "profile",
    "packages",
    "buildtime_packages",
    "buildtime_packages_first",
    "binpkg_excludes",
    "use",
    "accept_keywords",
    "mask",
    "license",
    "env",
    "circulardep_breaker",
)
UPPER_KEYS = (
    "name",
    "profile",
    "variant",
    "users",
    "groups",
    "services",
    "setup_commands",
    "devel",
    "include_commit_id",
)


@dataclass(frozen=True)
class Pins:
    """Hashes of all inputs beside the definition. `folders`: of the artifact's folders by name; `commit`: the commit
    id, empty if it is not asked for."""

    stage3: str
    snapshot: str
    overlay: str
    folders: Mapping[str, str]
    commit: str = ""


@dataclass(frozen=True)
class PhasePlan:
    """A phase's parts (name -> hash) and key."""

    phase: str
    parts: Mapping[str, str]

    @property
    def key(self) -> str:
        return hashing.of_value(sorted(self.parts.items()))

    def reasons(self, state: PhaseState | None) -> list[str]:
        """Why the phase must run; empty if what is there is up to date."""
        if state is None:
            return ["not built yet"]
        names = sorted({*self.parts, *state.parts})
        changed = [name for name in names if self.parts.get(name) != state.parts.get(name)]
        if changed:
            return [f"{name} changed" for name in changed]
        return [] if state.complete and state.key == self.key else ["the last run did not finish"]


def keys_of(definition: Definition, names: tuple[str, ...]) -> dict[str, str]:
    """Key of the definition -> hash of its value."""
    values = asdict(definition)
    for account in (*values["users"], *values["groups"]):
        del account["line"]
    return {name: hashing.of_value(_ordered(values[name])) for name in names}


def _ordered(value: object) -> object:
    """Maps as lists of pairs: their order counts too."""
    return [[key, item] for key, item in value.items()] if isinstance(value, dict) else value


def plan(definition: Definition, pins: Pins, compression: Compression, output: str) -> dict[str, PhasePlan]:
    """The plan of each phase, in order. `output` is the image's file name (its folder is no input: the same
    image is the same image anywhere)."""
    lower = PhasePlan(
        "lower",
        {
            "genpack": str(REVISIONS["lower"]),
            "arch": definition.arch,
            "stage3": pins.stage3,
            "snapshot": pins.snapshot,
            "overlay": pins.overlay,
            **keys_of(definition, LOWER_KEYS),
            **{f"{name}/": value for name, value in pins.folders.items() if name != "files"},
        },
    )
    upper = PhasePlan(
        "upper",
        {
            "genpack": str(REVISIONS["upper"]),
            "lower": lower.key,
            **keys_of(definition, UPPER_KEYS),
            "files/": pins.folders["files"],
            "commit": pins.commit,
        },
    )
    pack = PhasePlan(
        "pack",
        {
            "genpack": str(REVISIONS["pack"]),
            "upper": upper.key,
            "compression": hashing.of_value(asdict(compression)),
            "outfile": output,
        },
    )
    return {"lower": lower, "upper": upper, "pack": pack}
