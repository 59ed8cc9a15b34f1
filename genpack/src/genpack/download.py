# SPDX-License-Identifier: MIT
"""HTTP: small files into memory, large ones to disk: resumed, retried, whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from genpack import files
from genpack.errors import GenpackError
from genpack.log import Log, size

if TYPE_CHECKING:
    from http.client import HTTPResponse

T = TypeVar("T")

TIMEOUT_SECONDS = 60
PAUSES_SECONDS = (0, 1, 2, 4)
SMALL_BYTES = 8 << 20


class _BrokenError(Exception):
    """Worth another try: the network or the server failed."""


def small(url: str) -> bytes | None:
    """The content of a small file; None if the server does not have it. Raises GenpackError."""
    return _again(url, lambda: _small(url))


def large(url: str, final: Path, log: Log) -> Path | None:
    """A file, fetched to the path `final` unless it is there; None if the server does not have it. A second process
    waits for the first. Raises GenpackError."""
    final.parent.mkdir(parents=True, exist_ok=True)
    with files.locked(final.with_name(final.name + ".lock")):
        if final.is_file():
            return final
        part = final.with_name(final.name + ".part")
        if _again(url, lambda: _large(url, part, log)) is None:
            return None
        files.publish(part, final)
        return final


def _again(url: str, once: Callable[[], T]) -> T:
    reason: _BrokenError | None = None
    for pause in PAUSES_SECONDS:
        time.sleep(pause)
        try:
            return once()
        except _BrokenError as error:
            reason = error
    raise GenpackError(f"{url}: {reason}", tip="try again later, or use another --mirror") from reason


def _open(url: str, headers: dict[str, str]) -> HTTPResponse | None:
    """The reply; None if the server does not have the file."""
    import http.client
    import urllib.error
    import urllib.request

    request = urllib.request.Request(url, headers={"User-Agent": "genpack", **headers})
    try:
        reply: HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
        return reply
    except urllib.error.HTTPError as error:
        if error.code in {404, 410}:
            return None
        if error.code >= 500 or error.code in {408, 416, 429}:
            raise _BrokenError(f"the server says {error.code} {error.reason}") from error
        tip = "check the address given with --mirror"
        raise GenpackError(f"{url}: the server says {error.code} {error.reason}", tip=tip) from error
    except (http.client.HTTPException, OSError) as error:
        raise _BrokenError(str(getattr(error, "reason", error))) from error


def _read(reply: HTTPResponse, count: int) -> bytes:
    import http.client

    try:
        return reply.read(count)
    except (http.client.HTTPException, OSError) as error:
        raise _BrokenError(f"the connection broke: {error}") from error


def _small(url: str) -> bytes | None:
    reply = _open(url, {})
    if reply is None:
        return None
    with reply:
        expected = reply.headers.get("Content-Length")
        data = _read(reply, SMALL_BYTES + 1)
    if len(data) > SMALL_BYTES:
        raise GenpackError(f"{url} is larger than {size(SMALL_BYTES)}, which it should never be")
    if expected is not None and len(data) != int(expected):
        raise _BrokenError("the connection ends before the file does")
    return data


def _large(url: str, part: Path, log: Log) -> bool | None:
    """Fetches what is missing of `part`. The server's tag beside it says what the part is of."""
    tag_file = part.with_name(part.name + ".tag")
    have = part.stat().st_size if part.is_file() and tag_file.is_file() else 0
    reply = _open(url, {"Range": f"bytes={have}-", "If-Range": tag_file.read_text()} if have else {})
    if reply is None:
        return None
    with reply:
        if reply.status != 206:
            have = 0
        tag = reply.headers.get("ETag") or reply.headers.get("Last-Modified") or ""
        if tag and not tag.startswith("W/"):
            tag_file.write_text(tag)
        else:
            tag_file.unlink(missing_ok=True)
        length = reply.headers.get("Content-Length")
        total = None if length is None else have + int(length)
        with part.open("ab" if have else "wb") as file:
            while block := _read(reply, 1 << 18):
                file.write(block)
                have += len(block)
                log.progress(size(have) + (f" of {size(total)}" if total else ""))
    if total is not None and have != total:
        raise _BrokenError("the connection ends before the file does")
    tag_file.unlink(missing_ok=True)
    return True
