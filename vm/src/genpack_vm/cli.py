# SPDX-License-Identifier: MIT
"""The command `vm`: flags in, exit status out. The only place that exits."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from genpack_vm import __version__, log
from genpack_vm.errors import InterruptError, VmError

if TYPE_CHECKING:
    import click
    import typer

_PASSING = ("exec", "ssh", "test")  # commands whose own failure is 125, because other statuses are the guest's
_OWN_FAILURE = 125


def _version(wanted: bool) -> None:
    import typer

    if wanted:
        print(f"vm {__version__}")
        raise typer.Exit


def build() -> typer.Typer:
    """The command line. Importing typer is half the time of a short command: what needs none does not wait for it."""
    import typer

    from genpack_vm.commands import (
        allocate,
        cid,
        console,
        doctor,
        exec,
        expand,
        look,
        mount,
        run,
        scp,
        service,
        show,
        snapshot,
        ssh,
        stop,
        test,
        usb,
        wait,
    )
    from genpack_vm.commands import list as list_command

    #: Options after the VM's name belong to the command that runs in it.
    pass_on: dict[Any, Any] = {"ignore_unknown_options": True, "allow_interspersed_args": False}
    app = typer.Typer(
        help="Run and manage genpack images in QEMU.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    def options(
        version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
    ) -> None:
        """Run and manage genpack images in QEMU."""

    app.callback()(options)
    app.command("run")(run.command)
    app.command("stop", no_args_is_help=True)(stop.command)
    app.command("stopall")(stop.command_all)
    app.command("list")(list_command.command)
    app.command("show")(show.command)
    app.command("console", no_args_is_help=True)(console.command)
    app.command("ssh", context_settings=pass_on, no_args_is_help=True)(ssh.command)
    app.command("scp", no_args_is_help=True)(scp.command)
    app.command("exec", context_settings=pass_on, no_args_is_help=True)(exec.command)
    app.command("wait", no_args_is_help=True)(wait.command)
    app.command("cid", no_args_is_help=True)(cid.command)
    app.command("allocate", no_args_is_help=True)(allocate.command)
    app.command("expand", no_args_is_help=True)(expand.command)
    app.command("snapshot", no_args_is_help=True)(snapshot.command)
    app.command("test", no_args_is_help=True)(test.command)
    app.command("usb")(usb.command)
    app.command("doctor")(doctor.command)
    app.command("service", no_args_is_help=True)(service.command)
    app.command("mount", no_args_is_help=True)(mount.mount)
    app.command("umount", no_args_is_help=True)(mount.umount)
    app.command("ls", no_args_is_help=True)(look.ls)
    app.command("cat", no_args_is_help=True)(look.cat)
    app.command("drift", no_args_is_help=True)(look.drift)

    return app


def command() -> click.Group:
    """The same, as click runs it."""
    import typer.core

    # typer imports all of rich for the words "[default: ...]" of a help text, 0.1 s, and escapes their brackets.
    typer.core.HAS_RICH = False
    return typer.main.get_command(build())  # type: ignore[return-value]  # with several commands it is a group


def split_qemu_args(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """`run ... -- QEMU ARGS`: (what is ours, what is QEMU's). Other commands keep their `--`."""
    if argv and argv[0] == "run" and "--" in argv:
        at = list(argv).index("--")
        return list(argv[:at]), list(argv[at + 1 :])
    return list(argv), []


def _on_sigterm(signum: int, frame: FrameType | None) -> NoReturn:
    raise InterruptError(signum, "ended by SIGTERM")


def _plain_exec(argv: Sequence[str]) -> tuple[str, Sequence[str]] | None:
    """`exec NAME [--] CMD...` without options, as (name, command): in loops a start of half the time counts."""
    if len(argv) < 3 or argv[0] != "exec" or argv[1].startswith("-"):
        return None
    words = argv[3:] if argv[2] == "--" else argv[2:]
    return (argv[1], words) if words else None


def _run(argv: Sequence[str], *, passing: bool) -> int:
    """By typer; its complaints become one line on stderr."""
    import click

    ours, extra = split_qemu_args(argv)
    try:
        result = command().main(ours, prog_name="vm", obj=extra, standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.ClickException as e:
        if type(e).__name__ == "NoArgsIsHelpError":  # its class exists since click 8.2
            print(e.format_message(), file=sys.stderr)
            return e.exit_code
        context = getattr(e, "ctx", None)
        log.error(e.format_message(), f"{context.command_path} --help" if context is not None else None)
        return _OWN_FAILURE if passing else e.exit_code
    except click.exceptions.Abort:
        return 130


def execute(argv: Sequence[str]) -> int:
    """Run one command line; the exit status. Expected errors become one line on stderr."""
    passing = bool(argv) and argv[0] in _PASSING
    try:
        plain = _plain_exec(argv)
        if plain is None:
            return _run(argv, passing=passing)
        from genpack_vm import guestexec

        return guestexec.execute(*plain, timeout=None)
    except VmError as e:
        log.error(str(e), e.tip)
        return _OWN_FAILURE if passing and e.status in (1, 2) else e.status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stdout = None  # nobody reads; Python would complain once more at its end
        return 1


def main() -> NoReturn:
    """Entry point of the program."""
    signal.signal(signal.SIGTERM, _on_sigterm)
    sys.exit(execute(sys.argv[1:]))
