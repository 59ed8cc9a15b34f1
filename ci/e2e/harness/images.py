# SPDX-License-Identifier: MIT
"""Images built by the installed genpack, and what every image says of itself."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path

from harness import squashfs
from harness.commands import run
from harness.machine import Timing
from harness.toy import Mirror

BUILD_LIMIT = 1500.0  # seconds
#: genpack/base without the editor, the tracers and the daemons that it brings by default.
LEAN = "-audit -cron -logrotate -strace -tcpdump -vi -wireguard -xfs"


@dataclass(frozen=True)
class Builder:
    """Builds from the mirror; `cache` is XDG_CACHE_HOME: binary packages that one build made are used by the next."""

    mirror: Mirror
    cache: Path
    timing: Timing

    def build(self, artifact: Path, name: str, work: Path, images: Path) -> Path:
        """The image of the definition in the folder `artifact`, which has this name."""
        images.mkdir(parents=True, exist_ok=True)
        start = time.monotonic()
        places = ("--work-dir", work, "--output-dir", images)
        argv = ("genpack", "-C", artifact, *self.mirror.options(), *places, "--parallel", "build")
        run(*argv, timeout=BUILD_LIMIT, env={"XDG_CACHE_HOME": str(self.cache)}).ok()
        self.timing.add(f"build {name}", time.monotonic() - start)
        return images / f"{name}-x86_64.squashfs"


def define(artifact: Path, name: str, profile: str | None, use: str | None = None, **keys: str) -> Path:
    """The folder of a definition that names a profile and, if given, flags of genpack/base and more keys."""
    artifact.mkdir(parents=True, exist_ok=True)
    definition = {"name": name, "profile": profile, **({"use": {"genpack/base": use}} if use else {}), **keys}
    (artifact / "genpack.json5").write_text(json.dumps(definition, indent=2) + "\n")
    return artifact


def check_metadata(image: Path, artifact: str, profile: str) -> list[str]:
    """/.genpack of an image; the names of its packages with their versions."""

    def read(name: str) -> str:
        return squashfs.cat(image, f".genpack/{name}")

    assert [read(n).strip() for n in ("arch", "profile", "artifact")] == ["x86_64", profile, artifact]
    assert re.fullmatch(r"[0-9a-f]{40} \d+ \S+\n?", read("timestamp.commit"))
    names = []
    for entry in read("packages").strip().split("\n\n"):
        first, *rest = entry.splitlines()
        match = re.fullmatch(r"([\w+.-]+/[\w+.-]+)\[(\S+)\]", first)
        assert match, first
        names.append(match[1])
        assert all(re.match(r"# (NEEDED_BY|DESCRIPTION|USE|HOMEPAGE|LICENSE): ", line) for line in rest), entry
    assert len(names) > 30 and len(set(names)) == len(names)
    assert not [n for n in names if n.startswith(("sys-apps/portage-", "genpack/genpack-progs-"))]
    return names


def check_nobody_elses(files: dict[str, squashfs.Entry]) -> None:
    """No SSH host key, and nothing that everybody may write to but the two sticky folders for temporary files."""
    assert [path for path in files if re.search(r"ssh_host_.*_key", path)] == []
    writable = {p: e.mode for p, e in files.items() if e.mode[8] == "w" and not e.mode.startswith("l")}
    assert {p: m for p, m in writable.items() if not p.startswith("dev/")} == {
        "tmp": "drwxrwxrwt", "var/tmp": "drwxrwxrwt",
    }  # fmt: skip
