# SPDX-License-Identifier: MIT
"""Postfix's alias database: made while the root can be written. Its service may only write the file if it exists."""

from __future__ import annotations

import logging

from genpack_init import root_path, run

FOLDER = "etc/mail"
# An empty database, as mdb_load(1) reads it.
EMPTY = "VERSION=3\nformat=bytevalue\ntype=btree\nHEADER=END\nDATA=END\n"


def configure() -> None:
    """An empty database if there is none; `newaliases` of the service fills it. Images without LMDB need none."""
    loader, target = root_path("usr/bin/mdb_load"), root_path(FOLDER, "aliases.lmdb")
    if not loader.is_file() or target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    dump, temporary = target.with_name("aliases.dump.tmp"), target.with_name("aliases.lmdb.tmp")
    for path in (dump, temporary):
        path.unlink(missing_ok=True)
    dump.write_text(EMPTY)
    try:
        if run([loader, "-n", "-f", dump, temporary]) != 0:
            logging.error("postfix: %s could not be made", target)
            return
        temporary.replace(target)
        logging.info("postfix: %s made", target)
    finally:
        for path in (dump, temporary, target.with_name("aliases.lmdb.tmp-lock")):
            path.unlink(missing_ok=True)
