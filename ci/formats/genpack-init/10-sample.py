# SPDX-License-Identifier: MIT
"""A plugin with a key of each kind, for the sample of what `genpack-init check --json` prints."""

SYSTEM_INI = [
    ("_default", "motto", "str", None, "text of /etc/motd"),
    {"section": "_default", "key": "greet", "type": "bool", "default": True, "help": "greet at the console",
     "group": "System"},
    {"section": "_default", "key": "color", "type": "str", "default": "blue", "help": "colour of the greeting",
     "choices": ["blue", "red"], "allowed": "blue or red"},
    {"section": "_default", "key": "token", "type": "text", "default": None, "help": "tokens, one a line",
     "secret": True, "pattern": "[0-9a-f]{8}", "allowed": "8 hex digits"},
    {"section": "greeting:*", "key": "times", "type": "int", "default": 1, "help": "how often",
     "minimum": 1, "maximum": 9},
    {"section": "greeting:*", "key": "names", "type": "list", "default": None, "help": "whom"},
]  # fmt: skip


def configure() -> None:
    """Does nothing: only the table counts."""
