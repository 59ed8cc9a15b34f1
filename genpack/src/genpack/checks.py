# SPDX-License-Identifier: MIT
"""Checks of a definition that need more than its text: other files of the artifact, the overlay, merged accounts."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from genpack import merge, overlays
from genpack.account_keys import ACCOUNT_NAME
from genpack.arch import ARCHES, Arch
from genpack.errors import UsageError
from genpack.hashing import walk
from genpack.model import Definition, Source
from genpack.portage import ARCH_PREFIX
from genpack.problems import Problems, nearest, suggest, suggest_and_list
from genpack.values import FILE_NAME, TAKEN

SCRIPT_SUFFIXES = {".sh", ".py"}
FOLDERS = tuple(name for name in TAKEN if name != "work")

#: Users of every stage3 that a folder of build.d may be named after without a note.
SYSTEM_USERS = {"root", "nobody", "daemon", "portage"}


def variant(source: Source, wanted: str | None) -> str | None:
    """The variant to build: the one asked for, else the default one. Raises UsageError if it does not exist."""
    chosen = wanted or source.default_variant
    if chosen is not None and chosen not in source.variants:
        known = ", ".join(sorted(source.variants)) or "none"
        near = nearest(chosen, source.variants)
        tip = (f"did you mean '{near}'? " if near else "") + f"the definition has: {known}"
        raise UsageError(f"there is no variant '{chosen}'", tip=tip)
    return chosen


def name(definition: Path, folder: Path) -> str:
    """The artifact's name where the definition gives none. Raises UsageError if the folder's can't be it."""
    if not FILE_NAME.fullmatch(folder.name):
        what = f"{definition.name} gives no name, and the folder's, '{folder.name}', can't be an artifact's"
        raise UsageError(what, tip="add the key 'name': letters, digits and . _ + - only")
    return folder.name


def everything(
    source: Source, problems: Problems, artifact: Path, arch: Arch, overlay: Path | None, wanted: str | None = None
) -> None:
    """Runs every check; what is wrong goes to `problems`. `wanted` is the variant asked for."""
    env_files(source, problems, artifact)
    folders(problems, artifact)
    build_scripts(source, problems, artifact)
    for each in (None, *source.variants):
        for target in ARCHES:
            accounts(merge.merge(source, target, each, artifact.name), problems)
    if overlay is not None:
        profiles(source, problems, arch, overlay, wanted or source.default_variant)


def env_files(source: Source, problems: Problems, artifact: Path) -> None:
    """Every file name in `env` must be a file in env/."""
    for mention in source.env_files:
        if not (artifact / "env" / mention.name).is_file():
            what = f"there is no file env/{mention.name}"
            problems.add(mention.line, mention.key, what, "make it, or correct the name")


def folders(problems: Problems, artifact: Path) -> None:
    """The artifact's folders must be folders, of files, folders and symlinks."""
    for name in FOLDERS:
        top = artifact / name
        if not os.path.lexists(top):
            continue
        if not top.is_dir():
            what = "is a link to nothing" if top.is_symlink() else "is no folder"
            problems.add_file(name, what, f"{name}/ is one of the folders of an artifact: rename or remove it")
            continue
        if name == "files" and top.is_symlink() and not top.resolve().is_relative_to(artifact.resolve()):
            what = f"points out of the artifact's folder, to {top.resolve()}"
            problems.add_file(name, what, "the container sees only the artifact's folder: move the files here")
        try:
            special_files(problems, name, top)
        except OSError as error:
            path = Path(error.filename or top)
            shown = path.relative_to(artifact) if path.is_relative_to(artifact) else path
            problems.add_file(str(shown), f"can't be read: {error.strerror}", "run as root, or change its permissions")
        if name == "kernel":
            arch_folders(problems, top)


def special_files(problems: Problems, name: str, top: Path) -> None:
    """Notes what is neither a file, a folder nor a symlink: sockets, pipes, devices. Raises OSError."""
    for relative, info in walk(top):
        for test, what in _SPECIAL:
            if test(info.st_mode):
                advice = "remove it: an artifact's folders hold files, folders and symlinks"
                problems.add_file(f"{name}/{relative}", f"is a {what}", advice)


_SPECIAL = (
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISFIFO, "named pipe"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)


def arch_folders(problems: Problems, kernel: Path) -> None:
    """kernel/arch-NAME/ must name an architecture."""
    for entry in sorted(kernel.glob(f"{ARCH_PREFIX}*")):
        arch = entry.name.removeprefix(ARCH_PREFIX)
        if entry.is_dir() and arch not in ARCHES:
            problems.add_file(f"kernel/{entry.name}", f"unknown architecture '{arch}'", suggest_and_list(arch, ARCHES))


def build_scripts(source: Source, problems: Problems, artifact: Path) -> None:
    """Every build script must be one that can be run."""
    files = artifact / "files"
    folder = files / "build.d"
    scripts = [files / "build"] if os.path.lexists(files / "build") else []
    if os.path.lexists(folder) and not folder.is_dir():
        problems.add_file("files/build.d", "is no folder", "it holds build scripts; one script alone is files/build")
    try:
        if folder.is_dir():
            scripts += _in_build_d(source, problems, folder)
    except OSError:
        return  # `folders` has said it
    for script in scripts:
        shown = str(script.relative_to(artifact))
        if not script.exists():
            problems.add_file(shown, "is a link to nothing", "correct or remove it")
        elif script.is_dir():
            problems.add_file(shown, "is a folder, where a build script is expected", "move or remove it")
        elif not script.is_file():
            pass  # a pipe or device: `folders` has said it
        elif not script.stat().st_mode & 0o111 and script.suffix not in SCRIPT_SUFFIXES:
            advice = "make it executable (chmod +x), or name it .sh or .py"
            problems.add_file(shown, "can't be run: it is not executable, and neither .sh nor .py", advice)
        elif script.stat().st_mode & 0o111 and (what := _unstartable(script)):
            problems.add_file(shown, f"can't be run: {what[0]}", what[1])


def _in_build_d(source: Source, problems: Problems, folder: Path) -> Iterator[Path]:
    """The scripts in build.d/ and its users' folders. Raises OSError."""
    users = {user.name for layer in merge.all_layers(source) for user in layer.users} | SYSTEM_USERS
    for entry in sorted(folder.iterdir()):
        if not entry.is_dir():
            yield entry
            continue
        shown = f"files/build.d/{entry.name}"
        if not ACCOUNT_NAME.fullmatch(entry.name):
            problems.add_file(shown, "is named after no user", "scripts in a folder run as the user of its name")
        elif entry.name not in users:
            problems.note_file(shown, f"no user '{entry.name}' in the definition: a package must bring it")
        yield from sorted(entry.iterdir())


def _unstartable(script: Path) -> tuple[str, str] | None:
    """Why the kernel can't start an executable file, and what to do; None if it can."""
    try:
        with script.open("rb") as file:
            first = file.readline(256)
    except OSError as error:
        return f"it can't be read ({error.strerror})", "run as root, or change its permissions"
    if first.startswith(b"#!") and first.rstrip(b"\n").endswith(b"\r"):
        return "its lines end with CR LF, so its interpreter is not found", "save it with line ends of Unix"
    if not first.startswith((b"#!", b"\x7fELF")):
        return "it is executable and does not begin with '#!'", "add a first line such as #!/bin/sh"
    return None


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


def profiles(source: Source, problems: Problems, arch: Arch, overlay: Path, chosen: str | None) -> None:
    """Profiles must be the overlay's: those of what is built for its architecture, others for any."""
    known = {each.name: overlays.profiles(overlay, each.gentoo) for each in ARCHES.values()}
    anywhere = sorted({profile for names in known.values() for profile in names})
    built = merge.merge(source, arch.name, chosen, "").profile if chosen is None or chosen in source.variants else None
    for mention in source.profiles:
        if mention.name not in anywhere:
            what = f"there is no profile '{mention.name}'"
            problems.add(mention.line, mention.key, what, suggest(mention.name, anywhere))
        elif mention.name == built and mention.variant in {None, chosen} and built not in known[arch.name]:
            others = ", ".join(name for name, names in known.items() if built in names)
            what = f"there is no profile '{built}' for {arch.name}"
            problems.add(mention.line, mention.key, what, f"build it with --arch: {others}")
