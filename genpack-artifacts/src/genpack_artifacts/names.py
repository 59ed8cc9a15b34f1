# SPDX-License-Identifier: MIT
"""Names of artifacts, and words that were nearly right."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

#: What genpack takes as an artifact's name.
ARTIFACT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that one most likely meant."""
    return next(iter(difflib.get_close_matches(word, list(known), 1)), None)
