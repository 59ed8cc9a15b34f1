#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Send a message to a Slack channel."""

import argparse
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path

API = "https://slack.com/api"
TOKEN_FILE = Path("/etc/slack/bot-token")
TIMEOUT = 30.0  # seconds


def fail(text: str):
    """End with one line."""
    sys.exit(f"slack-send-message: error: {text}")


def read_token(path: Path) -> str:
    """The bot's token: one line."""
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as e:
        fail(f"{path}: {getattr(e, 'strerror', None) or 'is not text'}; put the bot's token there, mode 0600")
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        fail(f"{path}: holds no token; one line that begins with xoxb- is wanted")
    return token


def send(api: str, token: str, message: dict[str, object]) -> None:
    """chat.postMessage of Slack's Web API, which answers 200 to refused messages too."""
    request = urllib.request.Request(
        f"{api}/chat.postMessage",
        data=json.dumps(message).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json; charset=utf-8"},
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            said = json.load(answer)
    except urllib.error.HTTPError as e:
        fail(f"{api} answered {e.code} {e.reason}")
    except (OSError, ValueError) as e:
        fail(f"{api}: {getattr(e, 'reason', e)}")
    if not isinstance(said, dict) or said.get("ok") is not True:
        fail(f"Slack refused the message: {said.get('error') if isinstance(said, dict) else said}")


def main() -> None:
    """Reads the message from the command line or from standard input."""
    parser = argparse.ArgumentParser(prog="slack-send-message", description=__doc__)
    parser.add_argument("channel", help="name or id of the channel")
    parser.add_argument("message", nargs="?", help="text (default: read from standard input)")
    parser.add_argument("--plaintext", action="store_true", help="show *, _ and ~ as they are")
    parser.add_argument("--bot-token-file", type=Path, default=TOKEN_FILE, metavar="FILE", help="default: %(default)s")
    parser.add_argument("--api", default=API, metavar="URL", help="of the Web API (default: %(default)s)")
    options = parser.parse_args()
    token = read_token(options.bot_token_file)
    text = options.message if options.message is not None else sys.stdin.read().strip()
    if not text:
        fail("the message is empty")
    send(options.api.rstrip("/"), token, {"channel": options.channel, "text": text, "mrkdwn": not options.plaintext})


if __name__ == "__main__":
    main()
