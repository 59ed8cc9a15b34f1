# SPDX-License-Identifier: MIT
"""root's password, in /etc/shadow."""

from __future__ import annotations

import logging
import os
import re
import stat
from configparser import ConfigParser

from genpack_init import hash_password, is_password_of, replace_file, root_path

SYSTEM_INI = [
    {
        "section": "_default",
        "key": "root_password",
        "type": "str",
        "default": None,
        "help": "root's password: a crypt(5) hash, or plain text, which is hashed before it is written",
        "allowed": "text, or a hash such as $6$...",
        "secret": True,
        "group": "Access",
    }
]

HASH = re.compile(r"\$(?:y|gy|7|2[abxy]|6|5|sha1|1)\$[./A-Za-z0-9$=,+-]+\Z")


def configure(ini: ConfigParser) -> None:
    """Set the password unless it is this one already. Empty changes nothing."""
    password = ini.get("_default", "root_password", fallback="").strip()
    if not password:
        return
    path = root_path("etc/shadow")
    lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    for number, line in enumerate(lines):
        fields = line.split(":")
        if fields[0] != "root" or len(fields) < 2:
            continue
        if HASH.match(password):
            fields[1] = password
        elif not is_password_of(password, fields[1]):
            fields[1] = hash_password(password)
        lines[number] = ":".join(fields)
        break
    else:
        logging.error("root_password: %s has no line for root", path)
        return
    info = path.stat()
    if replace_file(path, "".join(f"{line}\n" for line in lines), stat.S_IMODE(info.st_mode)):
        os.chown(path, info.st_uid, info.st_gid)
        logging.info("root's password was set")
