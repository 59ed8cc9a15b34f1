# SPDX-License-Identifier: MIT
"""Images from a web server that breaks connections, has parts or not, and serves what it should not."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from genpack_install import download
from genpack_install.errors import ImageError, InstallError
from genpack_install.log import Log

CONTENT = os.urandom(300_000)


class Server(ThreadingHTTPServer):
    """`files` by path; `cut`: bytes after which a connection is closed, once each; `parts`: answers Range."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.cut: list[int] = []
        self.parts = True
        self.ranges: list[str | None] = []

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/x/{name}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        name = self.path.rsplit("/", 1)[1]
        if name not in self.server.files:
            self.send_error(404)
            return
        data, asked = self.server.files[name], self.headers.get("Range")
        if name.endswith(".squashfs"):
            self.server.ranges.append(asked)
        if asked and self.server.parts:
            data = data[int(asked.removeprefix("bytes=").rstrip("-")) :]
            self.send_response(206)
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if name.endswith(".squashfs") and self.server.cut:
            data = data[: self.server.cut.pop(0)]
        self.wfile.write(data)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    made.files["i.squashfs"] = CONTENT
    made.files["SHA256SUMS"] = f"{hashlib.sha256(CONTENT).hexdigest()}  i.squashfs\n".encode()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def get(server: Server, cache: Path, *, signed: bool = False) -> tuple[bytes, bytes | None]:
    with download.fetched(server.url("i.squashfs"), Log(), signed=signed, cache=cache) as (path, seal):
        return path.read_bytes(), seal.read_bytes() if seal else None


def test_whole_and_nothing_stays(server: Server, tmp_path: Path) -> None:
    server.files["i.squashfs.sig"] = b"seal"
    assert get(server, tmp_path, signed=True) == (CONTENT, b"seal")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("parts", [True, False])
def test_a_broken_connection_is_taken_up_again(server: Server, tmp_path: Path, parts: bool) -> None:
    server.cut, server.parts = [1000, 5000], parts
    assert get(server, tmp_path) == (CONTENT, None)
    assert server.ranges == [None, "bytes=1000-", "bytes=6000-" if parts else "bytes=5000-"]


def test_the_next_run_goes_on(server: Server, tmp_path: Path) -> None:
    server.cut = [1000] * 5
    with pytest.raises(InstallError, match="closed early") as caught:
        get(server, tmp_path)
    assert caught.value.tip is not None and "goes on where it was" in caught.value.tip
    (kept,) = tmp_path.iterdir()
    assert kept.read_bytes() == CONTENT[:5000]
    server.ranges.clear()
    assert get(server, tmp_path)[0] == CONTENT
    assert server.ranges == ["bytes=5000-"]


def test_what_is_not_what_the_sums_say_is_not_kept(server: Server, tmp_path: Path) -> None:
    server.files["i.squashfs"] = b"x" + CONTENT
    with pytest.raises(ImageError, match="is not what SHA256SUMS says"):
        get(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_missing_is_said(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InstallError, match=r"cannot get .*\.sig"):
        get(server, tmp_path, signed=True)
    server.files["SHA256SUMS"] = b"\n"
    with pytest.raises(ImageError, match=r"has no line for i\.squashfs"):
        get(server, tmp_path)
    del server.files["SHA256SUMS"]
    with pytest.raises(InstallError, match=r"cannot get .*SHA256SUMS"):
        get(server, tmp_path)
    server.files["SHA256SUMS"] = f"{'0' * 64} *i.squashfs\n".encode()
    del server.files["i.squashfs"]
    with pytest.raises(InstallError, match="the server says 404"):
        get(server, tmp_path)


def test_urls() -> None:
    assert download.is_url("https://x/y") and download.is_url("http://x/y") and not download.is_url("http.squashfs")
    assert download._beside("http://h/a/b.squashfs?x=1", "SHA256SUMS") == "http://h/a/SHA256SUMS?x=1"
