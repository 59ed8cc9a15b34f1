# SPDX-License-Identifier: MIT
"""download: write what a URL has to standard output, through a cache."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys

from .errors import ProgsError
from .store import PLACE, Store

PROG = "download"


def sha256(text: str) -> str:
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not 64 hexadecimal digits")
    return text.lower()


def add_cachedir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cachedir", metavar="DIR", help=f"where downloads are kept (default: {PLACE} if it can be "
                        "written, else /var/tmp/download-UID)")


def command(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog=PROG, description="Write the content of a URL (HTTP or HTTPS) to standard output, once all of it has come "
        "and is checked. It is kept: the next time the server is asked only whether it has changed. A transfer that is "
        "cut off is resumed.")
    add_cachedir(parser)
    parser.add_argument("--sha256", type=sha256, metavar="HEX", help="what the content must have; if it is kept with "
                        "this SHA-256, no server is asked")
    parser.add_argument("url", metavar="URL")
    args = parser.parse_args(argv)
    with Store(args.cachedir).get(args.url, sha256=args.sha256) as file:
        try:
            shutil.copyfileobj(file, sys.stdout.buffer, 1 << 20)
            sys.stdout.buffer.flush()
        except OSError as e:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes at its end
            raise ProgsError(f"cannot write to standard output: {e.strerror}") from e
