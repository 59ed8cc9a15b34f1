# SPDX-License-Identifier: MIT
"""Units enabled and disabled by the links that `systemctl --root` makes: systemd itself is not running yet."""

from __future__ import annotations

import logging
import os
import re

from genpack_init.paths import text_path

UNIT_FOLDERS = ("etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system")
LINK_FOLDER = "etc/systemd/system"
SUFFIXES = (".service", ".socket", ".target", ".timer", ".path", ".mount", ".automount", ".swap", ".slice", ".device")
WANTS = {"WantedBy": "wants", "RequiredBy": "requires", "UpheldBy": "upholds"}


def enable_systemd_service(name: str) -> int:
    """Enable a unit (".service" may be left out; `name@instance` works). 0 = good, 1 = there is no such unit."""
    return _enable(_full_name(name), set())


def disable_systemd_service(name: str) -> int:
    """Remove every link that enables the unit; of `name@.service`, all instances.

    0 = good, also if it was not enabled or does not exist.
    """
    name = _full_name(name)
    top = text_path(LINK_FOLDER)
    if not os.path.isdir(top):
        return 0
    wanted = re.compile(re.escape(name).replace("@\\.", "@.*\\.") if "@." in name else re.escape(name))
    for folder in (top, *(f"{top}/{entry}" for entry in sorted(os.listdir(top)))):
        if folder != top and not folder.endswith((".wants", ".requires", ".upholds")):
            continue
        for entry in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            path = f"{folder}/{entry}"
            if not os.path.islink(path) or os.readlink(path) == "/dev/null":
                continue
            same = os.path.basename(os.readlink(path)) in (name, _template(name))
            if (folder == top and same and entry != name) or (folder != top and wanted.fullmatch(entry)):
                os.unlink(path)
    logging.info("disabled %s", name)
    return 0


def _full_name(unit: str) -> str:
    name = os.path.basename(unit)
    return name if name.endswith(SUFFIXES) else f"{name}.service"


def _template(name: str) -> str:
    """foo@bar.service -> foo@.service; other names as they are."""
    stem, dot, suffix = name.rpartition(".")
    before, at, _ = stem.partition("@")
    return f"{before}@{dot}{suffix}" if at else name


def _find(name: str) -> str | None:
    """The unit file, as a path below the root without a leading slash."""
    for candidate in dict.fromkeys((name, _template(name))):
        for folder in UNIT_FOLDERS:
            if os.path.isfile(text_path(f"{folder}/{candidate}")):
                return f"{folder}/{candidate}"
    return None


def _install_section(below: str) -> dict[str, list[str]]:
    """[Install] of a unit file: each key with all its words."""
    found: dict[str, list[str]] = {}
    section = ""
    with open(text_path(below), encoding="utf-8", errors="replace") as file:
        for line in file.read().replace("\\\n", " ").splitlines():
            text = line.strip()
            if text.startswith("["):
                section = text
            elif section == "[Install]" and "=" in text and not text.startswith(("#", ";")):
                key, value = (part.strip() for part in text.split("=", 1))
                found.setdefault(key, []).extend(value.split())
    return found


def _enable(name: str, seen: set[str]) -> int:
    seen.add(name)
    source = _find(name)
    if source is None:
        logging.error("cannot enable %s: no such unit", name)
        return 1
    if os.path.islink(text_path(source)) and os.readlink(text_path(source)) == "/dev/null":
        logging.error("cannot enable %s: it is masked", name)
        return 1
    install = _install_section(source)
    instance = name.rpartition(".")[0].partition("@")[2]
    if "@" in name and not instance and install.get("DefaultInstance"):
        stem, dot, suffix = name.rpartition(".")
        instance = install["DefaultInstance"][0]
        name = f"{stem}{instance}{dot}{suffix}"
    for key, kind in WANTS.items():
        for target in install.get(key, ()):
            folder = target.replace("%i", instance)
            _link(f"{LINK_FOLDER}/{folder}.{kind}/{name}", source)
    for alias in install.get("Alias", ()):
        _link(f"{LINK_FOLDER}/{alias.replace('%i', instance)}", source)
    for other in install.get("Also", ()):
        if other not in seen:
            _enable(other, seen)
    if not install:
        logging.warning("%s has no [Install] section: nothing to enable", name)
    else:
        logging.info("enabled %s", name)
    return 0


def _link(below: str, source: str) -> None:
    path = text_path(below)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.islink(path) and os.readlink(path) == f"/{source}":
        return
    if os.path.lexists(path):
        os.unlink(path)
    os.symlink(f"/{source}", path)
