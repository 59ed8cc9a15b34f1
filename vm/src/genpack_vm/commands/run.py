# SPDX-License-Identifier: MIT
"""`vm run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from genpack_vm.commands import machine_options as options
from genpack_vm.commands.machine_options import FILE


def command(
    context: typer.Context,
    image: Annotated[
        Path,
        typer.Argument(
            metavar="IMAGE", help="SquashFS image to boot; a disk or an ISO file with --bios or --uefi-disk."
        ),
    ],
    name: options.Name = None,
    memory: options.Memory = options.MEMORY,
    cpu: options.Cpu = options.CPUS,
    cpu_model: options.CpuModel = None,
    kvm: options.Kvm = None,
    data_file: options.DataFile = None,
    volatile_data: options.VolatileData = False,
    swap: Annotated[Path | None, typer.Option(**FILE, help="Swap disk (/dev/vdc).")] = None,
    cdrom: Annotated[Path | None, typer.Option(**FILE, help="Put an ISO file into the CD drive.")] = None,
    bios: Annotated[bool, typer.Option("--bios", help="Boot the disk or ISO file IMAGE by BIOS.")] = False,
    uefi_disk: Annotated[bool, typer.Option("--uefi-disk", help="The same by UEFI.")] = False,
    no_virtio: Annotated[
        bool,
        typer.Option("--no-virtio-for-bios-disks", help="With these two: AHCI disks, for systems without virtio."),
    ] = False,
    arch: Annotated[
        str | None, typer.Option(metavar="ARCH", help="With these two: the machine's architecture [the host's].")
    ] = None,
    net: Annotated[
        list[str] | None,
        typer.Option("--net", "-i", "-b", metavar="IF", help="Network interface [user]; repeatable."),
    ] = None,
    virtiofs_path: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Share a folder as `fs`; the writable layer without data disk.")
    ] = None,
    share: Annotated[
        list[str] | None, typer.Option("--9p", metavar="PATH:TAG", help="Share a folder by 9p; repeatable.")
    ] = None,
    usb: Annotated[
        list[str] | None, typer.Option(metavar="XPATH", help="Give the guest these USB devices; repeatable.")
    ] = None,
    pci: Annotated[
        list[str] | None,
        typer.Option(metavar="ID[,multifunction][,vga][,romfile=F]", help="Give it this PCI device; repeatable."),
    ] = None,
    display: Annotated[str | None, typer.Option(metavar="KIND", help="Show its screen in a window of QEMU's.")] = None,
    spice: Annotated[str | None, typer.Option(metavar="[ADDR:]PORT|PATH", help="Screen by SPICE.")] = None,
    vnc: Annotated[str | None, typer.Option(metavar="[ADDR]:N|PATH", help="Screen by VNC.")] = None,
    accel: Annotated[
        str, typer.Option(metavar="2d|qxl|opengl|vulkan", help="Graphics adapter for these three.")
    ] = "2d",
    gpu_max_outputs: Annotated[int, typer.Option(metavar="N", help="Number of screens.")] = 1,
    rendernode: Annotated[str | None, typer.Option(metavar="DEVICE", help="The host's GPU that draws.")] = None,
    resolution: Annotated[str | None, typer.Option(metavar="WxH", help="Size of the screen.")] = None,
    hvc: Annotated[bool, typer.Option("--hvc", help="Console on hvc0 (virtio) instead of a serial port.")] = False,
    guestfwd: Annotated[
        list[str] | None, typer.Option(metavar="RULE", help="Lead an address of the user network to the host.")
    ] = None,
    hostfwd: Annotated[
        list[str] | None,
        typer.Option(metavar="[tcp|udp:][ADDR:]PORT-[ADDR:]PORT", help="Forward a port of the host; repeatable."),
    ] = None,
    no_ssh_forward: Annotated[bool, typer.Option("--no-ssh-forward", help="Do not forward a port to SSH.")] = False,
    append: options.Append = None,
    system_ini: options.SystemIni = None,
    application_ini: Annotated[Path | None, typer.Option(**FILE, help="The same for opt/application.ini.")] = None,
    fw_cfg: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE|NAME=@FILE", help="fw_cfg entry opt/NAME; repeatable.")
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Run in the background; print the VM's name.")] = False,
    timeout: Annotated[float | None, typer.Option(metavar="S", help="End QEMU after S seconds; status 124.")] = None,
    console_log: Annotated[Path | None, typer.Option(**FILE, help="Write the whole console to FILE.")] = None,
    wait_ssh: Annotated[
        bool, typer.Option("--wait-ssh", help="With --detach: return when the SSH server answers.")
    ] = False,
    wait_ssh_timeout: Annotated[
        float | None, typer.Option(metavar="S", help="The same within S seconds [300]; status 124.")
    ] = None,
    no_shutdown: Annotated[
        bool, typer.Option("--no-shutdown", help="Keep QEMU when the guest has powered off.")
    ] = False,
    sock_forward: Annotated[
        list[Path] | None,
        typer.Option(metavar="SOCK", help="Lead vsock port CID+i of the host to this Unix socket; repeatable."),
    ] = None,
    logfile: Annotated[Path | None, typer.Option(**FILE, help="QEMU's own log, of the next two options.")] = None,
    logging_items: Annotated[str | None, typer.Option(metavar="ITEMS", help="What QEMU logs (its -d).")] = None,
    trace: Annotated[
        list[str] | None, typer.Option(metavar="EVENTS", help="What QEMU traces (its -trace); repeatable.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the QEMU command line only.")] = False,
) -> None:
    """Boot an image in QEMU, its console on this terminal (Ctrl-] asks for power-down; twice ends QEMU).

    What follows `--` is added to QEMU's command line.
    """
    if bios and uefi_disk:
        from genpack_vm.errors import UsageError

        raise UsageError("--bios and --uefi-disk exclude each other")
    from genpack_vm import kernel

    # The kernel is read by a child process while Python still imports the rest.
    loading = kernel.Loading(image) if not bios and not uefi_disk and image.is_file() else None
    try:
        from genpack_vm import devices, launch, screens, virtiofs
        from genpack_vm.config import Boot, RunOptions
        from genpack_vm.nic import Request

        launch.run(
            RunOptions(
                image=image,
                boot=Boot.BIOS if bios else Boot.UEFI if uefi_disk else Boot.DIRECT,
                arch=arch,
                virtio_disks=not no_virtio,
                cdrom=cdrom,
                name=name,
                memory=memory,
                cpus=cpu,
                cpu_model=cpu_model,
                data_file=data_file,
                volatile_data=volatile_data,
                swap=swap,
                hostfwd=tuple(hostfwd or ()),
                ssh_forward=not no_ssh_forward,
                append=append,
                kvm=kvm,
                system_ini=system_ini,
                application_ini=application_ini,
                fw_cfg=tuple(fw_cfg or ()),
                detach=detach,
                timeout=timeout,
                console_log=console_log,
                wait_ssh=300.0 if wait_ssh and wait_ssh_timeout is None else wait_ssh_timeout,
                no_shutdown=no_shutdown,
                logging_items=logging_items,
                trace=tuple(trace or ()),
                logfile=logfile,
                sock_forward=tuple(sock_forward or ()),
                dry_run=dry_run,
                qemu_args=tuple(context.obj or ()),
                interfaces=tuple(Request(text) for text in net or ()),
                guestfwd=tuple(guestfwd or ()),
                display=screens.parse(
                    display=display,
                    spice=spice,
                    vnc=vnc,
                    gpu=accel,
                    outputs=gpu_max_outputs,
                    render_node=rendernode,
                    resolution=resolution,
                ),
                pci=tuple(devices.parse_pci(text) for text in pci or ()),
                usb=screens.usb_devices(usb or ()),
                shares=tuple(devices.parse_share(text) for text in share or ()),
                hvc=hvc,
                virtiofs=None if virtiofs_path is None else virtiofs.Shared(virtiofs_path),
            ),
            loading,
        )
    finally:
        if loading is not None:
            loading.close()
