# SPDX-License-Identifier: MIT
"""A local HTTP server that breaks connections, lies and refuses, as a test tells it to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass(frozen=True)
class Reply:
    """How a request is answered. `cut`: bytes sent before the connection ends; `length`: a Content-Length in place of
    the true one; `tag`: the ETag; `ranges`: whether Range is honoured; `body`: another content; `blind`: Range is
    honoured without a look at If-Range."""

    status: int = 200
    cut: int | None = None
    length: int | None = None
    tag: str = ""
    ranges: bool = True
    blind: bool = False
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


GOOD = Reply()


@dataclass
class Faulty:
    """`top` holds the files. `script`: path -> the next replies, of which the last stays; what is not named is good.
    `asked`: (path, Range header) of every request."""

    top: Path
    url: str = ""
    script: dict[str, list[Reply]] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def ranges(self, path: str) -> list[str | None]:
        return [asked for name, asked in self.asked if name == path]

    def next(self, path: str) -> Reply:
        replies = self.script.get(path) or self.script.get("*") or [GOOD]
        return replies.pop(0) if len(replies) > 1 else replies[0]


@contextmanager
def serve(top: Path) -> Iterator[Faulty]:
    """The server, on a free port of the loopback interface."""
    state = Faulty(top)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.lstrip("/")
            asked = self.headers.get("Range")
            state.asked.append((path, asked))
            reply = state.next(path)
            file = state.top / path
            status = reply.status if reply.status != 200 or reply.body is not None or file.is_file() else 404
            content = reply.body if reply.body is not None else file.read_bytes() if file.is_file() else b""
            start = 0
            fresh = self.headers.get("If-Range") == (reply.tag or None)
            if status == 200 and asked and reply.ranges and (fresh or reply.blind):
                start = int(asked.removeprefix("bytes=").removesuffix("-"))
                status = 206 if start < len(content) else 416
            body = content[start:] if status in {200, 206} else b"no"
            self.send_response(status)
            self.send_header("Content-Length", str(len(body) if reply.length is None else reply.length))
            if status == 206:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            if reply.tag:
                self.send_header("ETag", reply.tag)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: reply.cut])

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
    state.url = f"http://127.0.0.1:{http.server_address[1]}"
    try:
        yield state
    finally:
        http.shutdown()
        http.server_close()
