# SPDX-License-Identifier: MIT
"""What the guest reads in /sys/firmware/qemu_fw_cfg/by_name: the names of ci/formats/fw_cfg/names.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from genpack_vm.errors import UsageError

VMNAME = "opt/vmname"
SSH_PUBLIC_KEY = "opt/ssh-public-key"
TIMEZONE = "opt/timezone"
LANG = "opt/lang"
SYSTEM_INI = "opt/system.ini"
APPLICATION_INI = "opt/application.ini"

FILE_LIMIT = 4 << 20  # bytes
TEXT_LIMIT = 64 << 10  # bytes; the kernel's limit of one argument is 128 KiB
NAME_LIMIT = 55  # characters: FW_CFG_MAX_FILE_PATH of QEMU is 56 with its final zero


@dataclass(frozen=True)
class Item:
    """One entry: the text `value`, or the bytes of `file`."""

    name: str
    value: str | None = None
    file: Path | None = None


def check_file(path: Path, what: str) -> Path:
    """The absolute path of a readable file that fits; else a UsageError that begins with `what`."""
    try:
        with path.open("rb") as file:
            size = len(file.read(FILE_LIMIT + 1))
    except OSError as e:
        raise UsageError(f"{what}: cannot read {path}: {e.strerror}") from e
    if size > FILE_LIMIT:
        raise UsageError(f"{what}: {path} is larger than {FILE_LIMIT >> 20} MiB")
    if size == 0:
        raise UsageError(f"{what}: {path} is empty", tip="leave the option out to give the guest nothing")
    return path.absolute()


def parse(text: str) -> Item:
    """NAME=VALUE or NAME=@FILE; `opt/` is put before a NAME without it."""
    name, equals, value = text.partition("=")
    where = f"--fw-cfg {name!r}"
    if not equals:
        raise UsageError(f"--fw-cfg {text!r} is neither NAME=VALUE nor NAME=@FILE")
    name = name if name.startswith("opt/") else f"opt/{name}"
    if name == "opt/" or not (name.isascii() and name.isprintable()) or " " in name:
        raise UsageError(f"{where} is not a name", tip="a name is printable ASCII without spaces")
    if len(name) > NAME_LIMIT:
        raise UsageError(f"{where}: {name} has {len(name)} characters, {NAME_LIMIT} are possible")
    if value.startswith("@"):
        return Item(name, file=check_file(Path(value[1:]), where))
    if not value:
        raise UsageError(f"{where} has no value")
    if len(value.encode("utf-8", "surrogateescape")) > TEXT_LIMIT:
        raise UsageError(f"{where}: the value is larger than {TEXT_LIMIT >> 10} KiB", tip="give it as @FILE")
    return Item(name, value=value)


def collect(
    name: str,
    *,
    keys: Sequence[str],
    timezone: str | None,
    lang: str | None,
    system_ini: Path | None,
    application_ini: Path | None,
    given: Sequence[Item],
) -> tuple[Item, ...]:
    """All entries of a VM, those of --fw-cfg in the place of the automatic ones with their name."""
    if system_ini is not None:
        system_ini = check_file(system_ini, "--system-ini")
    if application_ini is not None:
        application_ini = check_file(application_ini, "--application-ini")
    automatic = [
        Item(VMNAME, value=name),
        Item(SSH_PUBLIC_KEY, value="\n".join(keys)),
        Item(TIMEZONE, value=timezone),
        Item(LANG, value=lang),
        Item(SYSTEM_INI, file=system_ini),
        Item(APPLICATION_INI, file=application_ini),
    ]
    items = {item.name: item for item in automatic if item.value or item.file}
    seen: set[str] = set()
    for item in given:
        is_file_option = item.name in (SYSTEM_INI, APPLICATION_INI) and item.name in items
        if item.name in seen or is_file_option:
            raise UsageError(f"{item.name} is given twice")
        seen.add(item.name)
        items[item.name] = item
    return tuple(items.values())
