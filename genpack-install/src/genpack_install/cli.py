# SPDX-License-Identifier: MIT
"""The command `genpack-install`: flags in, exit status out. The only place that exits."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import click
import typer
import typer.core

from genpack_install import __version__
from genpack_install.errors import InstallError, InterruptError, UsageError
from genpack_install.log import Log
from genpack_install.model import Talk

PROGRAM = "genpack-install"
BUILD = "build-bootloaders"
_SETTINGS: dict[str, Any] = {
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
app = typer.Typer(**_SETTINGS)
#: Apart from the other: its options are its own, and an IMAGE may have any name.
build_app = typer.Typer(**_SETTINGS)

FILE = {"metavar": "FILE"}


def _version(wanted: bool) -> None:
    if wanted:
        print(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.command(epilog=f"{PROGRAM} {BUILD} --help: make the boot loaders that are put on disks.")
def install(
    image: Annotated[
        str | None,
        typer.Argument(metavar="[IMAGE]", help="SquashFS image [the one that runs here]; alone: update this system."),
    ] = None,
    disk: Annotated[
        str | None, typer.Option(metavar="DEV|FILE|list", help="Make a bootable disk or disk file, or list the disks.")
    ] = None,
    cdrom: Annotated[Path | None, typer.Option(**FILE, help="Make a bootable ISO file.")] = None,
    zip_file: Annotated[
        Path | None, typer.Option("--zip", **FILE, help="Make a ZIP of a boot partition's files.")
    ] = None,
    rollback: Annotated[bool, typer.Option("--rollback", help="Back to the image before the last update.")] = False,
    mark_good: Annotated[
        bool, typer.Option("--mark-good", help="The image that runs is good: no more counting of its starts.")
    ] = False,
    status: Annotated[bool, typer.Option("--status", help="Show the images of this system and what runs.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Compare the current image with its recorded sum.")] = False,
    key: Annotated[
        Path | None, typer.Option(**FILE, help="Public key (OpenPGP) that an update must be signed with.")
    ] = None,
    label: Annotated[str | None, typer.Option(metavar="NAME", help="Label of boot partition or ISO [GENPACK].")] = None,
    gpt: Annotated[bool, typer.Option("--gpt", help="A GPT also where MBR would do; boots by UEFI alone.")] = False,
    superfloppy: Annotated[
        bool, typer.Option("--superfloppy", help="One FAT file system over the whole disk, no partitions.")
    ] = False,
    no_esp: Annotated[
        bool, typer.Option("--no-esp", help="Do not mark the boot partition as EFI system partition.")
    ] = False,
    size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Size of a disk file that does not exist yet: 4G, 800M.")
    ] = None,
    system_cfg: Annotated[Path | None, typer.Option(**FILE, help="Settings of the boot menu, system.cfg(5).")] = None,
    system_ini: Annotated[Path | None, typer.Option(**FILE, help="Settings of the system, as system.ini.")] = None,
    no_sample: Annotated[
        bool, typer.Option("--no-sample", help="No commented examples of the two where they are not given.")
    ] = False,
    additional: Annotated[
        Path | None,
        typer.Option("--additional-boot-files", metavar="ZIP", help="More files for the boot partition."),
    ] = None,
    bootloaders: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Boot loaders to take [the image's, else the machine's].")
    ] = None,
    random_ids: Annotated[
        bool, typer.Option("--random-ids", help="Random ids also where they would be derived from the image.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and do nothing.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the plan, and the list of disks, as JSON.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the programs that run.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Put a genpack image on a disk, into an ISO file or a ZIP, or update the system that runs here."""
    from genpack_install import cdrom as cdrom_mode
    from genpack_install import diskmode, sizes, zipmode
    from genpack_install.model import Mode, Options

    log, talk = Log(debug=debug), Talk(yes=yes, dry_run=dry_run, json=json)
    orders = {"--rollback": rollback, "--mark-good": mark_good, "--status": status, "--verify": verify}
    makes = [name for name, given in (("--disk", disk), ("--cdrom", cdrom), ("--zip", zip_file)) if given is not None]
    if any(orders.values()) or (image is not None and not makes):
        own = [name for name, given in orders.items() if given]
        _installed([*own, *makes], image, key, talk, log)
        return
    if key is not None:
        raise UsageError("--key is for an update of this system")
    targets = {Mode.DISK: disk, Mode.CDROM: cdrom, Mode.ZIP: zip_file}
    modes = [mode for mode, target in targets.items() if target is not None]
    if len(modes) != 1:
        raise UsageError(
            "what shall be made?" if not modes else "only one thing can be made at a time",
            tip="give one of --disk, --cdrom and --zip",
        )
    (mode,) = modes
    shape = {"--gpt": gpt, "--superfloppy": superfloppy, "--no-esp": no_esp, "--size": size is not None}
    if mode is not Mode.DISK and (wrong := [name for name, given in shape.items() if given]):
        raise UsageError(f"{wrong[0]} is for --disk")
    if superfloppy and (gpt or no_esp):
        raise UsageError("--superfloppy makes no partitions: --gpt and --no-esp do not go with it")
    if disk == "list":
        diskmode.show(talk, log)
        return
    options = Options(
        mode=mode,
        target=Path(str(targets[mode])),
        image=None if image is None else Path(image),
        system_cfg=system_cfg,
        system_ini=system_ini,
        sample=not no_sample,
        label=label,
        gpt=gpt,
        superfloppy=superfloppy,
        esp=not no_esp,
        additional=additional,
        size=None if size is None else sizes.parse(size),
        bootloaders=bootloaders,
        random_ids=random_ids,
    )
    {Mode.DISK: diskmode.run, Mode.CDROM: cdrom_mode.run, Mode.ZIP: zipmode.run}[mode](options, talk, log)


def _installed(orders: list[str], image: str | None, key: Path | None, talk: Talk, log: Log) -> None:
    """The modes that are about the system that runs here; an update if `orders` is empty."""
    from genpack_install import selfupdate

    if len(orders) > 1 or (orders and (image is not None or key is not None)):
        raise UsageError(f"{orders[0]} goes alone")
    if not orders:
        selfupdate.run_update(str(image), key, talk, log)
    elif orders == ["--rollback"]:
        selfupdate.run_rollback(talk, log)
    elif orders == ["--mark-good"]:
        selfupdate.run_mark_good(talk, log)
    elif orders == ["--status"]:
        selfupdate.run_status(talk)
    else:
        selfupdate.run_verify(talk)


@build_app.command(BUILD)
def build_bootloaders(
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder for them; made if need be.")],
    targets: Annotated[
        str | None,
        typer.Option(
            metavar="TARGET,...",
            help="x86_64-efi, i386-efi, arm64-efi, riscv64-efi, i386-pc, eltorito [all that can be made here].",
        ),
    ] = None,
    grub: Annotated[Path, typer.Option(metavar="DIR", help="GRUB's modules, a folder for each platform.")] = Path(
        "/usr/lib/grub"
    ),
    debug: Annotated[bool, typer.Option("--debug", help="Show the programs that run.")] = False,
) -> None:
    """Make the boot loaders of disks and CDs from GRUB's modules, with the menu of genpack."""
    from genpack_install import bootloader

    wanted = [name for name in (targets or "").replace(",", " ").split() if name]
    for path in bootloader.build(output, wanted, grub, Log(debug=debug)):
        print(path)


def _on_sigterm(signum: int, frame: FrameType | None) -> NoReturn:
    raise InterruptError(signum)


def execute(argv: Sequence[str]) -> int:
    """Run one command line; the exit status. Expected errors become one line on stderr."""
    typer.core.HAS_RICH = False  # else typer imports all of rich for a few words of a help text
    building, log = list(argv[:1]) == [BUILD], Log()
    name = f"{PROGRAM} {BUILD}" if building else PROGRAM
    command = typer.main.get_command(build_app if building else app)
    try:
        result = command.main(list(argv[building:]), prog_name=name, standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.ClickException as e:
        log.error(e.format_message(), f"{name} --help")
        return e.exit_code
    except InstallError as e:
        log.error(str(e), e.tip)
        return e.status
    except OSError as e:
        if isinstance(e, BrokenPipeError):
            sys.stdout = None  # nobody reads; Python would complain once more at its end
            return 1
        if e.filename is None and e.strerror is None:
            raise
        log.error(f"{e.filename}: {e.strerror}" if e.filename is not None else str(e.strerror))
        return 1
    except (click.exceptions.Abort, KeyboardInterrupt):
        return 130


def main() -> NoReturn:
    """Entry point of the program."""
    signal.signal(signal.SIGTERM, _on_sigterm)
    sys.exit(execute(sys.argv[1:]))
