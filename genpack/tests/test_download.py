# SPDX-License-Identifier: MIT
"""Downloads from a local server that breaks connections, lies and refuses."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest
from faulty import Faulty, Reply, serve
from genpack.errors import GenpackError, TrustError
from genpack.log import Log
from genpack.store import Store, Wanted

from genpack import download

CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OTHER = bytes(reversed(CONTENT))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Faulty]:
    monkeypatch.setattr(download, "PAUSES_SECONDS", (0, 0, 0, 0))
    (tmp_path / "served").mkdir()
    (tmp_path / "served/file").write_bytes(CONTENT)
    with serve(tmp_path / "served") as state:
        yield state


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache", Log())


def get(store: Store, server: Faulty, *, known: bool = True, size: int | None = len(CONTENT)) -> Path | None:
    """Fetches `file` as a mirror does; `known`: its SHA-256 is known beforehand."""

    def check(path: Path, where: str) -> str:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        if sha256 != SHA256:
            raise TrustError(f"{where} is not the file", tip="look elsewhere")
        return sha256

    wanted = Wanted("file", size, SHA256) if known else Wanted("file", mark="m")
    return store.fetch(f"{server.url}/file", wanted, check)


def finished(store: Store) -> list[Path]:
    """Whatever has a final name."""
    return [path for path in (store.top / "files").rglob("*") if path.is_file()]


def test_whole(server: Faulty, store: Store) -> None:
    for known in (True, False):
        path = get(store, server, known=known)
        assert path == store.top / "files" / SHA256 / "file"
        assert path.read_bytes() == CONTENT
    assert download.small(f"{server.url}/file") == CONTENT
    server.script["*"] = [Reply(500)]
    assert get(store, server) is not None  # there: nobody is asked
    assert get(store, server, known=False) is not None
    assert list((store.top / "parts").glob("*.part*")) == []


def test_a_file_that_was_changed_in_the_cache_is_fetched_again(server: Faulty, store: Store) -> None:
    path = get(store, server)
    assert path
    path.write_bytes(OTHER)
    again = get(store, server)
    assert again
    assert again.read_bytes() == CONTENT


@pytest.mark.parametrize("cuts", [(0,), (1,), (1000, 500), (len(CONTENT) - 1,), (1000, 0, 50_000)])
@pytest.mark.parametrize("known", [True, False])
def test_a_broken_download_is_continued(server: Faulty, store: Store, cuts: tuple[int, ...], known: bool) -> None:
    server.script["file"] = [*(Reply(cut=cut, tag='"a"') for cut in cuts), Reply(tag='"a"')]
    path = get(store, server, known=known)
    assert path
    assert path.read_bytes() == CONTENT
    sums = [sum(cuts[:n]) for n in range(len(cuts) + 1)]
    assert server.ranges("file") == [f"bytes={done}-" if done else None for done in sums]


def test_the_next_run_resumes(server: Faulty, store: Store) -> None:
    for reply in (Reply(cut=1000, tag='"a"'), Reply(cut=1000)):  # with and without a validator
        server.asked.clear()
        server.script["file"] = [reply, Reply(503)]
        with pytest.raises(GenpackError, match="the server says 503"):
            get(store, server)
        assert finished(store) == []
        assert [part.stat().st_size for part in (store.top / "parts").glob("*.part")] == [1000]
        server.script["file"] = [Reply(tag=reply.tag)]
        path = get(store, server)
        assert path
        assert path.read_bytes() == CONTENT
        assert server.ranges("file")[-1] == "bytes=1000-"
        path.unlink()


def test_a_changed_file_is_not_glued_to_the_old_part(server: Faulty, store: Store) -> None:
    server.script["file"] = [Reply(cut=1000, tag='"a"', body=OTHER), Reply(tag='"b"')]
    path = get(store, server)
    assert path
    assert path.read_bytes() == CONTENT
    assert server.ranges("file") == [None, "bytes=1000-"]


def test_a_server_that_continues_another_file_is_found_out(server: Faulty, store: Store) -> None:
    """It ignores If-Range: the whole is wrong, and is fetched once more from its beginning."""
    server.script["file"] = [Reply(cut=1000, tag='"a"', body=OTHER), Reply(503)]
    with pytest.raises(GenpackError):
        get(store, server)
    server.script["file"] = [Reply(tag='"b"', blind=True)]
    path = get(store, server)
    assert path
    assert path.read_bytes() == CONTENT
    assert server.ranges("file")[-2:] == ["bytes=1000-", None]


def test_a_server_that_ignores_range(server: Faulty, store: Store) -> None:
    server.script["file"] = [Reply(cut=1000, tag='"a"', ranges=False), Reply(tag='"a"', ranges=False)]
    path = get(store, server)
    assert path
    assert path.read_bytes() == CONTENT


def test_without_a_validator_and_a_known_hash_it_starts_again(server: Faulty, store: Store) -> None:
    server.script["file"] = [Reply(cut=1000), Reply()]
    assert get(store, server, known=False)
    assert server.ranges("file") == [None, None]


def test_a_part_longer_than_the_file_is_thrown_away(server: Faulty, store: Store) -> None:
    part = store.top / "parts" / f"{SHA256}.part"
    part.parent.mkdir(parents=True)
    for content in (CONTENT + b"more", CONTENT, OTHER):
        part.write_bytes(content)
        path = get(store, server)
        assert path
        assert path.read_bytes() == CONTENT
        path.unlink()
    part.write_bytes(OTHER)  # of unknown size: the server says that there is no rest
    path = get(store, server, size=None)
    assert path
    assert path.read_bytes() == CONTENT
    assert server.ranges("file")[-2:] == [f"bytes={len(CONTENT)}-", None]


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(length=5000), "the server's file is 5000 bytes long, not 102400"),
        (Reply(length=len(CONTENT) + 1), "the server's file is 102401 bytes long, not 102400"),
        (Reply(body=CONTENT + b"x"), "the server's file is 102401 bytes long, not 102400"),
        (Reply(body=OTHER), "/file is not the file"),
        (Reply(cut=10), "the connection ends before the file does: 40 of 102400 bytes"),
        (Reply(503), "the server says 503 Service Unavailable"),
        (Reply(500), "the server says 500 Internal Server Error"),
        (Reply(429), "the server says 429 Too Many Requests"),
        (Reply(403), "the server says 403 Forbidden"),
        (Reply(302, headers={"Location": "/file"}), "the server's redirects lead nowhere, at last to /file"),
        (Reply(302, headers={"Location": "file:///etc/passwd"}), "redirects lead nowhere, at last to file:///etc/passwd"),
        (Reply(302, headers={"Location": "ftp://x.invalid/x"}), "the server sends to ftp://x.invalid/x, which"),
        (Reply(503, headers={"Retry-After": "3600"}), "the server says 503 .* and to come back in 3600 s"),
    ],
)  # fmt: skip
def test_each_failure_is_told_and_leaves_nothing(server: Faulty, store: Store, reply: Reply, said: str) -> None:
    server.script["file"] = [reply]
    with pytest.raises(GenpackError, match=said) as caught:
        get(store, server)
    assert caught.value.message.startswith(server.url)
    assert "\n" not in caught.value.message
    assert caught.value.tip
    assert finished(store) == []
    server.script.clear()
    path = get(store, server)  # the next run gets it
    assert path
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("length", [5000, len(CONTENT) + 1])
def test_a_lie_about_the_length_of_a_file_of_unknown_size(server: Faulty, store: Store, length: int) -> None:
    server.script["file"] = [Reply(length=length)]
    with pytest.raises(GenpackError, match=r"is not the file|ends before the file does"):
        get(store, server, known=False)
    assert finished(store) == []


def test_a_redirect_is_followed(server: Faulty, store: Store) -> None:
    (server.top / "real").write_bytes(CONTENT)
    server.script["file"] = [Reply(302, headers={"Location": "/real"})]
    assert get(store, server)
    assert [path for path, _ in server.asked] == ["file", "real"]


@pytest.mark.parametrize("new", ["http://x.invalid/file", "ftp://x.invalid/file"])
def test_a_redirect_away_from_https_is_refused(new: str) -> None:
    import urllib.request

    handlers = vars(download._opener())["handlers"]
    handler = next(h for h in handlers if isinstance(h, urllib.request.HTTPRedirectHandler))
    request = urllib.request.Request("https://x.invalid/file")
    with pytest.raises(GenpackError, match=f"https://x.invalid/file: the server sends to {new}, which is refused"):
        handler.redirect_request(request, None, 302, "", None, new)  # type: ignore[arg-type]  # not looked at
    assert handler.redirect_request(request, None, 302, "", {}, "https://y.invalid/")  # type: ignore[arg-type]


def test_retries_stop(server: Faulty, store: Store) -> None:
    for status, tries in ((503, 4), (403, 1)):
        server.asked.clear()
        server.script["file"] = [Reply(status)]
        with pytest.raises(GenpackError):
            get(store, server)
        assert len(server.asked) == tries


def test_a_line_that_breaks_often_gets_a_large_file_in_the_end(
    server: Faulty, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "PROGRESS_BYTES", 10_000)
    server.script["file"] = [*[Reply(cut=10_000, tag='"a"')] * 10, Reply(tag='"a"')]
    assert get(store, server)
    assert len(server.asked) == 11


@pytest.mark.parametrize("header", ["1", "date"])
def test_retry_after(server: Faulty, monkeypatch: pytest.MonkeyPatch, header: str) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    after = formatdate(time.time() + 30, usegmt=True) if header == "date" else "30"
    server.script["file"] = [Reply(429, headers={"Retry-After": after}), Reply()]
    assert download.small(f"{server.url}/file") == CONTENT
    assert len(waited) == 1
    assert 28 <= waited[0] <= 30


def test_small_files(server: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    server.script["file"] = [Reply(cut=10)]
    with pytest.raises(GenpackError, match="ends before the file does: 10 of"):
        download.small(f"{server.url}/file")
    monkeypatch.setattr(download, "SMALL_BYTES", 1000)
    server.script.clear()
    with pytest.raises(GenpackError, match="which it should never be"):
        download.small(f"{server.url}/file")


def test_not_there(server: Faulty, store: Store) -> None:
    for status in (404, 410):
        server.script["file"] = [Reply(status)]
        assert get(store, server) is None
        assert download.small(f"{server.url}/file") is None


def test_nobody_listens(store: Store, server: Faulty) -> None:
    with pytest.raises(GenpackError, match="refused"):
        download.small("http://127.0.0.1:9/x")


def test_two_threads_fetch_once(server: Faulty, store: Store) -> None:
    threads = [threading.Thread(target=get, args=(store, server)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.asked) == 1


@pytest.mark.spawns
def test_two_processes_fetch_once_and_the_second_says_that_it_waits(server: Faulty, store: Store) -> None:
    code = (
        "import sys, hashlib, time\nfrom pathlib import Path\nfrom genpack.store import *\n"
        "check = lambda path, _: (time.sleep(1), hashlib.sha256(path.read_bytes()).hexdigest())[1]\n"
        "print(Store(Path(sys.argv[1]), Log()).fetch(sys.argv[2], Wanted('file', None, sys.argv[3]), check))"
    )
    argv = [sys.executable, "-c", code, str(store.top.parent), f"{server.url}/file", SHA256]
    children = [subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ends = [child.communicate(timeout=60) for child in children]
    assert [child.returncode for child in children] == [0, 0], ends
    assert [out for out, _ in ends] == [f"{store.top}/files/{SHA256}/file\n"] * 2
    assert sorted(err for _, err in ends) == ["", "note: another genpack fetches file: waiting for it\n"]
    assert len(server.asked) == 1
