# SPDX-License-Identifier: MIT
"""Command line of genpack-overlay: it only translates."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

PROG = "genpack-overlay"

app = typer.Typer(
    name=PROG, help="The Gentoo repository of genpack.", no_args_is_help=True, add_completion=False,
    pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from . import __version__

        print(f"{PROG} {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)] = False,
) -> None:
    """The Gentoo repository of genpack."""


@app.command()
def path() -> None:
    """Print the folder of the repository."""
    from . import repository

    print(repository.locate())


@app.command()
def archive(file: Annotated[Path, typer.Argument(metavar="FILE", help="Ends in .tar, .tar.gz or .tar.xz.")]) -> None:
    """Write the repository to FILE. The same repository gives the same bytes."""
    from . import archive as packer
    from . import repository

    packer.write(repository.locate(), file)


@app.command()
def check() -> None:
    """Check the repository: profiles, ebuilds, metadata, Manifests, scripts."""
    from . import check as qa
    from . import log, repository

    findings = qa.check(repository.locate())
    for finding in findings:
        text = f"{finding.path}: {finding.text}" if finding.path else finding.text
        if finding.is_error:
            log.error(f"error: {text}")
        else:
            log.say(f"note: {text}")
    errors = sum(finding.is_error for finding in findings)
    log.say(f"{errors} errors, {len(findings) - errors} notes")
    if errors:
        raise typer.Exit(1)


class Terminated(BaseException):
    """SIGTERM came: unwinds like KeyboardInterrupt."""


def main() -> None:
    """The one error boundary."""
    from . import log
    from .errors import OverlayError

    def terminate(_signum: int, _frame: FrameType | None) -> None:
        raise Terminated

    signal.signal(signal.SIGTERM, terminate)
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except OverlayError as e:
        log.error(f"{PROG}: error: {e.message}")
        if e.tip:
            log.say(f"tip: {e.tip}")
        sys.exit(e.status)
    except KeyboardInterrupt:
        sys.exit(130)
    except Terminated:
        sys.exit(143)
    except typer.Exit as e:
        sys.exit(e.exit_code)
    except Exception as e:  # click's own errors have show(); everything else is ours to see
        if not hasattr(e, "show"):
            raise
        e.show()
        sys.exit(getattr(e, "exit_code", 2))
