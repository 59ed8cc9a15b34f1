# SPDX-License-Identifier: MIT
"""The options that every command which starts a VM has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

FILE = {"metavar": "FILE"}

Name = Annotated[str | None, typer.Option("--name", "-n", help="Name of the VM [the image's artifact].")]
Memory = Annotated[int, typer.Option("--memory", "-m", metavar="MIB", help="Memory in MiB.")]
Cpu = Annotated[int, typer.Option("--cpu", "-c", metavar="N", help="Number of CPUs.")]
CpuModel = Annotated[str | None, typer.Option(metavar="MODEL", help="QEMU CPU model.")]
Kvm = Annotated[bool | None, typer.Option("--kvm/--no-kvm", help="Insist on KVM, or on TCG.")]
DataFile = Annotated[Path | None, typer.Option("--data-file", "-d", **FILE, help="Data disk (/dev/vdb).")]
VolatileData = Annotated[bool, typer.Option("--volatile-data", help="Drop what is written to the data disk.")]
Append = Annotated[str | None, typer.Option(metavar="ARGS", help="More kernel command line.")]
SystemIni = Annotated[Path | None, typer.Option(**FILE, help="system.ini for the guest (opt/system.ini).")]

MEMORY, CPUS = 2048, 1  # MiB, number: where the command line gives none
