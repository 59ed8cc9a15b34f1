# SPDX-License-Identifier: MIT
"""boot-report.txt on the boot partition: what the machine found at its last boots, for an owner with the card at hand.

It is written twice: `begin` by the last plugin, with what system.ini asked for and what was wrong in it; `finish` when
the boot is complete, with the rest. A boot that differs from the newest entry in nothing but its time writes nothing.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
from configparser import ConfigParser

from genpack_init.disk import get_mount_info
from genpack_init.errors import GenpackInitError
from genpack_init.log import remembered
from genpack_init.paths import INITRAMFS, replace_file, text_path
from genpack_init.platform import kernel_option, read_bytes, read_text
from genpack_init.process import capture
from genpack_init.systemini import DEFAULT_SECTION, SystemIni, source_of

TYPE_CHECKING = False  # true for type checkers; importing typing costs 5 ms of each boot
if TYPE_CHECKING:
    from typing import Any

    Row = dict[str, Any]

BOOT = f"{INITRAMFS}/boot"
NAME = "boot-report.txt"
STATE = "run/genpack-boot-report.json"
KEY_TABLE = ".genpack/system_ini.json"

HEAD = "What this machine found when it started, newest first. A start like the one before it is not added."
MARK = "== "
UNFINISHED = "Boot: not finished"
MAX_BYTES, MAX_ENTRIES = 16384, 10
MAX_LINES, MAX_WIDTH = 60, 240
MAX_BEGINNING, MAX_ENTRY = 12000, 15000  # bytes; cut where it is made, so that the next boot makes the same of it
HIDDEN = "(not shown)"
ADDRESS_SECONDS = 60  # how long an address is waited for: DHCP may still be asking when the boot is complete


def place() -> str | None:
    """The report's path, if there is a boot partition that is FAT and can be written."""
    folder = text_path(BOOT)
    if not os.path.isdir(folder):
        return None
    mounted = get_mount_info(folder)
    good = mounted.get("target") == os.path.realpath(folder) and mounted["fstype"] in ("vfat", "msdos")
    return f"{folder}/{NAME}" if good and "ro" not in mounted["options"].split(",") else None


def begin(ini: ConfigParser) -> bool:
    """The entry of this boot as far as plugins know it. False without a boot partition to write to."""
    path = place()
    if path is None:
        return False
    start = beginning(ini)
    entries = read_entries(path)
    heading = None
    if not entries or entries[0][1].partition("Boot: ")[0] != start:
        heading = time.strftime("%Y-%m-%d %H:%M:%S %z")
        write(path, [(heading, f"{start}{UNFINISHED}\n"), *entries])
    replace_file(text_path(STATE), json.dumps({"version": 1, "heading": heading, "beginning": start}) + "\n", 0o600)
    return True


def finish() -> None:
    """Complete the entry of this boot. Raises GenpackInitError."""
    path, state = place(), read_bytes(STATE)
    if path is None:
        raise GenpackInitError(f"{text_path(BOOT)}: no FAT boot partition that can be written")
    if state is None:
        raise GenpackInitError(f"{text_path(STATE)}: no such file", tip="the plugin report writes it at boot")
    found = json.loads(state)
    body = cut(f"{found['beginning']}{ending()}", MAX_ENTRY)
    entries = read_entries(path)
    if entries and entries[0][0] == found["heading"]:  # what `begin` wrote in this boot
        entries = entries[1:]
    elif entries and entries[0][1] == body:
        return
    write(path, [(time.strftime("%Y-%m-%d %H:%M:%S %z"), body), *entries])


def beginning(ini: ConfigParser) -> str:
    """Image, settings and errors, without a secret."""
    rows = key_table()
    errors = [*remembered(logging.ERROR)]
    files = tuple(ini.files) if isinstance(ini, SystemIni) else ()
    errors += [line for line in remembered(logging.WARNING) if files and line.startswith(files)]
    settings, unknown, secrets = [], False, []
    for section, key in ini.sources if isinstance(ini, SystemIni) else ():
        row, value = row_of(rows, section, key), ini.get(section, key, fallback="").strip()
        where = key if section == DEFAULT_SECTION else f"[{section}] {key}"
        if row is None or row["secret"]:
            secrets += [line.strip() for line in value.splitlines()]
        if row is None and rows:
            unknown = True
        elif value and not any(line.startswith(f"{source_of(ini, section, key)}: {where}: ") for line in errors):
            settings.append(f"{where} {HIDDEN if row is None or row['secret'] else f'= {value}'}")
    if unknown and isinstance(ini, SystemIni):
        from genpack_init import tables  # only for an owner's mistake

        keys = [tables.Key(**{name: text for name, text in row.items() if name != "plugin"}) for row in rows]
        errors += tables.unread(ini, keys)
    for below in ("boot", "rw"):  # an owner knows the file by its name
        errors = [line.replace(text_path(f"{INITRAMFS}/{below}/system.ini"), "system.ini") for line in errors]
    # What a plugin raised may quote a secret; it is for the log.
    errors = [hidden(re.sub(r"^(plugin \S+ failed: \w+).*", r"\1", line, flags=re.DOTALL), secrets) for line in errors]
    text = f"Image: {image()}\n{listed('Errors', errors)}{listed('Settings of system.ini', settings)}"
    return cut(text, MAX_BEGINNING)


def hidden(line: str, secrets: list[str]) -> str:
    """A line without the secrets, whoever quotes them."""
    for secret in sorted((secret for secret in secrets if len(secret) >= 4), key=len, reverse=True):
        line = line.replace(secret, HIDDEN)
    return line


def ending() -> str:
    """What is known when the boot is complete: services, addresses, update."""
    _, output = capture(["systemctl", "list-units", "--failed", "--plain", "--no-legend", "--no-pager"])
    failed = [line.split()[0] for line in output.splitlines() if line.split()]
    text = f"Boot: finished{'; failed: ' + ', '.join(failed) if failed else ''}\n"
    return f"{text}{listed('Addresses', wait_for_addresses())}Update: {update()}\n"


def listed(title: str, lines: list[str]) -> str:
    """A title with indented lines, or "none"."""
    if not lines:
        return f"{title}: none\n"
    short = [" ".join(line.split()) for line in lines[:MAX_LINES]]
    short = [line if len(line) <= MAX_WIDTH else f"{line[: MAX_WIDTH - 3]}..." for line in short]
    more = [f"... and {len(lines) - MAX_LINES} more"] if len(lines) > MAX_LINES else []
    return f"{title}:\n" + "".join(f"  {line}\n" for line in [*short, *more])


def cut(text: str, limit: int) -> str:
    """Whole lines, `limit` bytes at most."""
    if len(text.encode()) <= limit:
        return text
    return text.encode()[: limit - 8].decode(errors="ignore").rpartition("\n")[0] + "\n  ...\n"


def key_table() -> list[Row]:
    """The keys of the image's plugins; none if the image has no table."""
    data = read_bytes(KEY_TABLE)
    try:
        rows: list[Row] = json.loads(data)["keys"] if data else []
    except (ValueError, KeyError, TypeError):
        logging.warning("%s is no key table", text_path(KEY_TABLE))
        return []
    return rows


def row_of(rows: list[Row], section: str, key: str) -> Row | None:
    """The row that describes a key of a file."""
    from fnmatch import fnmatchcase

    return next((row for row in rows if row["key"] == key and fnmatchcase(section, row["section"])), None)


def image() -> str:
    """Name, variant, architecture, profile and version of the image."""
    words = {name: read_text(f".genpack/{name}") for name in ("artifact", "variant", "arch", "profile", "commit-id")}
    stamp = (read_text(".genpack/timestamp.commit") or "").split()
    parts = [words["artifact"] or "unknown"]
    parts += [f"variant {words['variant']}"] if words["variant"] else []
    parts += [words["arch"]] if words["arch"] else []
    parts += [f"profile {words['profile']}"] if words["profile"] else []
    parts += [f"packages of {stamp[2][:10]}"] if len(stamp) == 3 else []
    parts += [f"commit {words['commit-id']}"] if words["commit-id"] else []
    return ", ".join(parts)


def wait_for_addresses() -> list[str]:
    """A line for each interface that has addresses of more than this link, once there is one."""
    end = time.monotonic() + ADDRESS_SECONDS
    while not (found := addresses()) and time.monotonic() < end:
        time.sleep(1)
    return found


def addresses() -> list[str]:
    """The same at this moment."""
    status, output = capture(["ip", "-json", "address", "show", "scope", "global", "up"])
    try:
        interfaces = json.loads(output) if status == 0 else []
    except ValueError:
        interfaces = []
    lines = []
    for interface in interfaces:
        # a temporary address is another one at each boot
        infos = [info for info in interface.get("addr_info", []) if not info.get("temporary")]
        words = [f"{info['local']}/{info['prefixlen']}" for info in infos if "local" in info]
        if words:
            lines.append(f"{interface['ifname']}: {', '.join(words)}")
    return lines


def update() -> str:
    """Which image was started, and what GRUB's variables say of it."""
    name = os.path.basename(kernel_option("genpack.image") or "")
    if name in ("system.cur", "system.old"):
        return f"the previous image was started ({name})"
    block = (read_bytes(f"{BOOT}/grubenv") or b"").decode(errors="replace")
    names = {line.partition("=")[0] for line in block.splitlines() if not line.startswith("#")}
    if "new" in names:
        return "not complete; it goes on at the next start"
    return "a new image is on trial" if "tries" in names else "none under way"


def read_entries(path: str) -> list[tuple[str, str]]:
    """(time, text) of each entry of the file, newest first; none if there is no file."""
    try:
        with open(path, "rb") as file:
            text = file.read(4 * MAX_BYTES).decode("utf-8-sig", errors="replace")
    except FileNotFoundError:
        return []
    _, *parts = f"\n{text}".replace("\r\n", "\n").split(f"\n{MARK}")
    found = [part.partition("\n") for part in parts]
    return [(heading.strip(), f"{body.strip()}\n") for heading, _, body in found]


def write(path: str, entries: list[tuple[str, str]]) -> None:
    """The newest entries that the file has room for; after a power cut it is the old file or the new one."""
    entries = entries[:MAX_ENTRIES]
    while len(_text(entries).encode()) > MAX_BYTES:
        entries = entries[:-1]
    replace_file(path, _text(entries), 0o600)  # the only mode that this mount of FAT has
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    logging.info("%s written", path)


def _text(entries: list[tuple[str, str]]) -> str:
    text = f"{HEAD}\n" + "".join(f"\n{MARK}{heading}\n{body}" for heading, body in entries)
    return "\ufeff" + text.replace("\n", "\r\n")
