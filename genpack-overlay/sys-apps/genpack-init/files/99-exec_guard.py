# SPDX-License-Identifier: MIT
"""Starts exec-guard: only ELF files of the read-only image are executed. Last, after all that writes to /usr."""

from __future__ import annotations

import logging
import os
from configparser import ConfigParser

from genpack_init import get_boolean, replace_file, root_path
from genpack_init.process import capture, explain

SYSTEM_INI = [
    {
        "section": "_default",
        "key": "exec_guard",
        "type": "bool",
        "default": True,
        "help": "in images built with USE exec-guard: only programs of the image are executed, and /usr is read-only",
        "group": "System",
    }
]

# The daemon drops what rules the kernel has when it starts, and loads those of this folder.
RULES = "etc/audit/rules.d/50-exec_guard.rules"
KEY = "exec_guard_deny"
CALLS = {
    "b64": "execve,execveat,mmap,mprotect,pkey_mprotect",
    "b32": "execve,execveat,mmap,mmap2,mprotect,pkey_mprotect",
}


def configure(ini: ConfigParser) -> None:
    """Load it, and have audit records made of what it denies; or neither."""
    on = get_boolean(ini, "_default", "exec_guard", True)
    if not on:
        logging.info("exec_guard: off")
    elif not start():
        on = False
    if on:
        replace_file(root_path(RULES), audit_rules(os.uname().machine), mode=0o640)
    else:
        root_path(RULES).unlink(missing_ok=True)


def start() -> bool:
    """One warning for all that is amiss; the boot goes on."""
    status, output = capture([root_path("usr/libexec/genpack-exec-guard"), "on"], timeout=60)
    said = "; ".join(output.split("\n")).strip("; ")
    if status != 0 or said:
        logging.warning("exec_guard: %s", said or f"genpack-exec-guard {explain(status)}")
    else:
        logging.info("exec_guard: on")
    return status == 0


def audit_rules(machine: str) -> str:
    """A rule for each kind of program that this machine runs."""
    kinds = ("b64", "b32") if machine == "x86_64" else ("b64",)
    lines = [f"-a always,exit -F arch={kind} -S {CALLS[kind]} -F exit=-EPERM -k {KEY}" for kind in kinds]
    return "\n".join(["# Written at each boot by the plugin 99-exec_guard.py.", *lines, ""])
