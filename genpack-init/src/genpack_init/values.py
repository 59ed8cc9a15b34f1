# SPDX-License-Identifier: MIT
"""Values checked by the row of a SYSTEM_INI table that describes them: the table is the rule, for the plugin at boot,
for `genpack-init check`, and for whoever reads the table as JSON."""

from __future__ import annotations

import re

from genpack_init.systemini import bad_value

TYPE_CHECKING = False  # true for type checkers; importing typing costs 5 ms of each boot
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from configparser import ConfigParser

    Row = Mapping[str, object]
    Rule = Callable[[str], object]


def read_keys(ini: ConfigParser, row: Row, *, section: str | None = None, also: Rule | None = None) -> list[str]:
    """The good parts of a value: the words (parted by blanks or commas) of a `list`, the lines of a `text` (without
    those that start with #), else the value itself; nothing if it is absent or empty.

    `section`: where to look, if the row's is a pattern or several. `also`: a rule beyond the row's, false for a bad
    part. Each bad part is one error line in the log; of a secret it does not show the value.
    """
    where, key, kind = section or str(row["section"]), str(row["key"]), row["type"]
    text = ini.get(where, key, fallback="").strip()
    if kind == "list":
        parts = text.replace(",", " ").split()
    elif kind == "text":
        parts = [line.strip() for line in text.splitlines()]
    else:
        parts = [text]
    found = []
    for number, part in enumerate(parts, 1):
        if not part or (kind == "text" and part.startswith("#")):
            continue
        if fits(row, part) and (also is None or also(part)):
            found.append(part)
            continue
        shown = part
        if row.get("secret") and kind == "text":
            shown = f"line {number} (not shown)"
        bad_value(ini, where, key, allowed(row), value=shown, secret=bool(row.get("secret")) and kind != "text")
    return found


def read_key(ini: ConfigParser, row: Row, *, section: str | None = None, also: Rule | None = None) -> str | None:
    """A value that is one part, or None if it is absent, empty, or (with the error line) bad."""
    found = read_keys(ini, row, section=section, also=also)
    return found[0] if found else None


def fits(row: Row, part: str) -> bool:
    """True if a part of a value is what the row's type, choices, pattern and bounds allow."""
    choices, pattern = row.get("choices"), row.get("pattern")
    if isinstance(choices, list | tuple) and part.lower() not in choices:
        return False
    if isinstance(pattern, str) and not re.fullmatch(pattern, part):
        return False
    low, high = row.get("minimum"), row.get("maximum")
    if row["type"] == "int" or isinstance(low, int) or isinstance(high, int):
        if not (part.isascii() and part.isdecimal() and len(part) <= 18):
            return False
        return (low if isinstance(low, int) else 0) <= int(part) <= (high if isinstance(high, int) else 10**18)
    return True


def is_ip_address(text: str) -> bool:
    """True for an IPv4 or IPv6 address, such as 192.0.2.1."""
    from ipaddress import ip_address  # 5 ms that a boot without such a key need not pay

    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def is_ip_interface(text: str) -> bool:
    """True for an address that may have a prefix length, such as 192.0.2.1/24."""
    address, slash, _ = text.partition("/")
    if not slash:
        return is_ip_address(address)
    from ipaddress import ip_interface

    try:
        ip_interface(text)
    except ValueError:
        return False
    return True


def allowed(row: Row) -> str:
    """What the row allows, in words."""
    choices = row.get("choices")
    if row.get("allowed"):
        return str(row["allowed"])
    if isinstance(choices, list | tuple):
        return ", ".join(map(str, choices))
    low, high = row.get("minimum"), row.get("maximum")
    if low is not None or high is not None:
        return f"a number {'from ' + str(low or 0)}{'' if high is None else ' to ' + str(high)}"
    return "a number" if row["type"] == "int" else "text"
