# SPDX-License-Identifier: MIT
"""Downloads from a local server that breaks connections, lies and refuses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from genpack.errors import GenpackError
from genpack.log import Log

from genpack import download

CONTENT = bytes(range(256)) * 400


@dataclass
class Server:
    """What the next replies are: (status, bytes to send or None for all, tag). The last one stays."""

    url: str = ""
    script: list[tuple[int, int | None, str]] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    state = Server()
    monkeypatch.setattr(download, "PAUSES_SECONDS", (0, 0, 0, 0))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, count, tag = state.script.pop(0) if len(state.script) > 1 else state.script[0]
            asked = self.headers.get("Range")
            state.ranges.append(asked)
            start = 0
            if status == 200 and asked and self.headers.get("If-Range") == tag:
                start, status = int(asked.removeprefix("bytes=").removesuffix("-")), 206
            body = CONTENT[start:] if status in {200, 206} else b"no"
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if tag:
                self.send_header("ETag", tag)
            self.end_headers()
            self.wfile.write(body[:count])

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{http.server_address[1]}/file"
    yield state
    http.shutdown()
    http.server_close()


def test_whole(server: Server, tmp_path: Path) -> None:
    server.script = [(200, None, "")]
    assert download.large(server.url, tmp_path / "x/file", Log()) == tmp_path / "x/file"
    assert (tmp_path / "x/file").read_bytes() == CONTENT
    assert download.small(server.url) == CONTENT
    server.script = [(500, None, "")]
    assert download.large(server.url, tmp_path / "x/file", Log()) is not None  # there: nobody is asked


def test_a_broken_download_is_continued(server: Server, tmp_path: Path) -> None:
    server.script = [(200, 1000, '"a"'), (200, 500, '"a"'), (200, None, '"a"')]
    assert download.large(server.url, tmp_path / "file", Log())
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1000-", "bytes=1500-"]


def test_a_changed_file_is_not_glued_to_the_old_part(server: Server, tmp_path: Path) -> None:
    server.script = [(200, 1000, '"a"'), (200, None, '"b"')]
    assert download.large(server.url, tmp_path / "file", Log())
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_without_a_tag_it_starts_again(server: Server, tmp_path: Path) -> None:
    server.script = [(200, 1000, ""), (200, None, "")]
    assert download.large(server.url, tmp_path / "file", Log())
    assert server.ranges == [None, None]


def test_a_server_that_always_breaks(server: Server, tmp_path: Path) -> None:
    server.script = [(200, 10, "")]
    with pytest.raises(GenpackError, match="ends before the file does"):
        download.large(server.url, tmp_path / "file", Log())
    assert not (tmp_path / "file").exists()
    with pytest.raises(GenpackError, match=r"ends before|broke"):
        download.small(server.url)


@pytest.mark.parametrize(("status", "tries"), [(503, 4), (403, 1)])
def test_refusals(server: Server, tmp_path: Path, status: int, tries: int) -> None:
    server.script = [(status, None, "")]
    with pytest.raises(GenpackError, match=f"the server says {status}"):
        download.large(server.url, tmp_path / "file", Log())
    assert len(server.ranges) == tries


def test_not_there(server: Server, tmp_path: Path) -> None:
    server.script = [(404, None, "")]
    assert download.large(server.url, tmp_path / "file", Log()) is None
    assert download.small(server.url) is None


def test_nobody_listens(server: Server) -> None:
    with pytest.raises(GenpackError, match="refused"):
        download.small("http://127.0.0.1:9/x")


def test_two_at_once_fetch_once(server: Server, tmp_path: Path) -> None:
    server.script = [(200, None, "")]
    threads = [
        threading.Thread(target=download.large, args=(server.url, tmp_path / "file", Log())) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.ranges) == 1
