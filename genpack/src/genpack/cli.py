# SPDX-License-Identifier: MIT
"""The command line: words and environment in, exit status out. Nothing else is done here."""

from __future__ import annotations

import errno
import inspect
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from genpack import __version__, settings
from genpack.errors import DefinitionError, GenpackError, Terminated, UsageError
from genpack.log import RED, Log

#: Errors of the machine, not of the program: told in one line.
SURROUNDINGS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENAMETOOLONG}

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

app = typer.Typer(
    add_completion=False,
    suggest_commands=False,  # click does it
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

#: Name -> (type with its option, default). All stand before or after the command; after it wins.
OPTIONS: dict[str, tuple[Any, tuple[str, ...], str, str]] = {
    "directory": (Path, ("-C",), "DIR", "Run as if started in DIR."),
    "arch": (str, ("--arch",), "ARCH", "Architecture to build for: x86_64, i686, aarch64, riscv64 [the machine's]."),
    "variant": (str, ("--variant",), "NAME", "Variant of the definition to build [its default_variant]."),
    "compression": (str, ("--compression",), "ALGORITHM[:LEVEL]", "auto, gzip, xz, lzo, zstd, lz4 or none."),
    "devel": (bool, ("--devel",), "", "Keep headers, man pages and static libraries in the image."),
    "overlay_override": (Path, ("--overlay-override",), "DIR", "Take genpack-overlay from this folder."),
    "mirror": (list[str], ("--mirror",), "URL|DIR", "Mirror in Gentoo's layout; may be given more than once."),
    "keyring": (Path, ("--keyring",), "FILE", "Public keys to verify the mirror's files with [Gentoo's]."),
    "no_verify": (bool, ("--no-verify",), "", "Do not check signatures."),
    "work_dir": (Path, ("--work-dir",), "DIR", "Folder of the layers, logs and state [work]."),
    "output_dir": (Path, ("--output-dir",), "DIR", "Folder of the image [the artifact's]."),
    "debug": (bool, ("--debug",), "", "Show the programs that run, and tracebacks of errors."),
}


def environment_name(option: str) -> str:
    """The environment variable of an option."""
    return f"GENPACK_{option.upper()}"


def _parameters(*, globally: bool) -> list[inspect.Parameter]:
    """The options as parameters of a function, as typer reads them. Only the global ones look at the environment:
    else a variable would win over an option before the command."""
    result = []
    for name, (kind, flags, metavar, text) in OPTIONS.items():
        variable = environment_name(name)
        option = typer.Option(
            *flags,
            metavar=metavar or None,
            help=f"{text} [env: {variable}]",
            envvar=variable if globally else None,
            show_envvar=False,
        )
        annotation = Annotated[kind | None, option]  # type: ignore[valid-type]  # a type made at run time
        result.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation))
    return result


def _with_options(function: Callable[..., int | None], *, globally: bool = False) -> Callable[..., None]:
    """Gives a command every option beside its own parameters; the function gets them as its first argument, a
    dictionary in which an option after the command stands before the same one before it."""
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]

    def command(**values: Any) -> None:
        here = {name: values.pop(name) for name in OPTIONS}
        outer = {} if globally else typer_context().obj
        given = {name: here[name] if here[name] not in (None, []) else outer.get(name) for name in OPTIONS}
        status = function(given, **values)
        if status:
            raise typer.Exit(status)

    shown = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
    parameters = [*shown, *_parameters(globally=globally)]
    command.__name__, command.__doc__ = function.__name__, function.__doc__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # functions may have one
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


def typer_context() -> typer.Context:
    import click

    return click.get_current_context()  # type: ignore[return-value]  # typer's own class, in a typer command


def _settings(given: dict[str, Any]) -> tuple[settings.Settings, Log]:
    """The settings and the log that the options ask for. Goes to the folder of -C first."""
    if given["directory"] is not None:
        try:
            os.chdir(given["directory"])
        except OSError as error:
            raise UsageError(f"-C {given['directory']}: {error.strerror}") from error
    here = Path.cwd()

    def path(name: str) -> Path | None:
        return None if given[name] is None else (here / Path(given[name]).expanduser()).resolve()

    return settings.Settings(
        directory=here,
        arch=settings.arch(given["arch"]),
        variant=given["variant"],
        compression=settings.compression(given["compression"]),
        devel=bool(given["devel"]),
        overlay_override=path("overlay_override"),
        mirrors=tuple(given["mirror"] or [settings.DEFAULT_MIRROR]),
        keyring=path("keyring"),
        verify=not given["no_verify"],
        work_root=path("work_dir") or here / "work",
        output_dir=path("output_dir"),
        cache=settings.cache_folder(),
    ), Log(debug=bool(given["debug"]))


def _phases(given: dict[str, Any], until: str) -> None:
    """Runs the phases; the image's path goes to stdout."""
    from genpack.build import Builder

    builder = Builder.prepare(*_settings(given))
    builder.run(until)
    if until == "pack":
        print(builder.image)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"genpack {__version__}")
        raise typer.Exit


def main_options(
    given: dict[str, Any],
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Build a whole operating system image from genpack.json5. Without a command: build."""
    context.obj = given
    if context.invoked_subcommand is None:
        _phases(given, "pack")


def build(given: dict[str, Any]) -> None:
    """Build the image: lower, upper, pack, each only if its inputs changed."""
    _phases(given, "pack")


def lower(given: dict[str, Any]) -> None:
    """Make or update the lower layer: stage3 and all packages."""
    _phases(given, "lower")


def upper(given: dict[str, Any]) -> None:
    """Make the upper layer, what the image holds, and the lower if it is stale."""
    _phases(given, "upper")


def pack(given: dict[str, Any]) -> None:
    """Make the image, and the layers if they are stale."""
    _phases(given, "pack")


def bash(
    given: dict[str, Any],
    command: Annotated[list[str] | None, typer.Argument(metavar="[CMD...]", show_default=False)] = None,
) -> int:
    """Run a shell, or CMD, inside the lower layer; its exit status is genpack's, 125 genpack's own failure."""
    from genpack import shell

    try:
        return shell.run(*_settings(given), command or [])
    except GenpackError as error:
        error.status = shell.OWN_FAILURE
        raise


def check(given: dict[str, Any]) -> None:
    """Check the definition and its folders, and do nothing else."""
    from genpack.build import check as run

    options, log = _settings(given)
    run(options, log)
    log.line(f"{options.directory}: no problems")


app.callback(invoke_without_command=True)(_with_options(main_options, globally=True))
for _command in (build, lower, upper, pack, check):
    app.command()(_with_options(_command))
app.command(context_settings={"allow_interspersed_args": False})(_with_options(bash))


def _terminate(signum: int, _: object) -> NoReturn:
    for other in SIGNALS:  # what is cleaned up now is not interrupted again
        signal.signal(other, lambda *_: None)
    raise Terminated(signum)


def _report(error: GenpackError) -> None:
    from genpack.steps import explain

    log = Log()
    for line in error.problems if isinstance(error, DefinitionError) else ():
        log.line(line)
    log.line(f"{log.paint('genpack: error:', RED)} {error.message}")
    for line in explain(error):
        log.line(line)
    if error.tip:
        log.line(f"tip: {error.tip}")


def _trace() -> None:
    """The traceback of an expected error, if --debug asks for it."""
    if "--debug" in sys.argv or os.environ.get("GENPACK_DEBUG"):
        import traceback

        traceback.print_exc()


def main() -> None:
    """The command `genpack`: the one place that catches errors and exits."""
    import click

    for signum in SIGNALS:
        if signal.getsignal(signum) != signal.SIG_IGN:  # nohup, or a shell's background job
            signal.signal(signum, _terminate)
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except GenpackError as error:
        _trace()
        _report(error)
        sys.exit(error.status)
    except OSError as error:
        if error.errno not in SURROUNDINGS:
            raise
        _trace()
        _report(GenpackError(f"{error.filename or 'a file'}: {error.strerror}", tip="--debug shows where"))
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except Terminated as error:
        name = "interrupted" if error.signum == signal.SIGINT else f"ended by {signal.Signals(error.signum).name}"
        Log().line(f"genpack: {name}")
        sys.exit(128 + error.signum)
