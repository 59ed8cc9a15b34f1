# SPDX-License-Identifier: MIT
"""get-github-download-url: where a file of a project's latest release on GitHub is."""

from __future__ import annotations

import argparse
import json
import re
from typing import Any
from urllib.parse import quote

from .cmd_download import add_cachedir
from .errors import ProgsError, UsageError
from .store import Store

PROG = "get-github-download-url"
API = "https://api.github.com"
SOURCES = {"@tarball": "tarball_url", "@zipball": "zipball_url"}


def urls(release: Any) -> dict[str, str]:
    """URLs of what a release has: @tarball, @zipball, then its files by name in GitHub's order."""
    assets = release.get("assets") or []
    found = [(name, release.get(key)) for name, key in SOURCES.items()]
    found += [(asset.get("name"), asset.get("browser_download_url")) for asset in assets]
    return {str(name): str(url) for name, url in found if name and url}


def select(found: dict[str, str], pattern: str) -> str | None:
    """The URL that is asked for: @tarball, @zipball, or the first file whose name begins with a match."""
    if pattern.startswith("@"):
        return found.get(pattern)
    try:
        wanted = re.compile(pattern)
    except re.error as e:
        raise UsageError(f"{pattern!r} is not a regular expression: {e}") from e
    return next((url for name, url in found.items() if name not in SOURCES and wanted.match(name)), None)


def command(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog=PROG, description="Print the URL of a file of a project's latest release on GitHub; without PATTERN the "
        "names of all its files.")
    parser.add_argument("--debug", action="store_true", help="print each request on standard error")
    parser.add_argument("--api-url", metavar="URL", default=API,
                        help=f"of a GitHub server of one's own (default: {API})")
    add_cachedir(parser)
    parser.add_argument("user", metavar="USER", help="or organisation")
    parser.add_argument("project", metavar="PROJECT")
    parser.add_argument("pattern", metavar="PATTERN", nargs="?", help="regular expression that the beginning of the "
                        "file's name matches; @tarball or @zipball: the source")
    args = parser.parse_args(argv)
    where = f"{quote(args.user, safe='')}/{quote(args.project, safe='')}"
    url = f"{args.api_url.rstrip('/')}/repos/{where}/releases/latest"
    with Store(args.cachedir).get(url, show=args.debug) as file:
        try:
            found = urls(json.load(file))
        except (ValueError, AttributeError, TypeError) as e:
            raise ProgsError(f"{url}: the answer is not a release as GitHub describes it: {e}") from e
    if args.pattern is None:
        print(*found, sep="\n")
        return
    match = select(found, args.pattern)
    if match is None:
        raise ProgsError(f"the latest release of {args.user}/{args.project} has nothing that matches {args.pattern!r}",
                         tip=f"it has {', '.join(found)}")
    print(match)
