# SPDX-License-Identifier: MIT
"""The options that every command has, before or after its name, and the settings made of them."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from genpack import completion, settings, userfile
from genpack.errors import UsageError
from genpack.log import Log

#: Name -> (type with its option, default). All stand before or after the command; after it wins.
OPTIONS: dict[str, tuple[Any, tuple[str, ...], str, str]] = {
    "directory": (Path, ("-C",), "DIR", "Run as if started in DIR."),
    "arch": (str, ("--arch",), "ARCH", "Architecture to build for: x86_64, i686, aarch64, riscv64 [the machine's]."),
    "variant": (str, ("--variant",), "NAME", "Variant of the definition to build [its default_variant]."),
    "compression": (str, ("--compression",), "ALGORITHM[:LEVEL]", "auto, gzip, xz, lzo, zstd, lz4 or none."),
    "devel": (bool, ("--devel",), "", "Keep headers, man pages and static libraries in the image."),
    "parallel": (bool, ("--parallel",), "", "Build as many packages at once as there are processors, as load allows."),
    "deep_depclean": (bool, ("--deep-depclean",), "", "Remove what only builds need from the lower layer."),
    "break_circular_deps": (
        bool,
        ("--break-circular-deps",),
        "",
        "Break circular dependencies in a lower layer that is not fresh, too.",
    ),
    "overlay_override": (Path, ("--overlay-override",), "DIR", "Take genpack-overlay from this folder."),
    "mirror": (list[str], ("--mirror",), "URL|DIR", "Mirror in Gentoo's layout; may be given more than once."),
    "keyring": (Path, ("--keyring",), "FILE", "Public keys to verify the mirror's files with [Gentoo's]."),
    "binhost": (list[str], ("--binhost",), "URL|DIR", "Host of binary packages; may be given more than once."),
    "getbinpkg": (bool, ("--getbinpkg",), "", "Use the binary package hosts that the stage3 names, Gentoo's."),
    "independent_binpkgs": (bool, ("--independent-binpkgs",), "", "A cache of binary packages of this artifact's own."),
    "offline": (bool, ("--offline",), "", "Use only the cache and local folders."),
    "locked": (bool, ("--locked",), "", "Fail unless genpack.lock pins everything."),
    "no_verify": (bool, ("--no-verify",), "", "Do not check signatures."),
    "work_dir": (Path, ("--work-dir",), "DIR", "Folder of the layers, logs and state [work]."),
    "output_dir": (Path, ("--output-dir",), "DIR", "Folder of the image [the artifact's]."),
    "only": (bool, ("--only",), "", "Fail instead of running an earlier phase, or if a layer is stale."),
    "json": (
        bool,
        ("--json",),
        "",
        "Tell programs in place of people: JSON objects on stderr, plans and lists in JSON.",
    ),
    "debug": (bool, ("--debug",), "", "Show the programs that run, and tracebacks of errors."),
}


@dataclass
class Invocation:
    """What was asked for, as far as it was read: the options, the command's name, the log they ask for."""

    given: dict[str, Any] = field(default_factory=dict)
    command: str = ""
    log: Log | None = None


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
            autocompletion=completion.VALUES.get(name),
            click_type=completion.place(metavar),
        )
        annotation = Annotated[kind | None, option]  # type: ignore[valid-type]  # a type made at run time
        result.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation))
    return result


def with_options(function: Callable[..., int | None], *, globally: bool = False) -> Callable[..., None]:
    """Gives a command every option beside its own parameters; the function gets them as its first argument, a
    dictionary in which an option after the command stands before the same one before it."""
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]

    def command(**values: Any) -> None:
        here = {name: values.pop(name) for name in OPTIONS}
        call = _context().ensure_object(Invocation)
        outer = {} if globally else call.given
        given = {name: here[name] if here[name] not in (None, []) else outer.get(name) for name in OPTIONS}
        call.given = given
        call.command = "" if globally else function.__name__.replace("_", "-")
        status = function(given, **values)
        if status:
            raise typer.Exit(status)

    shown = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
    parameters = [*shown, *_parameters(globally=globally)]
    command.__name__, command.__doc__ = function.__name__, function.__doc__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # functions may have one
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


def _context() -> typer.Context:
    import click

    return click.get_current_context()  # type: ignore[return-value]  # typer's own class, in a typer command


def read(given: dict[str, Any]) -> tuple[settings.Settings, Log]:
    """The settings and the log that the options ask for. Goes to the folder of -C first."""
    if given["directory"] is not None:
        try:
            os.chdir(given["directory"])
        except OSError as error:
            raise UsageError(f"-C {given['directory']}: {error.strerror}") from error
    here = Path.cwd()
    mine = userfile.read()

    def path(name: str) -> Path | None:
        return None if given[name] is None else (here / Path(given[name]).expanduser()).resolve()

    return settings.Settings(
        directory=here,
        arch=settings.arch(given["arch"]),
        variant=given["variant"],
        compression=settings.compression(given["compression"]),
        devel=bool(given["devel"]),
        overlay_override=path("overlay_override"),
        mirrors=tuple(given["mirror"] or mine.mirrors or [settings.DEFAULT_MIRROR]),
        keyring=path("keyring") or mine.keyring,
        verify=not given["no_verify"],
        work_root=path("work_dir") or here / "work",
        output_dir=path("output_dir"),
        cache=settings.cache_folder(mine.cache),
        offline=bool(given["offline"]),
        parallel=bool(given["parallel"]),
        deep_depclean=bool(given["deep_depclean"]),
        break_circular_deps=bool(given["break_circular_deps"]),
        locked=bool(given["locked"]),
        overlay=mine.overlay,
        binhosts=tuple(given["binhost"] or mine.binhosts),
        getbinpkg=bool(given["getbinpkg"]),
        independent_binpkgs=bool(given["independent_binpkgs"]),
        only=bool(given["only"]),
    ), log_of(given)


def log_of(given: Mapping[str, Any]) -> Log:
    """The log for people or, with --json, for programs; one for a whole run."""
    import click

    context = click.get_current_context(silent=True)
    call = context.find_object(Invocation) if context else None
    log = _new_log(given)
    if call is not None:
        call.log = log
    return log


def _new_log(given: Mapping[str, Any]) -> Log:
    debug = bool(given.get("debug"))
    if given.get("json"):
        from genpack.events import JsonLog

        return JsonLog(debug=debug)
    return Log(debug=debug)
