# SPDX-License-Identifier: MIT
"""`vm test`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from genpack_vm.commands import machine_options as options
from genpack_vm.commands.machine_options import FILE


class For(StrEnum):
    """What a boot must reach."""

    AGENT = "agent"
    SYSTEMD = "systemd"


def command(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="SquashFS image to boot.")],
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[-- CMD [ARG...]]", help="Command to run in it.")
    ] = None,
    script: Annotated[Path | None, typer.Option(**FILE, help="Run this script in it instead of a command.")] = None,
    goal: Annotated[For, typer.Option("--for", help="How far the boot must come.")] = For.SYSTEMD,
    timeout: Annotated[float, typer.Option(metavar="S", help="For boot and command together; status 124.")] = 600.0,
    junit: Annotated[Path | None, typer.Option(**FILE, help="Write the results as JUnit XML.")] = None,
    console_log: Annotated[Path | None, typer.Option(**FILE, help="Keep the console log.")] = None,
    fail_pattern: Annotated[
        list[str] | None, typer.Option(metavar="REGEX", help="A bad line of the console, beside the known ones.")
    ] = None,
    ignore_pattern: Annotated[
        list[str] | None, typer.Option(metavar="REGEX", help="A line that is not bad after all.")
    ] = None,
    name: options.Name = None,
    memory: options.Memory = options.MEMORY,
    cpu: options.Cpu = options.CPUS,
    cpu_model: options.CpuModel = None,
    kvm: options.Kvm = None,
    data_file: options.DataFile = None,
    volatile_data: options.VolatileData = False,
    append: options.Append = None,
    system_ini: options.SystemIni = None,
) -> None:
    """Test an image: boot, command, power-down, console.

    The command runs by the guest agent, and its exit status is this one's. A boot
    or power-down that fails, or a bad line on the console, is status 125 if the command's was 0.
    """
    from genpack_vm import testing
    from genpack_vm.config import RunOptions
    from genpack_vm.waiting import Goal

    wanted = testing.TestOptions(
        run=RunOptions(
            image=image,
            name=name,
            memory=memory,
            cpus=cpu,
            cpu_model=cpu_model,
            kvm=kvm,
            data_file=data_file,
            volatile_data=volatile_data,
            append=append,
            system_ini=system_ini,
            console_log=console_log,
            ssh_forward=False,
        ),
        command=tuple(words or ()),
        script=script,
        goal=Goal(goal.value),
        timeout=timeout,
        junit=junit,
        fail_patterns=tuple(fail_pattern or ()),
        ignore_patterns=tuple(ignore_pattern or ()),
    )
    raise typer.Exit(testing.test(wanted))
