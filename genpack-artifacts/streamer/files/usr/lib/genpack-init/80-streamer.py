# SPDX-License-Identifier: MIT
"""Where OBS sends to, and how: its profile "streamer" from [streamer]."""

from __future__ import annotations

import json
from configparser import ConfigParser

from genpack_init import chown, get_boolean, read_key, replace_file, root_path

SYSTEM_INI = [
    {"section": "streamer", "key": "server", "type": "str", "default": None, "group": "streamer",
     "pattern": r"(rtmps?|srt|rist)://[^\s\"]+",
     "allowed": "an address that begins with rtmp://, rtmps://, srt:// or rist://", "help": "streaming service"},
    {"section": "streamer", "key": "key", "type": "str", "default": None, "group": "streamer", "secret": True,
     "pattern": r"[^\s\"]+", "allowed": "a key without blanks or quotes", "help": "stream key"},
    {"section": "streamer", "key": "bitrate", "type": "int", "default": 4500, "group": "streamer",
     "minimum": 200, "maximum": 100000, "help": "kbit/s of the video"},
    {"section": "streamer", "key": "size", "type": "str", "default": "1920x1080", "group": "streamer",
     "pattern": "[1-9][0-9]{2,3}x[1-9][0-9]{2,3}", "allowed": "WIDTHxHEIGHT in pixels", "help": "size of the picture"},
    {"section": "streamer", "key": "start", "type": "bool", "default": False, "group": "streamer",
     "help": "on air without a click"},
]  # fmt: skip
SERVER, KEY, BITRATE, SIZE, _ = SYSTEM_INI
HOME = "home/streamer"
PROFILE = f"{HOME}/.config/obs-studio/basic/profiles/streamer"


def configure(ini: ConfigParser) -> None:
    """service.json and basic.ini of the profile, and the options that OBS is started with."""
    server = read_key(ini, SERVER)
    if server:
        service = {"type": "rtmp_custom", "settings": {"server": server, "key": read_key(ini, KEY) or ""}}
        replace_file(root_path(PROFILE, "service.json"), json.dumps(service) + "\n", 0o600)
    width, _, height = (read_key(ini, SIZE) or "1920x1080").partition("x")
    basic = "[General]\nName=streamer\n\n[Output]\nMode=Simple\n\n"
    basic += f"[SimpleOutput]\nVBitrate={int(read_key(ini, BITRATE) or 4500)}\n\n"
    basic += f"[Video]\nBaseCX={width}\nBaseCY={height}\nOutputCX={width}\nOutputCY={height}\n"
    replace_file(root_path(PROFILE, "basic.ini"), basic)
    start = bool(server) and get_boolean(ini, "streamer", "start", False)
    replace_file(root_path("etc/streamer.conf"), f"OPTIONS={'--startstreaming' if start else ''}\n")
    # OBS writes there too.
    chown("streamer", root_path(HOME, ".config"), group="streamer", recursive=True)
