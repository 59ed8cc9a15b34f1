# SPDX-License-Identifier: MIT
"""A snapshot's metadata/timestamp.commit: `COMMIT EPOCH ISO-TIME`. Its time is SOURCE_DATE_EPOCH of the image."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from genpack import process
from genpack.errors import GenpackError

MEMBER = "metadata/timestamp.commit"
TIP = "use another snapshot: another --mirror, or 'genpack lock --update' for the latest"
#: The latest time that a SquashFS image can hold: seconds in 32 bits.
LATEST = 0xFFFFFFFF


@dataclass(frozen=True)
class Timestamp:
    """The commit of the ebuild repository, its time in seconds since 1970, and the snapshot's top folder ("" if it is
    not known)."""

    commit: str
    epoch: int
    folder: str = ""


def parse(content: bytes, where: str, folder: str = "") -> Timestamp:
    """Raises GenpackError for anything but `COMMIT EPOCH TIME`; `where` names the file."""
    words = content.decode(errors="replace").split()
    good = len(words) == 3 and re.fullmatch(r"[0-9a-f]+", words[0]) and re.fullmatch(r"[0-9]{1,10}", words[1])
    if not good or not 0 < int(words[1]) <= LATEST:
        shown = " ".join(words)[:60] or "nothing"
        raise GenpackError(f"{where} says '{shown}', not 'COMMIT EPOCH TIME'", tip=TIP)
    return Timestamp(words[0], int(words[1]), folder)


def of_file(path: Path, where: str | None = None) -> Timestamp:
    """That of an unpacked snapshot; `where` names it in messages. Raises GenpackError."""
    if not path.is_file():
        raise GenpackError(f"{where or path} is missing: the snapshot's time is not known", tip=TIP)
    return parse(path.read_bytes(), where or str(path))


def of_archive(archive: Path, name: str) -> Timestamp:
    """That of a packed snapshot, read up to that file only; `name` is for messages. Raises GenpackError."""
    words = ["tar", "--extract", "--verbose", "--to-stdout", "--occurrence=1", "--wildcards", f"--file={archive}"]
    result = process.run([*words, f"*/{MEMBER}"], check=False)
    listed = result.stderr.decode(errors="replace").splitlines()
    member = next((line for line in listed if line.endswith(f"/{MEMBER}")), None)
    if member is None or result.returncode != 0:
        said = next((line for line in listed if line), "")
        why = "" if "Not found in archive" in said else f" ({said})"
        raise GenpackError(f"{name} has no {MEMBER}{why}: it is no snapshot of an ebuild repository", tip=TIP)
    return parse(result.stdout, f"{MEMBER} of {name}", member.split("/")[0])
