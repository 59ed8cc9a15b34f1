# SPDX-License-Identifier: MIT
"""The small programs that packages of this repository bring into an image, run as they are."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import PACKAGE, Fake

KEY = "GBbnl4V1aFSlLE9GcFJFTdfSHtLPSWMU7BOPwvvMh2A="


def program(package: str) -> Path:
    return PACKAGE / package / "files" / f"{package.rpartition('/')[2]}.py"


def run(package: str, *argv: object, given: str = "") -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(program(package)), *map(str, argv)]
    return subprocess.run(words, input=given, capture_output=True, text=True, check=False)


PROGRAMS = ["net-misc/sock-forward", "net-wireless/wpa_supplicant_any80211", "net-vpn/wg-genconf",
            "net-im/slack-send-message", "app-crypt/private-ca-tool"]


@pytest.mark.parametrize("package", PROGRAMS)
def test_help(package: str) -> None:
    done = run(package, "--help")
    assert done.returncode == 0 and done.stdout.startswith(f"usage: {package.rpartition('/')[2]} ")


# sock-forward


def test_sock_forward_becomes_socat(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    made = runpy.run_path(str(program("net-misc/sock-forward")))
    assert made["arguments"]("8080", "127.0.0.1", 7) == [
        "socat", "TCP-LISTEN:8080,bind=127.0.0.1,fork,reuseaddr", "VSOCK-CONNECT:2:7"]
    assert made["arguments"]("80:3", "0.0.0.0", 7)[2] == "VSOCK-CONNECT:2:10"


@pytest.mark.parametrize("bad", ["0", "65536", "http", "80:", "80:x", ""])
def test_sock_forward_refuses(bad: str) -> None:
    made = runpy.run_path(str(program("net-misc/sock-forward")))
    with pytest.raises(SystemExit, match=r"sock-forward: error: .* is wanted"):
        made["arguments"](bad, "127.0.0.1", 7)


# wpa_supplicant_any80211


def test_first_wireless_interface(tmp_path: Path) -> None:
    first = runpy.run_path(str(program("net-wireless/wpa_supplicant_any80211")))["first_wireless"]
    (tmp_path / "eth0").mkdir()
    assert first(tmp_path) is None
    for name in ("wlp3s0", "wlan1"):
        (tmp_path / name / "phy80211").mkdir(parents=True)
    assert first(tmp_path) == "wlan1"


def test_wpa_supplicant_without_a_configuration(tmp_path: Path) -> None:
    done = run("net-wireless/wpa_supplicant_any80211", tmp_path / "none.conf")
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "there is no file" in done.stderr


# wg-genconf


def test_wg_genconf(fake: Fake) -> None:
    calls = fake("wg", 'case $1 in genkey) echo NEW ;; pubkey) printf "public of %s" "$(cat)" ;; esac')
    done = run("net-vpn/wg-genconf", "--address", "10.0.0.2/24,fd00::2/64", "--peer-pubkey", KEY,
               "--endpoint", "[::1]:51820")
    assert done.stdout.splitlines() == [
        "[Interface]", "Address = 10.0.0.2/24, fd00::2/64", "PrivateKey = NEW", "#PublicKey = public of NEW",
        "#MTU = 1420", "", "[Peer]", f"PublicKey = {KEY}", "#AllowedIPs = ", "Endpoint = [::1]:51820",
        "#PersistentKeepalive = 25"]
    assert calls.read_text().split() == ["genkey", "pubkey"]


def test_wg_genconf_says_what_wg_said(fake: Fake) -> None:
    fake("wg", "echo no entropy >&2; exit 1")
    done = run("net-vpn/wg-genconf")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "wg-genconf: error: wg genkey: no entropy\n")


@pytest.mark.parametrize("bad", [("--address", "10.0.0.300/8"), ("--privkey", "short"), ("--endpoint", "host"),
                                 ("--endpoint", "fd00::1:51820"), ("--mtu", "12"), ("--persistent-keepalive", "x")])
def test_wg_genconf_refuses(bad: tuple[str, str], fake: Fake) -> None:
    calls = fake("wg", "echo KEY")
    done = run("net-vpn/wg-genconf", *bad)
    assert done.returncode == 2 and f"argument {bad[0]}: " in done.stderr and not calls.exists()


# slack-send-message


class Slack(BaseHTTPRequestHandler):
    """A server of Slack's form that keeps what it got."""

    got: list[tuple[str, str | None, Any]] = []  # noqa: RUF012 (emptied by the fixture)
    answer: tuple[int, bytes] = (200, b'{"ok": true}')

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.got.append((self.path, self.headers["Authorization"], body))
        self.send_response(self.answer[0])
        self.end_headers()
        self.wfile.write(self.answer[1])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def slack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, ...]]:
    """Options for the program to talk to a server of ours."""
    monkeypatch.setattr(Slack, "got", [])
    monkeypatch.setenv("no_proxy", "*")
    token = tmp_path / "token"
    token.write_text("xoxb-1\n")
    with HTTPServer(("127.0.0.1", 0), Slack) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield ("--bot-token-file", str(token), "--api", f"http://127.0.0.1:{server.server_port}/api")
        server.shutdown()
        thread.join()


def test_slack_message(slack: tuple[str, ...]) -> None:
    assert run("net-im/slack-send-message", *slack, "#a", "hi *you*").returncode == 0
    assert run("net-im/slack-send-message", *slack, "--plaintext", "#b", given="from stdin\n").returncode == 0
    assert Slack.got == [
        ("/api/chat.postMessage", "Bearer xoxb-1", {"channel": "#a", "text": "hi *you*", "mrkdwn": True}),
        ("/api/chat.postMessage", "Bearer xoxb-1", {"channel": "#b", "text": "from stdin", "mrkdwn": False})]


@pytest.mark.parametrize(("answer", "said"), [
    ((200, b'{"ok": false, "error": "channel_not_found"}'), "Slack refused the message: channel_not_found"),
    ((500, b""), "answered 500"), ((200, b"<html>"), "Expecting value"), ((200, b"[]"), "Slack refused the message"),
])
def test_slack_refusals(slack: tuple[str, ...], answer: tuple[int, bytes], said: str,
                        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Slack, "answer", answer)
    done = run("net-im/slack-send-message", *slack, "#a", "hi")
    assert done.returncode == 1 and said in done.stderr and done.stderr.count("\n") == 1
    assert "xoxb" not in done.stderr


def test_slack_bad_input(slack: tuple[str, ...], tmp_path: Path) -> None:
    for words, said in ((("#a", " "), None), (("#a",), "the message is empty")):
        done = run("net-im/slack-send-message", *slack, *words)
        assert (done.returncode == 0) == (said is None) and (said or "") in done.stderr
    done = run("net-im/slack-send-message", "--bot-token-file", tmp_path / "none", "#a", "hi")
    assert done.returncode == 1 and "none: No such file or directory; put the bot's token there" in done.stderr


# private-ca-tool


def openssl(*argv: object) -> str:
    return subprocess.run(["openssl", *map(str, argv)], capture_output=True, text=True, check=True).stdout


def test_a_certificate_of_the_authority(tmp_path: Path) -> None:
    ca = ("--ca-key", tmp_path / "ca.key", "--ca-cert", tmp_path / "ca.crt")
    assert run("app-crypt/private-ca-tool", "create", *ca, "--name", "Home").returncode == 0
    server = ("--server-key", tmp_path / "s.key", "--server-cert", tmp_path / "s.crt")
    done = run("app-crypt/private-ca-tool", "generate-server-cert", "box", *ca, *server,
               "--alt-names", "DNS:box,IP:192.0.2.1")
    assert done.returncode == 0, done.stderr
    assert "OK" in openssl("verify", "-purpose", "sslserver", "-CAfile", tmp_path / "ca.crt", tmp_path / "s.crt")
    shown = openssl("x509", "-in", tmp_path / "s.crt", "-noout", "-issuer", "-ext", "subjectAltName")
    assert "CN = Home" in shown and "DNS:box, IP Address:192.0.2.1" in shown
    public = openssl("x509", "-in", tmp_path / "s.crt", "-noout", "-pubkey")
    assert openssl("pkey", "-in", tmp_path / "s.key", "-pubout") == public
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("ca.key", "s.key")} == {0o600}
    before = (tmp_path / "ca.crt").read_bytes()
    again = run("app-crypt/private-ca-tool", "create", *ca)
    assert again.returncode == 1 and "exists; --overwrite replaces it" in again.stderr
    assert (tmp_path / "ca.crt").read_bytes() == before
    assert run("app-crypt/private-ca-tool", "create", *ca, "--overwrite").returncode == 0
    assert (tmp_path / "ca.crt").read_bytes() != before


def test_without_an_authority(tmp_path: Path) -> None:
    files = ("--ca-key", tmp_path / "ca.key", "--ca-cert", tmp_path / "ca.crt")
    done = run("app-crypt/private-ca-tool", "generate-server-cert", "box", *files)
    assert done.returncode == 1 and "private-ca-tool create makes the authority" in done.stderr
    bad = run("app-crypt/private-ca-tool", "create", *files, "--days", "-1x")
    assert bad.returncode == 2 and not list(tmp_path.iterdir())


def test_trust_makes_the_database_and_adds_the_certificate(tmp_path: Path, fake: Fake) -> None:
    calls = fake("certutil", "")
    (tmp_path / "ca.crt").write_text("certificate")
    done = run("app-crypt/private-ca-tool", "trust", "--ca-cert", tmp_path / "ca.crt", "--nssdb-dir", tmp_path / "db")
    assert done.returncode == 0, done.stderr
    assert calls.read_text().splitlines() == [
        f"-d sql:{tmp_path}/db -N --empty-password",
        f"-d sql:{tmp_path}/db -A -t C,, -n Private CA -i {tmp_path}/ca.crt"]
