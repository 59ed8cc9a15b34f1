# SPDX-License-Identifier: MIT
"""The word that hello.service greets with: a key of system.ini that this artifact brings itself."""

from configparser import ConfigParser

from genpack_init import read_key, replace_file, root_path

SYSTEM_INI = [
    {"section": "_default", "key": "greeting", "type": "str", "default": "Hello", "group": "Services",
     "pattern": ".{1,40}", "allowed": "1 to 40 characters", "help": "what the machine greets with"},
]  # fmt: skip


def configure(ini: ConfigParser) -> None:
    """For /usr/libexec/hello. In /run: the next boot starts from system.ini again."""
    word = read_key(ini, SYSTEM_INI[0])
    if word:
        replace_file(root_path("run/hello-greeting"), f"{word}\n")
