# SPDX-License-Identifier: MIT
"""vm.ini: read by ConfigObj against a configspec. Every mistake is named with its line; none becomes a default."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from configobj import (  # type: ignore[import-untyped]  # it has no types of its own
    ConfigObj,
    ConfigObjError,
    flatten_errors,
    get_extra_values,
)
from configobj.validate import ValidateError, Validator  # type: ignore[import-untyped]  # the same

from genpack_vm.errors import UsageError

NUMBERED = 10  # net0 to net9, and so on
_SPEC = """\
type = option(genpack, bios, uefi, default=genpack)
memory = number(256, 16777216, default=2048)
cpu = number(1, 1024, default=1)
append = string(default=None)
display = string(default=None)
spice = string(default=None)
vnc = string(default=None)
accel = option(2d, qxl, opengl, vulkan, default=2d)
gpu_max_outputs = number(1, 16, default=1)
rendernode = string(default=None)
resolution = string(default=None)
usb = string(default=None)
qga = flag(default=True)
kvm = flag(default=None)
stop_timeout = number(1, 86400, default=150)
{numbered}
[firmware-string]
__many__ = string
[application]
__many__ = string
[virtiofs]
rlimit-nofile = number(1, 1048576, default=None)
cache = option(auto, always, never, none, default=auto)
inode-file-handles = option(never, prefer, mandatory, default=prefer)
"""
_NET = "interface = string(default=None)\nbridge = string(default=None)\nmac = string(default=None)\n"
_NUMBERED = {
    "net": _NET + "vhost = flag(default=True)\nhostfwd = string(default=None)\n",
    "disk": "virtio = flag(default=True)\nserial = string(default=None)\n",
    "pci": "id = string\nmultifunction = flag(default=False)\nvga = flag(default=False)\n"
    "romfile = string(default=None)\n",
}
_TRUE, _FALSE = ("yes", "y", "true", "t", "on", "1"), ("no", "n", "false", "f", "off", "0")
_FREE = ("firmware-string", "application")  # sections whose keys are the user's
_SECTION = re.compile(r"\s*\[([^\[\]]*)\]\s*$")


def spec() -> list[str]:
    """The configspec."""
    numbered = "".join(f"[{name}{n}]\n{keys}" for name, keys in _NUMBERED.items() for n in range(NUMBERED))
    return _SPEC.format(numbered=numbered).splitlines()


def _number(value: Any, low: str, high: str) -> int:
    """An integer, decimal or 0x."""
    text = str(value).strip()
    try:
        found = int(text, 16) if text.lower().startswith("0x") else int(text)
    except ValueError:
        raise ValidateError(f"{text!r} is not a whole number") from None
    if not int(low) <= found <= int(high):
        raise ValidateError(f"{text} is not from {low} to {high}")
    return found


def _flag(value: Any) -> bool:
    """yes or no, in the spellings that vm.ini files use."""
    text = str(value).strip().lower()
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise ValidateError(f"{value!r} is neither yes nor no")


def _option(value: Any, *choices: str) -> str:
    """One of several words."""
    if str(value) in choices:
        return str(value)
    close = difflib.get_close_matches(str(value), choices, 1)
    meant = f"did you mean {close[0]}?" if close else f"it may be {', '.join(choices)}"
    raise ValidateError(f"{value!r} is unknown; {meant}")


CHECKS: dict[str, Callable[..., Any]] = {"number": _number, "flag": _flag, "option": _option}


class Reading:
    """The text of one file, its names in lower case, its comments blanked, and the line of each key."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.lines: list[str] = []
        self.at: dict[tuple[str, str], int] = {}
        self.problems: list[tuple[int, str]] = []
        section = ""
        for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
            line = re.sub(r"\s;.*$", "", raw)
            if line.lstrip().startswith((";", "#")):
                line = ""
            if match := _SECTION.match(line):
                section = match[1].strip().lower()
                line = f"[{section}]"
                if (section, "") in self.at:
                    self.problems.append((number, f"[{section}] is there twice"))
                    line = ""
                self.at.setdefault((section, ""), number)
            elif "=" in line:
                key, _, value = line.partition("=")
                key = key.strip() if section in _FREE else key.strip().lower()
                if (section, key) in self.at:
                    self.problems.append((number, f"{self.name(section, key)} is there twice"))
                    line = ""
                else:
                    self.at[(section, key)] = number
                    line = f"{key} = {value.strip()}"
            elif line.strip():
                self.problems.append((number, f"{line.strip()!r} is neither [section] nor key = value"))
                line = ""
            self.lines.append(line)

    @staticmethod
    def name(section: str, key: str) -> str:
        """How a key is called in a message."""
        return f"{key} of [{section}]" if section else key

    def error(self, section: str, key: str, message: str, tip: str | None = None) -> UsageError:
        """A mistake found later, at its line."""
        line = self.at.get((section, key)) or self.at.get((section, ""))
        return UsageError(f"{self.path}{f':{line}' if line else ''}: {message}", tip=tip)


def _unknown(config: ConfigObj, reading: Reading) -> Iterator[tuple[int, str]]:
    """Keys and sections that the configspec does not have."""
    known = config.configspec
    for sections, key in get_extra_values(config):
        section = sections[0] if sections else ""
        is_section = not section and key in config.sections
        names = list(known.sections) if is_section else list((known[section] if section else known).scalars)
        close = difflib.get_close_matches(key, names, 1)
        meant = f"; did you mean {close[0]}?" if close else ""
        line = reading.at.get((key, "") if is_section else (section, key), 0)
        what = f"there is no section [{key}]" if is_section else f"there is no key {reading.name(section, key)}"
        yield line, what + meant


def parse(path: Path, text: str) -> tuple[dict[str, Any], Reading]:
    """(values by key, a section's by section; the lines); UsageError that names every mistake, a line each."""
    reading = Reading(path, text)
    problems = list(reading.problems)
    try:
        config = ConfigObj(
            reading.lines, configspec=spec(), list_values=False, interpolation=False, _inspec=False, raise_errors=False
        )
    except ConfigObjError as e:
        found = getattr(e, "errors", None) or [e]
        problems += [(one.line_number or 0, one.args[0].split(" at line")[0]) for one in found]
    else:
        result = config.validate(Validator(CHECKS), preserve_errors=True)
        for sections, key, error in flatten_errors(config, result):
            section = sections[0] if sections else ""
            if key is None or (error is False and (section, "") not in reading.at):
                continue  # a section that is not there
            message = "is missing" if error is False else str(error)
            line = reading.at.get((section, key)) or reading.at.get((section, ""), 0)
            problems.append((line, f"{reading.name(section, key)}: {message}"))
        problems += _unknown(config, reading)
    if problems:
        lines = [f"{path}:{line}: {message}" for line, message in sorted(problems)]
        raise UsageError("\n".join(lines), tip="man vm.ini")
    values = config.dict()
    return {k: v for k, v in values.items() if not isinstance(v, dict) or (k, "") in reading.at}, reading
