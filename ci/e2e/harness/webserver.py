# SPDX-License-Identifier: MIT
"""A mirror served over HTTP on the loopback interface, with the faults a test asks for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BLOCK = 1 << 18


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request: another status, or the connection ends or stands still after `sent` bytes."""

    status: int = 200
    sent: int | None = None
    stall: bool = False
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Web:
    """`faults`: end of a path -> what goes wrong with its next requests; then all is well again. `log`: (path, Range,
    status) of each request; `stalled` is set while a request stands still."""

    top: Path
    url: str = ""
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    log: list[tuple[str, str | None, int]] = field(default_factory=list)
    stalled: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def fault(self, path: str) -> Fault | None:
        for end, faults in self.faults.items():
            if path.endswith(end) and faults:
                return faults.pop(0)
        return None

    def of(self, end: str) -> list[tuple[str | None, int]]:
        """(Range, status) of the requests for files with this end."""
        return [(asked, status) for path, asked, status in self.log if path.endswith(end)]


class _Handler(BaseHTTPRequestHandler):
    web: Web

    def do_GET(self) -> None:
        path = self.path.lstrip("/")
        file, fault, asked = self.web.top / path, self.web.fault(path), self.headers.get("Range")
        status = fault.status if fault and fault.status != 200 else 200 if file.is_file() else 404
        size = file.stat().st_size if status == 200 else 0
        tag = f'"{size}-{file.stat().st_mtime_ns}"' if status == 200 else ""
        start = 0
        if status == 200 and asked and self.headers.get("If-Range") in {tag, None}:
            start, status = int(asked.removeprefix("bytes=").removesuffix("-")), 206
        self.web.log.append((path, asked, status))
        self.send_response(status)
        for name, value in (fault.headers if fault else {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(size - start))
        if tag:
            self.send_header("ETag", tag)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.end_headers()
        if size:
            self.send(file, start, fault)

    def send(self, file: Path, start: int, fault: Fault | None) -> None:
        left = fault.sent if fault and fault.sent is not None else file.stat().st_size
        with file.open("rb") as source:
            source.seek(start)
            while left > 0 and (block := source.read(min(BLOCK, left))):
                try:
                    self.wfile.write(block)
                except OSError:
                    return  # the client went away
                left -= len(block)
        if fault and fault.stall:
            self.web.stalled.set()
            self.web.ended.wait(60)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve(top: Path) -> Iterator[Web]:
    """The server on a free port."""
    web = Web(top)
    http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"web": web}))
    thread = threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    web.url = f"http://127.0.0.1:{http.server_address[1]}"
    try:
        yield web
    finally:
        web.ended.set()
        http.shutdown()
        http.server_close()
        thread.join()
