# SPDX-License-Identifier: MIT
"""get-github-download-url and get-rpm-download-url, against real servers on loopback."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from conftest import PROGS
from web_server import Document, Site, answer, serve

RELEASE = {
    "tarball_url": "https://api.example/tar", "zipball_url": "https://api.example/zip",
    "assets": [{"name": f"tool-{arch}.tar.gz", "browser_download_url": f"https://example/{arch}"}
               for arch in ("x86_64", "aarch64", "x86_64-musl")]}
LATEST = "/repos/someone/tool/releases/latest"


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as site:
        yield site


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*argv: str) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, str(PROGS / "bin" / argv[0]), "--cachedir", str(tmp_path / "cache"), *argv[1:]]
        done = subprocess.run(program, capture_output=True, text=True, check=False,
                              env={**os.environ, "no_proxy": "*"})
        assert "Traceback" not in done.stderr
        assert done.returncode == 0 or done.stdout == ""
        return done
    return run


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize(("pattern", "url"), [
    ([r"tool-x86_64\.tar\.gz$"], "https://example/x86_64\n"),
    (["tool-x86"], "https://example/x86_64\n"),  # the first of several
    ([r".*musl\.tar\.gz$"], "https://example/x86_64-musl\n"),
    (["@tarball"], "https://api.example/tar\n"),
    (["@zipball"], "https://api.example/zip\n"),
    ([], "@tarball\n@zipball\ntool-x86_64.tar.gz\ntool-aarch64.tar.gz\ntool-x86_64-musl.tar.gz\n"),
])
def test_github(site: Site, run: Run, pattern: list[str], url: str) -> None:
    site.pages[LATEST] = Document(json.dumps(RELEASE).encode(), {"ETag": '"1"'})
    done = run("get-github-download-url", "--api-url", site.url, "someone", "tool", *pattern)
    assert (done.returncode, done.stdout, done.stderr) == (0, url, "")


def test_github_says_what_it_asks(site: Site, run: Run) -> None:
    site.pages[LATEST] = Document(json.dumps(RELEASE).encode(), {"ETag": '"1"'})
    words = ["get-github-download-url", "--debug", "--api-url", f"{site.url}/", "someone", "tool", "@tarball"]
    assert run(*words).stderr == f"GET {site.url}{LATEST}\n"
    assert run(*words).stderr == f'GET {site.url}{LATEST}, If-None-Match: "1"\n'


@pytest.mark.parametrize(("pattern", "status", "error"), [
    ("windows", 1, "the latest release of someone/tool has nothing that matches 'windows'"),
    ("x86", 1, "nothing that matches 'x86'"),  # a match begins at the name's beginning
    ("@tar", 1, "nothing that matches '@tar'"),
    ("(", 2, "'(' is not a regular expression"),
])
def test_github_has_no_such_file(site: Site, run: Run, pattern: str, status: int, error: str) -> None:
    site.pages[LATEST] = Document(json.dumps(RELEASE).encode(), {})
    done = run("get-github-download-url", "--api-url", site.url, "someone", "tool", pattern)
    assert done.returncode == status
    assert error in done.stderr


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"assets": 3}', b'{"assets": [3]}', b"\xff"])
def test_github_that_answers_something_else(site: Site, run: Run, body: bytes) -> None:
    site.pages[LATEST] = Document(body, {})
    done = run("get-github-download-url", "--api-url", site.url, "someone", "tool")
    assert done.returncode == 1
    assert f"error: {site.url}{LATEST}: the answer is not a release" in done.stderr


def test_github_without_the_project_or_with_a_limit(site: Site, run: Run) -> None:
    words = ["get-github-download-url", "--api-url", site.url, "someone", "tool", "x"]
    assert "404 Not Found" in run(*words).stderr
    site.pages[LATEST] = lambda page: answer(page, 403, b"{}")
    done = run(*words)
    assert done.returncode == 1 and "403 Forbidden\ntip: the server may limit" in done.stderr
    assert "404" in run("get-github-download-url", "--api-url", site.url, "../x", "tool").stderr
    assert site.asked[-1][0] == "/repos/..%2Fx/tool/releases/latest"


def primary(*rows: tuple[str, str, int, str]) -> bytes:
    return ('<?xml version="1.0"?><metadata xmlns="http://linux.duke.edu/metadata/common" '
            'xmlns:rpm="http://linux.duke.edu/metadata/rpm">' + "".join(
                f'<package type="rpm"><name>{name}</name><arch>{arch}</arch><time file="{time}" build="1"/>'
                f'<location href="{href}"/><format><rpm:provides/></format></package>'
                for name, arch, time, href in rows) + "</metadata>").encode()


PRIMARY = primary(("php", "x86_64", 5, "p/php-1.rpm"), ("php", "x86_64", 9, "p/php-2.rpm"),
                  ("php", "aarch64", 11, "p/php-3.rpm"), ("php", "src", 12, "p/php.src.rpm"),
                  ("php-common", "x86_64", 20, "p/php-common.rpm"), ("data", "noarch", 1, "d/data.rpm"))


def publish(site: Site, name: str, data: bytes, *, kind: str = "sha256", digest: str | None = None) -> None:
    """Serve a repository whose list of packages is that file."""
    digest = digest or hashlib.new(kind, data).hexdigest()
    index = ('<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision>'
             '<data type="filelists"><location href="repodata/none"/></data>'
             f'<data type="primary"><checksum type="{kind}">{digest}</checksum>'
             f'<location href="repodata/{name}"/></data></repomd>').encode()
    site.pages["/el/9/repodata/repomd.xml"] = Document(index, {"ETag": f'"{digest}"'})
    site.pages[f"/el/9/repodata/{name}"] = Document(data, {"ETag": '"1"'})


def zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-cq"], input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize(("name", "pack"), [
    ("a-primary.xml.gz", gzip.compress), ("primary.xml.xz", lzma.compress), ("primary.xml.bz2", bz2.compress),
    ("primary.xml.zst", zstd), ("primary.xml", bytes)])
def test_rpm(site: Site, run: Run, name: str, pack: Callable[[bytes], bytes]) -> None:
    publish(site, name, pack(PRIMARY))
    for repository in (f"{site.url}/el/9", f"{site.url}/el/9/"):
        done = run("get-rpm-download-url", repository, "php", "--arch", "x86_64")
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{site.url}/el/9/p/php-2.rpm\n", "")
    assert run("get-rpm-download-url", f"{site.url}/el/9", "php", "--arch=aarch64").stdout.endswith("/p/php-3.rpm\n")
    assert run("get-rpm-download-url", f"{site.url}/el/9", "data").stdout == f"{site.url}/el/9/d/data.rpm\n"


def test_rpm_asks_again_after_the_time_given(site: Site, run: Run) -> None:
    publish(site, "primary.xml.gz", gzip.compress(PRIMARY))
    words = ["get-rpm-download-url", "--debug", f"{site.url}/el/9", "php", "--arch", "x86_64"]
    assert run(*words).stderr.count("GET ") == 2
    assert run(*words).stderr == ""
    publish(site, "primary.xml.gz", gzip.compress(primary(("php", "x86_64", 9, "p/php-9.rpm"))))
    assert run(*words).stdout.endswith("/php-2.rpm\n")
    done = run(*words, "--ttl", "0")
    assert done.stdout.endswith("/php-9.rpm\n") and done.stderr.count("GET ") == 2
    count = len(site.asked)
    assert run(*words, "--ttl", "0").stderr.count("GET ") == 1  # the list is kept: its SHA-256 is the same
    assert len(site.asked) == count + 1


def test_rpm_that_is_not_there(site: Site, run: Run) -> None:
    publish(site, "primary.xml.gz", gzip.compress(PRIMARY))
    done = run("get-rpm-download-url", f"{site.url}/el/9", "php", "--arch", "riscv64")
    assert done.returncode == 1
    assert done.stderr == (f"get-rpm-download-url: error: {site.url}/el/9/ has no package php for riscv64\n"
                           "tip: it has it for aarch64, src, x86_64\n")
    assert "has no package ph for" in run("get-rpm-download-url", f"{site.url}/el/9", "ph").stderr
    assert "404 Not Found" in run("get-rpm-download-url", f"{site.url}/el/8", "php").stderr
    assert run("get-rpm-download-url", f"{site.url}/el/9", "php", "--ttl", "x").returncode == 2


@pytest.mark.parametrize(("name", "data", "options", "error"), [
    ("primary.xml.gz", gzip.compress(PRIMARY), {"digest": "0" * 64}, "its SHA-256 is "),
    ("primary.xml.gz", gzip.compress(PRIMARY), {"kind": "sha512", "digest": "0"}, "its sha512 is not"),
    ("primary.xml.gz", gzip.compress(PRIMARY), {"kind": "md5"}, "unknown kind of checksum 'md5'"),
    ("primary.xml.gz", gzip.compress(PRIMARY)[:50], {}, "cannot be unpacked"),
    ("primary.xml.xz", lzma.compress(PRIMARY)[:50], {}, "cannot be unpacked"),
    ("primary.xml.zst", b"xx", {}, "cannot be unpacked: zstd exited with status 1"),
    ("primary.xml.Z", PRIMARY, {}, "compressed in a way that is not known"),
    ("primary.xml", PRIMARY[:-20], {}, "not a list of packages"),
    ("primary.xml", PRIMARY.replace(b"arch>", b"arc>"), {}, "not a list of packages: a package without arch"),
], ids=["sha256", "sha512", "md5", "gz", "xz", "zst", "Z", "cut", "arch"])
def test_rpm_repositories_with_faults(
        site: Site, run: Run, name: str, data: bytes, options: dict[str, str], error: str) -> None:
    publish(site, name, data, **options)
    done = run("get-rpm-download-url", f"{site.url}/el/9", "php", "--arch", "x86_64")
    assert done.returncode == 1 and error in done.stderr


def test_rpm_with_another_checksum(site: Site, run: Run) -> None:
    publish(site, "primary.xml", PRIMARY, kind="sha512")
    assert run("get-rpm-download-url", f"{site.url}/el/9", "php", "--arch", "x86_64").returncode == 0


@pytest.mark.parametrize("body", [b"<html>", b"<repomd/>", b""])
def test_rpm_index_that_is_none(site: Site, run: Run, body: bytes) -> None:
    def page(request: BaseHTTPRequestHandler) -> None:
        answer(request, 200, body)

    site.pages["/el/9/repodata/repomd.xml"] = page
    done = run("get-rpm-download-url", f"{site.url}/el/9", "php")
    assert done.returncode == 1 and "tip: is that the URL of an RPM repository?" in done.stderr
