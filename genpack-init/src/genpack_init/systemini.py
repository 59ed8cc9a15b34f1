# SPDX-License-Identifier: MIT
"""system.ini: read from its layers, with all the leniency that files edited by hand on any computer need.

No input makes the reader raise: what can't be understood is a problem (a line of text, for the log), the rest counts.
"""

from __future__ import annotations

import codecs
import logging
import re
from collections.abc import Callable, Iterator
from configparser import ConfigParser, Interpolation, SectionProxy

from genpack_init.paths import INITRAMFS, text_path
from genpack_init.platform import FIRMWARE_CONFIG, read_bytes

TYPE_CHECKING = False  # true for type checkers; importing typing costs 5 ms of each boot
if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

#: Section of the keys that stand before the first section header.
DEFAULT_SECTION = "_default"
BOOLEANS = ConfigParser.BOOLEAN_STATES
BOOLEAN_TEXT = "yes, no, on, off, true, false, 1 or 0"

OPTION = re.compile(r"(?P<key>[^=:]*?)\s*[=:]\s*(?P<value>.*)\Z", re.DOTALL)
SECTION = re.compile(r"\[(?P<name>.+)\]")
REFERENCE = re.compile(r"%%|%\((?P<key>[^()]+)\)s")
MAX_DEPTH = 10  # references inside references
MAX_REFERENCES = 500  # in all, for one value: a few lines could ask for gigabytes otherwise
MAX_LENGTH = 1 << 20  # characters that references may add to a value, for the same reason

Values = dict[str, dict[str, str]]
Problem = Callable[[str], None]


class LenientInterpolation(Interpolation):
    """`%%` is `%`, `%(key)s` of a key of the same section is its value, any other `%` is itself. Never raises."""

    def before_get(
        self,
        parser: MutableMapping[str, Mapping[str, str]],
        section: str,
        option: str,
        value: str,
        defaults: Mapping[str, str],
    ) -> str:
        left, room = [MAX_REFERENCES], [MAX_LENGTH]

        def expand(text: str, keys: tuple[str, ...]) -> str:
            def one(found: re.Match[str]) -> str:
                if found["key"] is None:
                    return "%"
                key = found["key"].lower()
                other = defaults.get(key)
                if other is None or key in keys or len(keys) > MAX_DEPTH or left[0] <= 0 or len(other) > room[0]:
                    return found[0]
                left[0] -= 1
                room[0] -= len(other)
                return expand(other, (*keys, key))

            return REFERENCE.sub(one, text) if "%" in text else text

        return expand(value, (option.lower(),)) if isinstance(value, str) else value


class SystemIni(ConfigParser):
    """A ConfigParser that knows which file (or fw_cfg name) each value came from."""

    def __init__(self) -> None:
        super().__init__(interpolation=LenientInterpolation(), strict=False)
        self.sources: dict[tuple[str, str], str] = {}
        self.files: list[str] = []
        self._origin: SystemIni | None = None
        self.add_section(DEFAULT_SECTION)

    def copy(self) -> SystemIni:
        """The same keys for one plugin: what it changes stays its own, what it offers reaches this object too."""
        # What a new parser with read_dict would be, made in a tenth of the time.
        other = SystemIni.__new__(SystemIni)
        mine, its = vars(self), vars(other)
        its.update(mine)
        its["_sections"] = {name: values.copy() for name, values in mine["_sections"].items()}
        its["_defaults"] = mine["_defaults"].copy()
        its["_proxies"] = {name: SectionProxy(other, name) for name in mine["_proxies"]}
        other.sources, other.files = self.sources.copy(), self.files.copy()
        other._origin = self
        return other

    def add(self, values: Values, source: str) -> None:
        """Lay the keys of one file over those that are there."""
        self.files.append(source)
        self.read_dict(values, source)
        for section, keys in values.items():
            for key in keys:
                self.sources[section, key] = source

    def offer(self, section: str, key: str, value: str, source: str) -> bool:
        """Set a key that no system.ini sets (nor anyone who offered it before). True if it was set."""
        if self.has_option(section, key):
            return False
        if self._origin is not None:
            self._origin.offer(section, key, value, source)
        self.add({section: {key.lower(): value.replace("%", "%%")}}, source)
        return True


def _cp1252(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error("genpack_init_cp1252", _cp1252)


def decode(data: bytes, problem: Problem) -> str:
    """UTF-8 with or without BOM; bytes that are not UTF-8 are cp1252. Line ends become newlines."""
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        problem(f"line {data.count(10, 0, error.start) + 1}: not UTF-8; such bytes are read as cp1252")
        text = data.decode("utf-8", "genpack_init_cp1252")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def parse(text: str, problem: Problem) -> Values:
    """{section: {key: value}} of a file's text, before interpolation: what ConfigParser would make of it.

    A line indented deeper than its key continues the value. Unlike ConfigParser: keys before the first section are
    those of `_default`, the last of two equal keys wins, and a line that is neither is left out.
    """
    found: dict[str, dict[str, list[str]]] = {DEFAULT_SECTION: {}}
    name = DEFAULT_SECTION
    seen: set[str] = set()
    value: list[str] | None = None  # lines of the value that the next line may continue
    indent = 0
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if stripped.startswith(("#", ";")):
            continue
        depth = len(line) - len(line.lstrip())
        if value is not None and (not stripped or depth > indent):
            value.append(stripped)
            continue
        if not stripped:
            continue
        value, indent = None, depth
        header, option = SECTION.match(stripped), OPTION.match(stripped)
        if header:
            name = header["name"]
            if name in seen:
                problem(f"line {number}: section [{name}] once more; the two are one")
            seen.add(name)
            found.setdefault(name, {})
        elif option and option["key"]:
            key = option["key"].lower()
            if key in found[name]:
                problem(f"line {number}: {key} once more in [{name}]; the last one counts")
            value = found[name][key] = [option["value"]]
        else:
            problem(f"line {number}: neither [section] nor key = value; left out")
    return {section: {key: "\n".join(v).rstrip() for key, v in keys.items()} for section, keys in found.items()}


def layers() -> Iterator[tuple[str, bytes]]:
    """(name for messages, content) of each system.ini of this machine; a later one outranks an earlier one."""
    for folder in ("boot", "rw"):
        below = f"{INITRAMFS}/{folder}/system.ini"
        data = read_bytes(below)
        if data is not None:
            yield text_path(below), data
            break
    data = read_bytes(f"{FIRMWARE_CONFIG}/by_name/opt/system.ini/raw")
    if data is not None:
        yield "fw_cfg opt/system.ini", data


def load(files: Iterator[tuple[str, bytes]] | list[tuple[str, bytes]]) -> tuple[SystemIni, list[str]]:
    """system.ini from its layers, and what is wrong in them: lines "FILE: line N: ..." that show no value."""
    ini, problems = SystemIni(), []
    for name, data in files:

        def problem(text: str, name: str = name) -> None:
            problems.append(f"{name}: {text}")

        ini.add(parse(decode(data, problem), problem), name)
    return ini, problems


def source_of(ini: ConfigParser, section: str, key: str) -> str:
    """The file that a value came from, for messages."""
    sources = ini.sources if isinstance(ini, SystemIni) else {}
    return sources.get((section, key.lower()), "system.ini")


def is_from_system_ini(ini: ConfigParser, section: str, key: str) -> bool:
    """False for a key that is absent, or that another source than a system.ini offered."""
    return ini.has_option(section, key) and source_of(ini, section, key).endswith("system.ini")


def bad_value(
    ini: ConfigParser, section: str, key: str, allowed: str, *, value: str | None = None, secret: bool = False
) -> None:
    """Log the one error line for a value that can't be used: file, key, value, what is allowed.

    `value`: the bad part, if the key has several. `secret`: the value is not shown.
    """
    where = key if section == DEFAULT_SECTION else f"[{section}] {key}"
    shown = ini.get(section, key, fallback="") if value is None else value
    text = "the value" if secret else repr(shown)
    logging.error("%s: %s: %s is not allowed; allowed: %s", source_of(ini, section, key), where, text, allowed)


def get_boolean(ini: ConfigParser, section: str, key: str, default: bool | None = None) -> bool | None:
    """A boolean key; `default` if it is absent or empty, and (with an error line) if it is no boolean."""
    text = ini.get(section, key, fallback="").strip()
    if not text:
        return default
    if text.lower() not in BOOLEANS:
        bad_value(ini, section, key, BOOLEAN_TEXT)
        return default
    return BOOLEANS[text.lower()]
