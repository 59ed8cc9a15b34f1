#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A certificate authority of one's own: make it, sign server certificates with it, let browsers of a user trust it."""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

CA_KEY = Path("/etc/ssl/private/ca.key")
CA_CERT = Path("/usr/local/share/ca-certificates/ca.crt")
NAME = "Private CA"


def fail(text: str):
    """End with one line."""
    sys.exit(f"private-ca-tool: error: {text}")


def run(*argv: object, given: bytes | None = None) -> bytes:
    """The output of a program; its failure is ours, with its last line."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(words, input=given, capture_output=True, check=False)
    except OSError as e:
        fail(f"{words[0]} can't be started: {e.strerror}")
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        fail(f"{words[0]} {words[1]} failed: {lines[-1] if lines else done.returncode}")
    return done.stdout


def replace(path: Path, content: bytes, mode: int) -> None:
    """Write `path` as a whole; a key is never readable by others, not even for a moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def new_key() -> bytes:
    """A private key, on the curve that every TLS library knows."""
    return run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")


def in_the_way(paths: list[Path], overwrite: bool) -> None:
    """An existing file is kept unless it is to be overwritten."""
    for path in paths:
        if path.exists() and not overwrite:
            fail(f"{path} exists; --overwrite replaces it")


def create(options: argparse.Namespace) -> None:
    """Make the authority's key and certificate, and let this system trust it."""
    in_the_way([options.ca_key, options.ca_cert], options.overwrite)
    key = new_key()
    certificate = run(
        "openssl", "req", "-x509", "-new", "-key", "/dev/stdin", "-days", options.days, "-subj", f"/CN={options.name}",
        "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign", given=key)
    replace(options.ca_key, key, 0o600)
    replace(options.ca_cert, certificate, 0o644)
    if options.ca_cert.is_relative_to(CA_CERT.parent):
        run("update-ca-certificates", "--fresh")


def server(options: argparse.Namespace) -> None:
    """Sign a certificate for a server."""
    for path in (options.ca_key, options.ca_cert):
        if not path.is_file():
            fail(f"there is no {path}; private-ca-tool create makes the authority")
    in_the_way([options.server_key, options.server_cert], options.overwrite)
    names = options.alt_names or f"DNS:{options.cn}"
    key = new_key()
    request = run("openssl", "req", "-new", "-key", "/dev/stdin", "-subj", f"/CN={options.cn}",
                  "-addext", f"subjectAltName={names}", given=key)
    certificate = run(
        "openssl", "x509", "-req", "-in", "/dev/stdin", "-CA", options.ca_cert, "-CAkey", options.ca_key,
        "-days", options.days, "-copy_extensions", "copy", given=request)
    replace(options.server_key, key, 0o600)
    replace(options.server_cert, certificate, 0o644)


def trust(options: argparse.Namespace) -> None:
    """Add the authority to the database that a user's browsers read."""
    if not options.ca_cert.is_file():
        fail(f"there is no {options.ca_cert}; private-ca-tool create makes the authority")
    database = f"sql:{options.nssdb_dir}"
    if not (options.nssdb_dir / "cert9.db").exists():
        options.nssdb_dir.mkdir(parents=True, exist_ok=True)
        run("certutil", "-d", database, "-N", "--empty-password")
    run("certutil", "-d", database, "-A", "-t", "C,,", "-n", NAME, "-i", options.ca_cert)


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    main = argparse.ArgumentParser(prog="private-ca-tool", description=__doc__)
    commands = main.add_subparsers(dest="command", required=True)
    days = argparse.ArgumentParser(add_help=False)
    days.add_argument("--days", type=int, default=3650, help="how long it is valid (default: %(default)s)")
    days.add_argument("--overwrite", action="store_true", help="replace what exists")
    files = argparse.ArgumentParser(add_help=False)
    files.add_argument("--ca-cert", type=Path, default=CA_CERT, help="default: %(default)s")
    key = argparse.ArgumentParser(add_help=False)
    key.add_argument("--ca-key", type=Path, default=CA_KEY, help="default: %(default)s")
    one = commands.add_parser("create", parents=[files, key, days], help="make the authority")
    one.add_argument("--name", default=NAME, help="of the authority (default: %(default)s)")
    one.set_defaults(run=create)
    two = commands.add_parser("generate-server-cert", parents=[files, key, days], help="sign a server's certificate")
    two.add_argument("cn", help="name of the server")
    two.add_argument("--alt-names", help="further names, as openssl writes them: DNS:a,DNS:b,IP:192.0.2.1")
    places = {"--server-key": "/etc/ssl/private/server.key", "--server-cert": "/etc/ssl/certs/server.crt"}
    for option, path in places.items():
        two.add_argument(option, type=Path, default=Path(path), help="default: %(default)s")
    two.set_defaults(run=server)
    three = commands.add_parser("trust", parents=[files], help="let this user's browsers trust it")
    three.add_argument("--nssdb-dir", type=Path, default=Path.home() / ".pki/nssdb", help="default: %(default)s")
    three.set_defaults(run=trust)
    return main


def main() -> None:
    """Runs one command."""
    options = parser().parse_args()
    try:
        options.run(options)
    except OSError as e:
        fail(f"{e.filename}: {e.strerror}")


if __name__ == "__main__":
    main()
