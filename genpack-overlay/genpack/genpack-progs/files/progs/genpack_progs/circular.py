# SPDX-License-Identifier: MIT
"""Circular dependencies: which packages Portage says form a circle, and how known ones are built without it."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

#: Package -> USE with which it is built first.
TABLE: Mapping[str, str] = {
    "dev-libs/glib": "-sysprof",
    "dev-python/pillow": "-truetype -tiff -webp -avif",
    "media-libs/harfbuzz": "-cairo",
    "media-libs/libavif": "-gdk-pixbuf",
    "media-libs/libwebp": "-tiff",
    "media-libs/tiff": "-webp",
    "media-video/ffmpeg": "-sdl -v4l -svg -pulseaudio -libass -truetype -harfbuzz",
}

#: What begins emerge's report, and a package in it: (category/name-version:slot/subslot::repository, ...)
REPORT = "circular dependencies:"
_MEMBER = re.compile(r"\(([\w+][\w+.-]*/[\w+][\w+.-]*):[^\s,:]*(?:::[\w-]+)?, (?:ebuild|binary) scheduled for merge")
_VERSION = r"-\d+(?:\.\d+)*[a-z]?(?:_(?:alpha|beta|pre|rc|p)\d*)*(?:-r\d+)?"

#: Options of emerge that concern the whole update, not the few packages that are built first. Binary packages with less
#: USE than asked for are not kept.
_WHOLE_UPDATE = ("--update", "--deep", "--newuse", "--keep-going", "--buildpkg", "--reinstall-atoms", "--pretend")


def members(output: str) -> list[str]:
    """The packages (cpv) of the circle that emerge's output reports; [] if it reports none."""
    _, found, report = output.partition(REPORT)
    return list(dict.fromkeys(_MEMBER.findall(report))) if found else []


def known(cpvs: Sequence[str]) -> dict[str, str]:
    """Those that the table knows: cpv -> USE."""
    return {cpv: use for cpv in cpvs for name, use in TABLE.items() if re.fullmatch(re.escape(name) + _VERSION, cpv)}


def first_command(words: Sequence[str], cpvs: Sequence[str]) -> list[str]:
    """The command that installs only these packages, with the options of an emerge command that do not concern the
    whole update. `words`: options with their values as one word, and targets."""
    options = [word for word in words[1:] if word.startswith("-") and not word.startswith(_WHOLE_UPDATE)]
    return [words[0], *options, "--oneshot", *(f"={cpv}" for cpv in cpvs)]


@contextmanager
def configuration(use: Mapping[str, str], root: Path = Path("/")) -> Iterator[Path]:
    """A PORTAGE_CONFIGROOT like that of `root`, in which packages (cpv) have this USE whatever else is said of them.
    /etc/portage itself is not touched: a run that is killed leaves no restricted USE behind."""
    with tempfile.TemporaryDirectory(prefix="genpack-circular-") as name:
        Path(name).chmod(0o755)  # builds run as the user portage
        folder = Path(name) / "etc/portage"
        folder.mkdir(parents=True)
        for entry in (root / "etc/portage").iterdir():
            if entry.name != "package.use":
                (folder / entry.name).symlink_to(entry)
        if (root / "etc/make.conf").exists():
            (Path(name) / "etc/make.conf").symlink_to(root / "etc/make.conf")
        ours = folder / "package.use"
        ours.mkdir()
        theirs = root / "etc/portage/package.use"
        for entry in theirs.iterdir() if theirs.is_dir() else [theirs] if theirs.exists() else []:
            (ours / entry.name).symlink_to(entry)
        # The last file wins.
        last = max([*os.listdir(ours), "genpack"]) + "~z"
        (ours / last).write_text("".join(f"={cpv} {flags}\n" for cpv, flags in use.items()))
        yield Path(name)
