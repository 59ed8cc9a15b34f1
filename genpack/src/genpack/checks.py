# SPDX-License-Identifier: MIT
"""Checks of a definition that need more than its text: other files of the artifact, the overlay, merged accounts."""

from __future__ import annotations

from pathlib import Path

from genpack import merge, overlays
from genpack.arch import ARCHES, Arch
from genpack.errors import UsageError
from genpack.model import Definition, Source
from genpack.problems import Problems, suggest

SCRIPT_SUFFIXES = {".sh", ".py"}


def variant(source: Source, wanted: str | None) -> str | None:
    """The variant to build: the one asked for, else the default one. Raises UsageError if it does not exist."""
    chosen = wanted or source.default_variant
    if chosen is not None and chosen not in source.variants:
        known = ", ".join(sorted(source.variants)) or "none"
        raise UsageError(f"there is no variant '{chosen}'", tip=f"the definition has: {known}")
    return chosen


def everything(source: Source, problems: Problems, artifact: Path, arch: Arch, overlay: Path | None) -> None:
    """Runs every check; what is wrong goes to `problems`."""
    env_files(source, problems, artifact)
    build_scripts(problems, artifact)
    for name in (None, *source.variants):
        for target in ARCHES:
            accounts(merge.merge(source, target, name, artifact.name), problems)
        if overlay is not None:
            profile(merge.merge(source, arch.name, name, artifact.name), source, problems, arch, overlay)


def env_files(source: Source, problems: Problems, artifact: Path) -> None:
    """Every file name in `env` must be a file in env/."""
    for name, (line, key) in source.env_lines.items():
        if not (artifact / "env" / name).is_file():
            problems.add(line, key, f"there is no file env/{name}", "make it, or correct the name")


def build_scripts(problems: Problems, artifact: Path) -> None:
    """Every build script must be executable, or be .sh or .py."""
    files = artifact / "files"
    scripts = [files / "build"] if (files / "build").exists() or (files / "build").is_symlink() else []
    folder = files / "build.d"
    if folder.is_dir():
        for entry in sorted(folder.iterdir()):
            scripts += sorted(entry.iterdir()) if entry.is_dir() else [entry]
    for script in scripts:
        name = str(script.relative_to(artifact))
        if not script.exists():
            problems.add_file(name, "is a link to nothing", "correct or remove it")
        elif script.is_dir():
            problems.add_file(name, "is a folder, where a build script is expected", "move or remove it")
        elif not script.stat().st_mode & 0o111 and script.suffix not in SCRIPT_SUFFIXES:
            advice = "make it executable (chmod +x), or name it .sh or .py"
            problems.add_file(name, "can't be run: it is not executable, and neither .sh nor .py", advice)


def accounts(definition: Definition, problems: Problems) -> None:
    """No uid and no gid may be given twice."""
    for key, field, entries in (
        ("users", "uid", [(user.name, user.uid, user.line) for user in definition.users]),
        ("groups", "gid", [(group.name, group.gid, group.line) for group in definition.groups]),
    ):
        owners: dict[int, str] = {}
        for name, number, line in entries:
            if number is not None and owners.setdefault(number, name) != name:
                what = f"'{name}' has the {field} {number} of '{owners[number]}'"
                problems.add(line, key, what, f"give one of them another {field}")


def profile(definition: Definition, source: Source, problems: Problems, arch: Arch, overlay: Path) -> None:
    """The profile must be one of the overlay's."""
    name = definition.profile
    known = overlays.profiles(overlay, arch.gentoo)
    if name is None or name in known:
        return
    line = source.profile_lines.get(name, 1)
    problems.add(line, "profile", f"there is no profile '{name}' for {arch.name}", suggest(name, known))
