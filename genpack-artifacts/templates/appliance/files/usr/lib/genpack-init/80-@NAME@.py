# SPDX-License-Identifier: MIT
"""The settings of @NAME@."""

from genpack_init import read_key, replace_file, root_path

SYSTEM_INI = [
    {
        "section": "@NAME@",
        "key": "greeting",
        "type": "str",
        "default": "Hello",
        "help": "what the device says",
        "pattern": '[^"\\\\$`]{1,60}',
        "allowed": '1 to 60 characters, none of " \\ $ `',
    },
]


def configure(ini):
    greeting = read_key(ini, SYSTEM_INI[0])
    if greeting:
        replace_file(root_path("etc/@NAME@.conf"), f'GREETING="{greeting}"\n')
