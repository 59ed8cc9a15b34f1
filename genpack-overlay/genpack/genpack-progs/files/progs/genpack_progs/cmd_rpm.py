# SPDX-License-Identifier: MIT
"""get-rpm-download-url: where the newest package of a name is in an RPM repository."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable

from . import repodata
from .cmd_download import add_cachedir
from .errors import ProgsError
from .repodata import Rpm
from .store import Store

PROG = "get-rpm-download-url"


def newest(found: Iterable[Rpm], name: str, arch: str) -> Rpm | None:
    """Of the packages of that name, for that architecture or for all, the one whose file is the newest."""
    fitting = [rpm for rpm in found if rpm.name == name and rpm.arch in {"noarch", arch}]
    return max(fitting, key=lambda rpm: rpm.time, default=None)


def command(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog=PROG, description="Print the URL of an RPM package: of those of that name in the repository the one whose "
        "file is the newest.")
    machine = os.uname().machine
    parser.add_argument("--arch", metavar="ARCH", default=machine, help="besides noarch (default: this machine's)")
    parser.add_argument("--ttl", type=int, default=3600, metavar="SECONDS", help="ask the server again only after that "
                        "time (default: 3600)")
    parser.add_argument("--debug", action="store_true", help="print each request on standard error")
    add_cachedir(parser)
    parser.add_argument("repo", metavar="REPOSITORY", help="URL of the folder that has repodata/")
    parser.add_argument("package", metavar="PACKAGE", help="its name, without a version")
    args = parser.parse_args(argv)
    repository = args.repo.rstrip("/") + "/"
    found = repodata.read(Store(args.cachedir), repository, max_age=args.ttl, show=args.debug)
    match = newest(found, args.package, args.arch)
    if match is None:
        others = sorted({rpm.arch for rpm in found if rpm.name == args.package})
        raise ProgsError(f"{repository} has no package {args.package} for {args.arch}",
                         tip=f"it has it for {', '.join(others)}" if others else None)
    print(match.url)
