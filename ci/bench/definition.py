# SPDX-License-Identifier: MIT
"""A definition of 10 KB: `genpack check` of it less `genpack check` of one of one key, so without the start of Python.

Both are the whole command; the difference is parsing, checking and merging for every variant and architecture.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from common import Bench, Row, seconds

SIZE = 10_000


def big() -> str:
    """A definition of SIZE bytes with comments, packages, USE flags, users and variants."""
    parts = ["{\n  name: 'big',\n  packages: [\n"]
    kinds = (
        (0.4, "    'app-misc/package{0}x', // what it is for\n", "  ],\n  use: {\n"),
        (0.7, "    'dev-libs/library{0}x': 'flag-a -flag-b VIDEO_CARDS: virgl -intel',\n", "  },\n  users: [\n"),
        (
            0.85,
            "    {{ name: 'user{0}', uid: {0}, additional_groups: ['wheel', 'audio'] }},\n",
            "  ],\n  variants: {\n",
        ),
        (
            1.0,
            "    v{0}: {{ packages: ['app-misc/other{0}x'], arch: {{ x86_64: {{ services: ['s{0}'] }} }} }},\n",
            "  },\n}",
        ),
    )
    size, number = len(parts[0]), 1000
    for share, line, after in kinds:
        while size < share * SIZE:
            number += 1
            parts.append(line.format(number))
            size += len(parts[-1])
        parts.append(after)
        size += len(after)
    return "".join(parts)


def check(folder: Path, text: str) -> float:
    """Seconds of `genpack check`."""
    (folder / "genpack.json5").write_text(text)
    return seconds(["genpack", "-C", str(folder), "check"])


def rows(bench: Bench) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="genpack-bench-") as name:
        folder, text = Path(name), big()
        # In turns: what else the machine does meets both.
        more = bench.median(lambda: check(folder, text) - check(folder, "{ name: 'small' }"))
    note = "genpack check, less that of a definition of one key"
    return [Row(f"definition of {len(text) / 1000:.0f} KB: read and checked", more * 1000, 100, "ms", note)]
