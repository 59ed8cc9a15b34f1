# SPDX-License-Identifier: MIT
"""Networks, screen and shared folder of a VM: what was asked for, checked, before the VM has a name."""

from __future__ import annotations

import os
from dataclasses import replace

from genpack_vm import doctor, log, net, nic, process, virtiofs
from genpack_vm.arch import Arch
from genpack_vm.config import Boot, RunOptions
from genpack_vm.devices import Gpu
from genpack_vm.errors import UsageError


def check_display(options: RunOptions, arch: Arch) -> None:
    """UsageError for a screen that the machine cannot have."""
    shown = options.display
    if shown is not None and shown.gpu is Gpu.QXL and not arch.is_x86:
        raise UsageError(f"QEMU's {arch.value} machine has no QXL adapter", tip="use --accel 2d")


def nics(options: RunOptions, forwards: tuple[net.Forward, ...]) -> tuple[nic.Nic, ...]:
    """The network interfaces, without addresses yet: those follow from the VM's name."""
    requests = options.interfaces or (nic.Request(nic.USER),)
    helper = doctor.helper("qemu-bridge-helper")
    found = []
    for one in nic.plan(requests, "the VM", [""] * len(requests)):
        if one.kind is nic.Kind.USER:
            asked = any(f.protocol == "tcp" and f.guest_port == net.SSH_PORT for f in forwards)
            ssh = (net.SSH_FORWARD,) if options.ssh_forward and not asked else ()
            one = replace(one, forwards=(*ssh, *forwards), guest_forwards=options.guestfwd)
        elif one.kind is nic.Kind.BRIDGE:
            if helper is None:
                raise process.missing("qemu-bridge-helper", f"connect to the bridge {one.where}")
            one = replace(one, helper=os.fspath(helper))
        found.append(one)
    if (forwards or options.guestfwd) and not any(n.kind is nic.Kind.USER for n in found):
        option = "--hostfwd" if forwards else "--guestfwd"
        raise UsageError(f"{option} needs the user network", tip="add -i user")
    return tuple(found)


def shown(found: tuple[nic.Nic, ...], fd: int) -> list[nic.Nic]:
    """The interfaces for --dry-run: the first virtual function of a range, made-up descriptors from `fd` on."""
    numbers = iter(range(fd, fd + len(found)))
    nics = []
    for one in found:
        if one.kind is nic.Kind.MACVTAP:
            one = replace(one, fd=next(numbers))
            log.info(f"fd={one.fd} is the device of {one.where}")
        elif one.kind is nic.Kind.SRIOV:
            one = replace(one, where=one.where.split(",")[0])
        nics.append(one)
    return nics


def shared_folder(options: RunOptions) -> virtiofs.Shared | None:
    """What virtiofsd shares: the root of an image that is a folder, else what was asked for."""
    if options.boot is Boot.DIRECT and options.image.is_dir():
        if options.virtiofs is not None and options.virtiofs.folder.absolute() != options.image.absolute():
            raise UsageError("an image that is a folder is shared itself: --virtiofs-path says another one")
        return replace(options.virtiofs or virtiofs.Shared(options.image), folder=options.image.absolute())
    shared = options.virtiofs
    if shared is None:
        return None
    if not shared.folder.is_dir():
        raise UsageError(f"--virtiofs-path: there is no folder {shared.folder}")
    return replace(shared, folder=shared.folder.absolute())
