#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Print a WireGuard client configuration for wg-quick(8). What is not given is there as a comment to be filled in."""

import argparse
import base64
import binascii
import ipaddress
import subprocess
import sys

DEFAULTS = {"MTU": "1420", "PersistentKeepalive": "25"}


def key(text: str) -> str:
    """A WireGuard key: 32 bytes in Base64."""
    try:
        if len(base64.b64decode(text, validate=True)) == 32:
            return text
    except binascii.Error:
        pass
    raise argparse.ArgumentTypeError("not a WireGuard key: 44 characters of Base64 are wanted")


def networks(text: str) -> str:
    """Addresses with prefix lengths, separated by commas."""
    try:
        return ", ".join(str(ipaddress.ip_interface(word.strip())) for word in text.split(","))
    except ValueError as e:
        raise argparse.ArgumentTypeError(str(e)) from e


def endpoint(text: str) -> str:
    """HOST:PORT, an IPv6 address in brackets."""
    host, _, port = text.rpartition(":")
    if not host or (":" in host and not host.startswith("[")) or not (port.isdecimal() and 0 < int(port) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return text


def number(low: int, high: int):
    """A type of numbers from `low` to `high`."""

    def parse(text: str) -> str:
        if not (text.isascii() and text.isdecimal() and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low} to {high}")
        return text

    return parse


def wg(command: str, given: str | None = None) -> str:
    """What `wg genkey` or `wg pubkey` prints."""
    try:
        done = subprocess.run(["wg", command], input=given, capture_output=True, text=True, check=False)
    except OSError as e:
        sys.exit(f"wg-genconf: error: wg can't be started: {e.strerror}; it belongs to wireguard-tools")
    if done.returncode != 0:
        sys.exit(f"wg-genconf: error: wg {command}: {done.stderr.strip()}")
    return done.stdout.strip()


def line(name: str, value: str | None) -> str:
    """A line of the file, as a comment without a value."""
    return f"{name} = {value}\n" if value else f"#{name} = {DEFAULTS.get(name, '')}\n"


def main() -> None:
    """Prints the configuration."""
    parser = argparse.ArgumentParser(prog="wg-genconf", description=__doc__)
    parser.add_argument("--address", type=networks, help="own addresses with prefix length, separated by commas")
    parser.add_argument("--privkey", type=key, help="own private key (default: a new one)")
    parser.add_argument("--mtu", type=number(576, 65535), help="largest packet, in bytes")
    parser.add_argument("--peer-pubkey", type=key, help="the peer's public key")
    parser.add_argument("--allowed-ips", type=networks, help="networks behind the peer, separated by commas")
    parser.add_argument("--endpoint", type=endpoint, metavar="HOST:PORT", help="where the peer is")
    parser.add_argument("--persistent-keepalive", type=number(1, 65535), metavar="SECONDS", help="between two packets")
    options = parser.parse_args()
    private = options.privkey or wg("genkey")
    sys.stdout.write(
        "[Interface]\n" + line("Address", options.address) + line("PrivateKey", private)
        + f"#PublicKey = {wg('pubkey', private)}\n" + line("MTU", options.mtu)
        + "\n[Peer]\n" + line("PublicKey", options.peer_pubkey) + line("AllowedIPs", options.allowed_ips)
        + line("Endpoint", options.endpoint) + line("PersistentKeepalive", options.persistent_keepalive)
    )


if __name__ == "__main__":
    main()
