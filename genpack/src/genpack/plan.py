# SPDX-License-Identifier: MIT
"""The phases' keys, from the hashes of their inputs; which phases must run, and why. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from genpack import hashing, reasons
from genpack.model import Compression, Definition
from genpack.reasons import Reason
from genpack.workdir import PhaseState, State

#: Raised when a phase does something else with the same inputs.
REVISIONS = {"lower": 1, "upper": 2, "pack": 2}

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
    id, empty if it is not asked for; `by_hand`: what was changed in the upper layer, empty for nothing; `details`: by
    name of the part, what a hash stands for."""

    stage3: str
    snapshot: str
    overlay: str
    folders: Mapping[str, str]
    commit: str = ""
    by_hand: str = ""
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class PhasePlan:
    """A phase's parts (name -> hash) and key; `details`: what some of the parts are."""

    phase: str
    parts: Mapping[str, str]
    details: Mapping[str, object] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return hashing.of_value(sorted(self.parts.items()))

    def reasons(self, state: PhaseState | None) -> list[Reason]:
        """Why the phase must run; empty if what is there is up to date."""
        if state is None:
            return [reasons.NOT_BUILT]
        names = sorted({*self.parts, *state.parts})
        changed = [name for name in names if self.parts.get(name) != state.parts.get(name)]
        if changed:
            return [reasons.of(name, state.details.get(name), self.details.get(name)) for name in changed]
        return [] if state.complete and state.key == self.key else [reasons.NOT_FINISHED]


@dataclass(frozen=True)
class Decision:
    """Whether a phase runs, and why; `seconds` it took the last time, None if it never ran to its end."""

    phase: str
    reasons: tuple[Reason, ...]
    seconds: float | None

    @property
    def runs(self) -> bool:
        return bool(self.reasons)

    @property
    def why(self) -> str:
        """The reasons in one line."""
        return ", ".join(reason.text for reason in self.reasons)


def decide(plans: Mapping[str, PhasePlan], state: State, found: Mapping[str, Reason | None]) -> dict[str, Decision]:
    """The decision on each phase of `found`, in its order. `found`: what is wrong with the phase's result on disk."""
    decisions: dict[str, Decision] = {}
    before = ""
    for phase, problem in found.items():
        saved: PhaseState | None = getattr(state, phase)
        why = [problem] if problem is not None else plans[phase].reasons(saved)
        if not why and before:
            why = [reasons.after(before)]
        decisions[phase] = Decision(phase, tuple(why), saved.seconds if saved and saved.complete else None)
        before = phase if why else ""
    return decisions


def keys_of(definition: Definition, names: tuple[str, ...]) -> dict[str, str]:
    """Key of the definition -> hash of its value."""
    values = asdict(definition)
    for account in (*values["users"], *values["groups"]):
        del account["line"]
    return {name: hashing.of_value(_ordered(values[name])) for name in names}


def _ordered(value: object) -> object:
    """Maps as lists of pairs: their order counts too."""
    return [[key, item] for key, item in value.items()] if isinstance(value, dict) else value


def details_of(definition: Definition, names: tuple[str, ...]) -> dict[str, object]:
    """Key of the definition -> its value in a form that can be compared and told: a scalar, a list of words, or a
    name -> text."""
    values = asdict(definition)
    return {name: _detail(values[name]) for name in names}


def _detail(value: object) -> object:
    match value:
        case dict():
            return {str(name): each if isinstance(each, str) else " ".join(each or ()) for name, each in value.items()}
        case list() | tuple() if any(isinstance(each, dict) for each in value):  # users, groups
            return {each["name"]: hashing.of_value({k: v for k, v in each.items() if k != "line"}) for each in value}
        case list() | tuple():
            return list(value)
    return value


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
        {**{k: v for k, v in pins.details.items() if k != "files/"}, **details_of(definition, LOWER_KEYS)},
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
        {"files/": pins.details.get("files/"), "commit": pins.commit, **details_of(definition, UPPER_KEYS)},
    )
    described = compression.algorithm + (f":{compression.level}" if compression.level is not None else "")
    pack = PhasePlan(
        "pack",
        {
            "genpack": str(REVISIONS["pack"]),
            "upper": upper.key,
            "compression": hashing.of_value(asdict(compression)),
            "outfile": output,
            **({reasons.BY_HAND: pins.by_hand} if pins.by_hand else {}),
        },
        {"compression": described, "outfile": output, reasons.BY_HAND: pins.by_hand or None},
    )
    return {"lower": lower, "upper": upper, "pack": pack}


def decided(
    definition: Definition, pins: Pins, state: State, found: Mapping[str, Reason | None]
) -> tuple[dict[str, PhasePlan], dict[str, Decision]]:
    """Plans and decisions. An upper layer that is made anew holds nothing that was changed by hand."""
    plans = plan(definition, pins, definition.compression, definition.outfile)
    decisions = decide(plans, state, found)
    if pins.by_hand and "upper" in decisions and decisions["upper"].runs:
        return decided(definition, replace(pins, by_hand=""), state, found)
    return plans, decisions
