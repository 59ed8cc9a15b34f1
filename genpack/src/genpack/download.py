# SPDX-License-Identifier: MIT
"""HTTP: small files into memory, large ones to disk: resumed, retried, whole or not at all.

A large file grows as `NAME.part`; `NAME.part.tag` beside it holds the URL and the server's validator (ETag or
Last-Modified), so that a later try continues the very same file and never glues two together.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from genpack import space
from genpack.errors import GenpackError
from genpack.log import Log
from genpack.progress import Progress, size

if TYPE_CHECKING:
    from http.client import HTTPResponse
    from urllib.error import HTTPError
    from urllib.request import OpenerDirector

T = TypeVar("T")

TIMEOUT_SECONDS = 60
PAUSES_SECONDS = (0, 1, 2, 4)
#: The longest that a server's Retry-After is waited for.
PATIENCE_SECONDS = 60
#: A try that got this many bytes starts the count of tries again: a bad line gets a large file in the end.
PROGRESS_BYTES = 1 << 20
SMALL_BYTES = 8 << 20
TIP = "try again later, or use another --mirror"


class _BrokenError(Exception):
    """Worth another try: the network or the server failed. `wait`: seconds that the server asks for."""

    def __init__(self, message: str, wait: float = 0) -> None:
        super().__init__(message)
        self.wait = wait


def small(url: str, log: Log | None = None) -> bytes | None:
    """The content of a small file; None if the server does not have it. Raises GenpackError."""
    return _again(url, log or Log(), lambda: _small(url), lambda: 0)


def large(url: str, part: Path, log: Log, *, length: int | None = None, checked: bool = False) -> bool | None:
    """Fetches a file to `part`, or what is missing of it. `length`: its size in bytes, if known; `checked`: the caller
    knows its hash, so that a part without a validator is continued too. None if the server does not have it, else
    whether something of `part` is of an earlier run. Raises GenpackError; `part` then stays for the next run."""
    part.parent.mkdir(parents=True, exist_ok=True)
    old = _size(part)

    def once() -> bool | None:
        return _large(url, part, log, length, checked)

    found = _again(url, log, once, lambda: _size(part))
    if found is None:
        return None
    _tag(part).unlink(missing_ok=True)
    return found and old > 0


def forget(part: Path) -> None:
    """Removes a part and what is known about it."""
    part.unlink(missing_ok=True)
    _tag(part).unlink(missing_ok=True)


def _tag(part: Path) -> Path:
    return part.with_name(part.name + ".tag")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _again(url: str, log: Log, once: Callable[[], T], got: Callable[[], int]) -> T:
    """Tries until it works, with growing pauses; `got` is the number of bytes that are there."""
    tries = 0
    while True:
        before = got()
        try:
            return once()
        except _BrokenError as error:
            tries = 1 if got() - before >= PROGRESS_BYTES else tries + 1
            if tries >= len(PAUSES_SECONDS):
                raise GenpackError(f"{url}: {error}", tip=TIP) from error
            if error.wait > PATIENCE_SECONDS:
                what = f"{error}, and to come back in {error.wait:.0f} s"
                raise GenpackError(f"{url}: {what}", tip=TIP) from error
            pause = max(PAUSES_SECONDS[tries], error.wait)
            log.debug(f"{url}: {error}: once more in {pause:g} s")
            log.progress(f"{error}: once more in {pause:g} s")
            time.sleep(pause)


def _opener() -> OpenerDirector:
    """Follows redirects, to http and https alone, and never from https to http."""
    import urllib.request

    class Redirects(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]  # as in the base
            scheme = newurl.partition(":")[0].lower()
            if scheme not in {"http", "https"} or (req.type == "https" and scheme == "http"):
                what = f"the server sends to {newurl}, which is refused: {req.type} to {scheme}"
                raise GenpackError(f"{req.full_url}: {what}", tip="use another --mirror")
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    return urllib.request.build_opener(Redirects)


def _open(url: str, headers: dict[str, str]) -> HTTPResponse | None:
    """The reply; None if the server does not have the file."""
    import http.client
    import ssl
    import urllib.error
    import urllib.request

    request = urllib.request.Request(url, headers={"User-Agent": "genpack", **headers})
    try:
        reply: HTTPResponse = _opener().open(request, timeout=TIMEOUT_SECONDS)
        return reply
    except urllib.error.HTTPError as error:
        with error:
            _refused(url, error, headers)
            return None
    except (http.client.HTTPException, OSError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            what = f"{url}: the server's certificate is not valid: {reason.verify_message}"
            raise GenpackError(what, tip="check the machine's clock and its CA certificates") from error
        said = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        raise _BrokenError(f"can't reach the server: {said}") from error


def _refused(url: str, error: HTTPError, headers: dict[str, str]) -> None:
    """What a status other than 2xx means: not there (then it returns), another try, or an end."""
    said = f"the server says {error.code} {str(error.reason).splitlines()[0] if error.reason else ''}".rstrip()
    if error.code in {404, 410}:
        return
    if error.code == 416 and "Range" in headers:
        raise _BrokenError(f"{said} to the rest of the file")
    if error.code >= 500 or error.code in {408, 429}:
        raise _BrokenError(said, _retry_after(error.headers.get("Retry-After"))) from error
    if 300 <= error.code < 400:
        what = f"the server's redirects lead nowhere, at last to {error.headers.get('Location', 'no address')}"
        raise GenpackError(f"{url}: {what}", tip="use another --mirror") from error
    raise GenpackError(f"{url}: {said}", tip="check the address given with --mirror") from error


def _retry_after(text: str | None) -> float:
    """Seconds in a Retry-After header: a number or a date."""
    from email.utils import parsedate_to_datetime

    if text is None:
        return 0
    if text.strip().isdecimal():
        return int(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return 0


def _read(reply: HTTPResponse, count: int) -> bytes:
    import http.client

    try:
        return reply.read(count)
    except (http.client.HTTPException, OSError) as error:
        raise _BrokenError(f"the connection broke: {error}") from error


def _length(reply: HTTPResponse) -> int | None:
    text = reply.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() else None


def _small(url: str) -> bytes | None:
    reply = _open(url, {})
    if reply is None:
        return None
    with reply:
        expected = _length(reply)
        data = _read(reply, SMALL_BYTES + 1)
    if len(data) > SMALL_BYTES:
        raise GenpackError(f"{url} is larger than {size(SMALL_BYTES)}, which it should never be", tip=TIP)
    if expected is not None and len(data) != expected:
        raise _BrokenError(f"the connection ends before the file does: {len(data)} of {expected} bytes")
    return data


def _range(url: str, part: Path, have: int, checked: bool) -> dict[str, str]:
    """The headers that ask for the rest of a part; none if it can't be continued."""
    tag_file = _tag(part)
    known_url, _, tag = tag_file.read_text().partition("\n") if tag_file.is_file() else ("", "", "")
    if not have:
        return {}
    if tag and known_url == url:
        return {"Range": f"bytes={have}-", "If-Range": tag}
    return {"Range": f"bytes={have}-"} if checked else {}


def _large(url: str, part: Path, log: Log, length: int | None, checked: bool) -> bool | None:
    """Fetches what is missing of `part`; True if it was continued."""
    have = _size(part)
    if length is not None and have >= length and checked:
        if have == length:
            return True  # the run before ended between download and check
        forget(part)
        have = 0
    headers = _range(url, part, have, checked)
    try:
        reply = _open(url, headers)
    except _BrokenError as error:
        if str(error).startswith("the server says 416"):
            forget(part)  # the part is no beginning of the file that is there now
        raise
    if reply is None:
        return None
    with reply:
        if reply.status != 206 or not _starts_at(reply, have):
            have = 0
        if reply.status == 206 and not have:
            forget(part)
            raise _BrokenError("the server sends another part than asked for")
        body = _length(reply)
        total = None if body is None else have + body
        if length is not None and total is not None and total != length:
            tip = "use another --mirror"
            raise GenpackError(f"{url}: the server's file is {total} bytes long, not {length}", tip=tip)
        continued = have > 0
        if total is not None:
            space.require(part.parent, total - have, f"the rest of {url}" if have else url)
        _note_validator(url, part, reply)
        have = _append(reply, part, have, log, total or length)
    if length is not None and have > length:
        forget(part)
        raise GenpackError(f"{url}: the server's file is longer than its {length} bytes", tip="use another --mirror")
    if total is not None and have != total:
        raise _BrokenError(f"the connection ends before the file does: {have} of {total} bytes")
    return continued


def _starts_at(reply: HTTPResponse, have: int) -> bool:
    found = re.match(r"bytes (\d+)-", reply.headers.get("Content-Range", ""))
    return found is not None and int(found[1]) == have


def _note_validator(url: str, part: Path, reply: HTTPResponse) -> None:
    """Remembers what the part is a part of. A weak ETag says nothing about the bytes."""
    tag = reply.headers.get("ETag") or reply.headers.get("Last-Modified") or ""
    if tag and not tag.startswith("W/"):
        _tag(part).write_text(f"{url}\n{tag}")
    else:
        _tag(part).unlink(missing_ok=True)


def _append(reply: HTTPResponse, part: Path, have: int, log: Log, total: int | None) -> int:
    """Writes the reply's body; the part's size then."""
    with part.open("ab" if have else "wb") as file:
        while block := _read(reply, 1 << 18):
            try:
                file.write(block)
                file.flush()
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(part)) from error
            have += len(block)
            if total is not None and have > total:
                break
            log.progress(Progress(have, total, "bytes"))
    return have
