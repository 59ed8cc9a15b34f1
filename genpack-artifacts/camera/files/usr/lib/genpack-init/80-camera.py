# SPDX-License-Identifier: MIT
"""motion's configuration from [camera]."""

from __future__ import annotations

import logging
from configparser import ConfigParser

from genpack_init import chgrp, get_boolean, read_key, replace_file, root_path

SYSTEM_INI = [
    {"section": "camera", "key": "device", "type": "str", "default": "/dev/video0", "group": "camera",
     "pattern": "/dev/[A-Za-z0-9/._:-]+", "allowed": "a path below /dev", "help": "camera"},
    {"section": "camera", "key": "size", "type": "str", "default": "1280x720", "group": "camera",
     "pattern": "[1-9][0-9]{2,3}x[1-9][0-9]{2,3}", "allowed": "WIDTHxHEIGHT in pixels", "help": "size of the picture"},
    {"section": "camera", "key": "framerate", "type": "int", "default": 10, "group": "camera",
     "minimum": 1, "maximum": 100, "help": "pictures a second"},
    {"section": "camera", "key": "user", "type": "str", "default": None, "group": "camera",
     "pattern": "[A-Za-z0-9_.-]+", "allowed": "letters, digits, and _ . -", "help": "name that a browser asks for"},
    {"section": "camera", "key": "password", "type": "str", "default": None, "group": "camera", "secret": True,
     "pattern": r"[^\s]{8,}", "allowed": "8 characters or more, no blanks", "help": "password for that name"},
    {"section": "camera", "key": "record", "type": "bool", "default": True, "group": "camera",
     "help": "keep films of what moves"},
    {"section": "camera", "key": "keep", "type": "int", "default": 14, "group": "camera",
     "minimum": 1, "maximum": 3650, "help": "days that films are kept"},
]  # fmt: skip
ROWS = {str(row["key"]): row for row in SYSTEM_INI}


def configure(ini: ConfigParser) -> None:
    """The whole of motion.conf: every key has a default. systemd-tmpfiles removes old films."""

    def word(key: str) -> str:
        return read_key(ini, ROWS[key]) or str(ROWS[key]["default"] or "")

    width, _, height = word("size").partition("x")
    record = "off" if get_boolean(ini, "camera", "record", True) is False else "on"
    lines = [
        "daemon off",
        "target_dir /var/lib/motion",
        f"video_device {word('device')}",
        f"width {width}",
        f"height {height}",
        f"framerate {int(word('framerate'))}",
        "movie_codec mkv",
        f"movie_output {record}",
        "stream_port 8081",
        "stream_localhost off",
        f"stream_maxrate {int(word('framerate'))}",
        # The page that changes settings is for the machine alone.
        "webcontrol_port 8080",
        "webcontrol_localhost on",
    ]
    user, password = word("user"), word("password")
    if user and password:
        lines += ["stream_auth_method 2", f"stream_authentication {user}:{password}"]
    elif user or password:
        logging.error("system.ini: [camera]: user and password go together; the picture is open to all")
    # It may hold the password: motion's group alone may read it.
    path = root_path("etc/motion/motion.conf")
    replace_file(path, "\n".join(lines) + "\n", 0o640)
    chgrp("motion", path)
    replace_file(root_path("run/tmpfiles.d/camera.conf"), f"e /var/lib/motion - - - {int(word('keep'))}d\n")
