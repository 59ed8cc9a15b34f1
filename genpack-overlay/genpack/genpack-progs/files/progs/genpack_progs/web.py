# SPDX-License-Identifier: MIT
"""HTTP and HTTPS requests: certificates are checked, no redirect leads from HTTPS to anything else."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import IO, Any, NoReturn
from urllib.parse import urlsplit

from .errors import ProgsError, UsageError

#: Seconds without a byte from the server.
PATIENCE = 60

#: What cuts a transfer off that had begun.
CUT = (OSError, http.client.HTTPException)

TIPS = {
    403: "the server may limit how many requests one address makes in an hour",
    404: "check the spelling; the file may have moved",
    429: "the server limits the requests: try again later",
    503: "the server is overloaded or in maintenance: try again later",
}


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str,
                         headers: http.client.HTTPMessage, newurl: str) -> urllib.request.Request | None:
        old, new = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if new != old and new != "https":
            raise ProgsError(f"{req.full_url} redirects from {old} to {newurl}, which is refused",
                             tip="name a URL whose redirects stay on HTTPS")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def request(url: str, headers: Mapping[str, str]) -> Any:
    """Open a URL; returns the response (status, headers, read), also for 304 and 416. Raises ProgsError else."""
    try:
        parts = urlsplit(url)
    except ValueError as e:
        raise UsageError(f"{url!r} is not a URL: {e}") from e
    if parts.scheme not in {"http", "https"} or not parts.hostname or not url.isascii() or " " in url:
        raise UsageError(f"{url!r} is not a URL of HTTP or HTTPS", tip="other characters are written as %XX")
    opener = urllib.request.build_opener(_Redirects)
    sent = urllib.request.Request(url, headers={"User-Agent": "genpack-progs", **headers})
    try:
        return opener.open(sent, timeout=PATIENCE)
    except urllib.error.HTTPError as e:
        if e.code in {304, 416}:
            return e
        e.close()
        raise ProgsError(f"{url}: the server says {e.code} {e.reason}", tip=TIPS.get(e.code)) from e
    except urllib.error.URLError as e:
        _failed(url, e.reason if isinstance(e.reason, Exception) else e)
    except (*CUT, ValueError) as e:
        _failed(url, e)


def _failed(url: str, e: Exception) -> NoReturn:
    if isinstance(e, ssl.SSLCertVerificationError):
        raise ProgsError(f"{url}: the server's certificate is not accepted: {e.verify_message}",
                         tip="is the clock right, app-misc/ca-certificates installed?") from e
    text = e.strerror if isinstance(e, OSError) and e.strerror else str(e) or type(e).__name__
    raise ProgsError(f"{url}: {text}") from e
