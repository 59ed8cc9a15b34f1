# SPDX-License-Identifier: MIT
"""A real HTTP server on loopback, with one behaviour a path, that records what it was asked."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Site:
    """A server's URL, its behaviours by path, and the requests that came (path, headers with small letters)."""

    url: str
    pages: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)


@contextmanager
def serve(certificate: Path | None = None) -> Iterator[Site]:
    """Serve until the block ends; HTTPS with a `certificate` (PEM, its key in the same file)."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.close_connection = True
            site.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            if self.path in site.pages:
                site.pages[self.path](self)
            else:
                self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    site = Site(f"http{'s' if certificate else ''}://localhost:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer(page: BaseHTTPRequestHandler, status: int, body: bytes = b"", /, *, cut: int | None = None,
           **headers: str) -> None:
    """Answer with a body; with `cut` only its first bytes, though Content-Length names all."""
    page.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        page.send_header(name.replace("_", "-"), value)
    page.end_headers()
    page.wfile.write(body[:cut])


@dataclass
class Document:
    """A document as a good server gives it: validators, 304, ranges. `cuts`: where the first answers are cut off."""

    body: bytes
    headers: dict[str, str]
    cuts: list[int] = field(default_factory=list)

    def __call__(self, page: BaseHTTPRequestHandler) -> None:
        etag, modified = self.headers.get("ETag"), self.headers.get("Last_Modified")
        cut = self.cuts.pop(0) if self.cuts else None
        if (etag and page.headers["If-None-Match"] == etag) or (
                modified and page.headers["If-Modified-Since"] == modified):
            answer(page, 304, **self.headers)
        elif page.headers["Range"] and page.headers["If-Range"] in {etag, modified}:
            start = int(page.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            if start >= len(self.body):
                answer(page, 416, Content_Range=f"bytes */{len(self.body)}")
            else:
                extent = f"bytes {start}-{len(self.body) - 1}/{len(self.body)}"
                answer(page, 206, self.body[start:], cut=cut, Content_Range=extent, **self.headers)
        else:
            answer(page, 200, self.body, cut=cut, **self.headers)
