# SPDX-License-Identifier: MIT
"""download, against real servers on loopback."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from conftest import PROGS
from genpack_progs import store
from genpack_progs.errors import ProgsError
from web_server import Document, Site, answer, serve

PROGRAM = [sys.executable, str(PROGS / "bin/download")]
BODY = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(BODY).hexdigest()
VALIDATORS = [{"ETag": '"one"'}, {"Last_Modified": "Tue, 01 Jul 2025 10:00:00 GMT"}]


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as site:
        yield site


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def download(cache: Path, *argv: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run([*PROGRAM, "--cachedir", str(cache), *argv], capture_output=True, check=False,
                          env={**os.environ, "no_proxy": "*", **env})
    assert b"Traceback" not in done.stderr
    assert done.returncode == 0 or done.stdout == b""
    return done


def refused(done: subprocess.CompletedProcess[bytes], text: str, status: int = 1) -> None:
    """One error that says that, and nothing on standard output."""
    assert done.returncode == status
    errors = [line for line in done.stderr.decode().splitlines() if line.startswith("download: error: ")]
    assert len(errors) == 1 and text in errors[0], done.stderr.decode()


def kept(cache: Path) -> set[str]:
    """Suffixes of what is in the cache."""
    return {path.name[64:] for path in cache.iterdir()} - {".lock"}


@pytest.mark.parametrize("headers", VALIDATORS)
def test_the_second_time_the_server_says_304(site: Site, cache: Path, headers: dict[str, str]) -> None:
    site.pages["/f"] = document = Document(BODY, headers)
    assert download(cache, f"{site.url}/f").stdout == BODY
    assert download(cache, f"{site.url}/f").stdout == BODY
    name, value = next(iter(headers.items()))
    condition = {"ETag": "if-none-match", "Last_Modified": "if-modified-since"}[name]
    assert [condition in sent for _, sent in site.asked] == [False, True]
    document.body, document.headers = b"new", {name: value.replace("one", "two").replace("2025", "2026")}
    assert download(cache, f"{site.url}/f").stdout == b"new"
    assert kept(cache) == {"", ".json"}


def test_without_validators_it_is_fetched_each_time(site: Site, cache: Path) -> None:
    site.pages["/f"] = document = Document(BODY, {})
    assert download(cache, f"{site.url}/f").stdout == BODY
    document.body = b"new"
    assert download(cache, f"{site.url}/f").stdout == b"new"


def test_a_kept_file_with_the_sha256_needs_no_server(cache: Path) -> None:
    with serve() as site:
        site.pages["/f"] = Document(BODY, {"ETag": '"one"'})
        assert download(cache, "--sha256", SHA256.upper(), f"{site.url}/f").stdout == BODY
    assert download(cache, "--sha256", SHA256, f"{site.url}/f").stdout == BODY
    refused(download(cache, f"{site.url}/f"), "Connection refused")
    refused(download(cache, "--sha256", "0" * 64, f"{site.url}/f"), "Connection refused")


def test_a_wrong_sha256_leaves_nothing_and_harms_nothing(site: Site, cache: Path) -> None:
    site.pages["/f"] = document = Document(b"bad", {"ETag": '"bad"'})
    refused(download(cache, "--sha256", SHA256, f"{site.url}/f"),
            f"its SHA-256 is {hashlib.sha256(b'bad').hexdigest()}, not {SHA256}")
    assert kept(cache) == set()
    document.body, document.headers = BODY, {"ETag": '"one"'}
    assert download(cache, "--sha256", SHA256, f"{site.url}/f").stdout == BODY
    refused(download(cache, "--sha256", "0" * 64, f"{site.url}/f"), "its SHA-256 is")
    count = len(site.asked)
    assert download(cache, "--sha256", SHA256, f"{site.url}/f").stdout == BODY
    assert len(site.asked) == count  # the good one is kept still


def test_a_damaged_cache_is_fetched_anew(site: Site, cache: Path) -> None:
    site.pages["/f"] = Document(BODY, {"ETag": '"one"'})
    download(cache, f"{site.url}/f")
    content = next(path for path in cache.iterdir() if len(path.name) == 64)
    content.write_bytes(BODY[:-1] + b"x")
    assert download(cache, f"{site.url}/f").stdout == BODY
    (cache / f"{content.name}.json").write_text("{")
    assert download(cache, f"{site.url}/f").stdout == BODY
    assert [("if-none-match" in sent) for _, sent in site.asked] == [False, False, False]


@pytest.mark.parametrize("headers", VALIDATORS)
def test_cut_connections_are_resumed(site: Site, cache: Path, headers: dict[str, str]) -> None:
    site.pages["/f"] = Document(BODY, headers, cuts=[100_000, 200_000])
    done = download(cache, "--sha256", SHA256, f"{site.url}/f")
    assert done.stdout == BODY
    assert [sent.get("range") for _, sent in site.asked] == [None, "bytes=100000-", "bytes=300000-"]
    assert f"cut off after 100000 of {len(BODY)} bytes".encode() in done.stderr


def test_the_next_run_goes_on_where_one_gave_up(site: Site, cache: Path) -> None:
    site.pages["/f"] = Document(BODY, {"ETag": '"one"'}, cuts=[10_000] * 5)
    refused(download(cache, f"{site.url}/f"), "no complete answer in 5 attempts")
    assert kept(cache) == {".part", ".part.json"}
    assert download(cache, f"{site.url}/f").stdout == BODY
    assert site.asked[-1][1]["range"] == "bytes=50000-"
    assert kept(cache) == {"", ".json"}


def test_a_content_that_changed_in_between_is_not_mixed(site: Site, cache: Path) -> None:
    site.pages["/f"] = document = Document(BODY, {"ETag": '"one"'}, cuts=[10_000] * 5)
    download(cache, f"{site.url}/f")
    document.body, document.headers = BODY[::-1], {"ETag": '"two"'}
    assert download(cache, f"{site.url}/f").stdout == BODY[::-1]
    assert site.asked[-1][1]["if-range"] == '"one"'


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"weak"'}])
def test_nothing_is_resumed_without_an_exact_validator(site: Site, cache: Path, headers: dict[str, str]) -> None:
    site.pages["/f"] = Document(BODY, headers, cuts=[10_000])
    assert download(cache, f"{site.url}/f").stdout == BODY
    assert [sent.get("range") for _, sent in site.asked] == [None, None]


def test_a_part_of_all_bytes_or_more_begins_anew(site: Site, cache: Path) -> None:
    site.pages["/f"] = document = Document(BODY, {"ETag": '"one"'}, cuts=[10_000] * 5)
    download(cache, f"{site.url}/f")
    document.body = b"short"  # with the same ETag: the server answers 416
    assert download(cache, f"{site.url}/f").stdout == b"short"


def test_a_server_that_sends_another_range_is_not_believed(site: Site, cache: Path) -> None:
    site.pages["/f"] = document = Document(BODY, {"ETag": '"one"'}, cuts=[10_000])

    def wrong(page: BaseHTTPRequestHandler) -> None:
        if page.headers["Range"]:
            answer(page, 206, BODY[5:], Content_Range=f"bytes 5-{len(BODY) - 1}/{len(BODY)}", ETag='"one"')
        else:
            document(page)

    site.pages["/f"] = wrong
    assert download(cache, f"{site.url}/f").stdout == BODY


def test_a_chunked_answer_that_is_cut_off_is_no_content(site: Site, cache: Path) -> None:
    def chunks(page: BaseHTTPRequestHandler) -> None:
        page.send_response(200)
        page.send_header("Transfer-Encoding", "chunked")
        page.end_headers()
        page.wfile.write(b"5\r\nhello\r\n" + (b"0\r\n\r\n" if len(site.asked) == 3 else b""))

    site.pages["/f"] = chunks
    assert download(cache, f"{site.url}/f").stdout == b"hello"
    assert len(site.asked) == 3


@pytest.mark.parametrize(("status", "text"), [(404, "404 Not Found"), (503, "503 Service Unavailable"),
                                              (304, "no complete answer"), (416, "no complete answer")])
def test_errors_of_the_server_never_become_content(site: Site, cache: Path, status: int, text: str) -> None:
    site.pages["/f"] = lambda page: answer(page, status, b"" if status == 304 else b"an error page")
    refused(download(cache, f"{site.url}/f"), text)
    assert kept(cache) == set()
    site.pages["/f"] = Document(BODY, {"ETag": '"one"'})
    assert download(cache, f"{site.url}/f").stdout == BODY
    site.pages["/f"] = lambda page: answer(page, 404)
    refused(download(cache, f"{site.url}/f"), "404 Not Found")  # nor is what is kept given in its place
    assert kept(cache) == {"", ".json"}


def test_redirects(site: Site, cache: Path) -> None:
    site.pages["/f"] = Document(BODY, {"ETag": '"one"'}, cuts=[1000])
    site.pages["/a"] = lambda page: answer(page, 302, Location="/b")
    site.pages["/b"] = lambda page: answer(page, 308, Location=f"{site.url}/f")
    assert download(cache, f"{site.url}/a").stdout == BODY
    site.pages["/loop"] = lambda page: answer(page, 302, Location="/loop")
    refused(download(cache, f"{site.url}/loop"), "infinite loop")
    site.pages["/file"] = lambda page: answer(page, 302, Location="file:///etc/passwd")
    refused(download(cache, f"{site.url}/file"), "not allowed")
    site.pages["/ftp"] = lambda page: answer(page, 302, Location="ftp://localhost/x")
    refused(download(cache, f"{site.url}/ftp"), "redirects from http to ftp://localhost/x, which is refused")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of "localhost", with its key, that its own maker signed."""
    path = tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
         "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(path), "-out",
         str(tmp_path / "public.pem")], check=True, capture_output=True)
    path.write_text(path.read_text() + (tmp_path / "public.pem").read_text())
    return path


def test_https(site: Site, cache: Path, certificate: Path) -> None:
    trust = {"SSL_CERT_FILE": str(certificate.with_name("public.pem"))}
    with serve(certificate) as safe:
        safe.pages["/f"] = site.pages["/f"] = Document(BODY, {"ETag": '"one"'})
        assert download(cache, f"{safe.url}/f", **trust).stdout == BODY
        site.pages["/up"] = lambda page: answer(page, 302, Location=f"{safe.url}/f")
        assert download(cache, f"{site.url}/up", **trust).stdout == BODY
        safe.pages["/down"] = lambda page: answer(page, 302, Location=f"{site.url}/f")
        refused(download(cache, f"{safe.url}/down", **trust), f"redirects from https to {site.url}/f, which is refused")
        assert [path for path, _ in site.asked] == ["/up"]
        refused(download(cache, f"{safe.url}/f"), "the server's certificate is not accepted: self-signed certificate")


def test_a_server_that_is_no_http_server(cache: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/f"
        program = subprocess.Popen([*PROGRAM, "--cachedir", str(cache), url], stderr=subprocess.PIPE, text=True,
                                   env={**os.environ, "no_proxy": "*"})
        client, _ = server.accept()
        client.recv(1000)
        client.sendall(b"220 mail\r\n")
        client.close()
        _, said = program.communicate()
    assert program.returncode == 1 and said.startswith(f"download: error: {url}: ") and "Traceback" not in said


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://localhost/x", "/etc/passwd", "http://", "http://[::1/x",
                                 "http://localhost/a b", "http://localhost/é"])
def test_what_is_no_url(cache: Path, url: str) -> None:
    refused(download(cache, url), "is not a URL", 2)


def test_bad_usage(cache: Path, tmp_path: Path) -> None:
    assert download(cache, "--sha256", "abc", "http://localhost/").returncode == 2
    (tmp_path / "file").touch()
    refused(download(tmp_path / "file/cache", "http://localhost/"), "Not a directory")


def test_a_reader_that_goes_away(site: Site, cache: Path) -> None:
    site.pages["/f"] = Document(BODY, {"ETag": '"one"'})
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*PROGRAM, "--cachedir", str(cache), f"{site.url}/f"], stdout=writer, stderr=subprocess.PIPE,
                          check=False, text=True, env={**os.environ, "no_proxy": "*"})
    os.close(writer)
    assert (done.returncode, done.stderr) == (
        1, "download: error: cannot write to standard output: Broken pipe\n")


def test_two_at_once_fetch_it_once(site: Site, cache: Path) -> None:
    site.pages["/f"] = Document(BODY, {"ETag": '"one"'})
    programs = [subprocess.Popen([*PROGRAM, "--cachedir", str(cache), "--sha256", SHA256, f"{site.url}/f"],
                                 stdout=subprocess.PIPE, env={**os.environ, "no_proxy": "*"}) for _ in range(3)]
    assert [program.communicate()[0] == BODY for program in programs] == [True] * 3
    assert len(site.asked) == 1


def test_the_default_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "PLACE", str(tmp_path))
    assert store.default_folder() == str(tmp_path)
    monkeypatch.setattr(store, "PLACE", str(tmp_path / "absent"))
    monkeypatch.setattr(store, "TEMPORARY", str(tmp_path))
    own = tmp_path / f"download-{os.geteuid()}"
    assert store.default_folder() == str(own) and own.stat().st_mode & 0o777 == 0o700
    own.chmod(0o777)
    with pytest.raises(ProgsError, match="is not a folder that only you can write"):
        store.default_folder()
    own.rmdir()
    own.symlink_to(tmp_path)
    with pytest.raises(ProgsError, match="is not a folder that only you can write"):
        store.default_folder()
