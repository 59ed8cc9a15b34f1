# SPDX-License-Identifier: MIT
"""`vm run` as a list of steps: check, load, name, plan, start."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from genpack_vm import (
    accel,
    connecting,
    disk,
    doctor,
    firmware,
    fwcfg,
    host,
    identity,
    info,
    kernel,
    log,
    net,
    nic,
    process,
    qemu_args,
    rundir,
    sockforward,
    supervisor,
    virtiofs,
    waiting,
)
from genpack_vm.arch import Arch, host_arch
from genpack_vm.config import MIN_MEMORY, Boot, Disk, FirmwareBoot, Hooks, KernelBoot, MachineSpec, RunOptions
from genpack_vm.errors import ImageError, UsageError, VmError
from genpack_vm.firmware import Firmware
from genpack_vm.machine import Machine

#: Names of log items or trace events; QEMU would print a list for `help` and end.
_ITEMS = re.compile(r"(?!help$|\?)[A-Za-z0-9_.,:*=+/-]+")
_COMMAND_LINE_LIMIT = 2047  # bytes: COMMAND_LINE_SIZE of x86 is 2048 with its final zero


@dataclass(frozen=True)
class _Checked:
    """What is known before the VM has a name. `loaded`: with direct boot; `firmware`: for UEFI."""

    options: RunOptions
    loaded: kernel.Loaded | None
    firmware: Firmware | None
    arch: Arch
    accel: accel.Accel
    disks: tuple[Disk, ...]
    nics: tuple[nic.Nic, ...]
    given: tuple[fwcfg.Item, ...]
    shared: virtiofs.Shared | None


def _check_numbers(options: RunOptions) -> None:
    if options.memory < MIN_MEMORY:
        raise UsageError(f"--memory {options.memory}: at least {MIN_MEMORY} MiB are needed")
    if options.cpus < 1:
        raise UsageError(f"--cpu {options.cpus}: at least 1 is needed")
    if options.timeout is not None and options.timeout <= 0:
        raise UsageError(f"--timeout {options.timeout:g}: it must be more than 0 seconds")
    if options.wait_ssh is not None:
        if options.wait_ssh <= 0:
            raise UsageError(f"--wait-ssh-timeout {options.wait_ssh:g}: it must be more than 0 seconds")
        if not options.detach:
            raise UsageError("--wait-ssh needs --detach", tip="in the foreground the console shows how far it is")
    for option, text in (("--logging-items", options.logging_items), *(("--trace", t) for t in options.trace)):
        if text is not None and not _ITEMS.fullmatch(text):
            what = "-d help" if option == "--logging-items" else "-trace help"
            raise UsageError(f"{option} {text!r} names nothing", tip=f"`qemu-system-x86_64 {what}` lists the names")


def check_log(path: Path | None, option: str) -> None:
    """QEMU will make the file; an unusable path is found before that."""
    if path is None:
        return
    target = path if path.exists() else path.absolute().parent
    problem = None
    if path.is_dir():
        problem = "it is a folder"
    elif not target.exists():
        problem = f"there is no folder {target}"
    elif not os.access(target, os.W_OK):
        problem = "permission denied"
    if problem:
        raise UsageError(f"{option}: cannot write {path}: {problem}")


def _check_boot(options: RunOptions) -> None:
    """Options that say nothing, or something else, with the chosen way to boot."""
    if options.boot is Boot.DIRECT:
        if options.arch is not None:
            raise UsageError("--arch is for --bios and --uefi-disk", tip="an image's kernel says its architecture")
        if not options.virtio_disks:
            raise UsageError("--no-virtio-for-bios-disks needs --bios or --uefi-disk")
        return
    if options.append is not None:
        tip = "an installed system reads LINUX_ARGS from system.cfg on its boot partition"
        raise UsageError("--append is for direct boot: firmware starts the kernel of the disk", tip=tip)


def _machine_arch(options: RunOptions) -> Arch:
    """The architecture of a machine with firmware: the one asked for, else the host's."""
    names = ", ".join(a.value for a in Arch)
    try:
        found = host_arch() if options.arch is None else Arch(options.arch)
    except ValueError:
        raise UsageError(f"--arch {options.arch}: unknown architecture", tip=f"known are {names}") from None
    if found is None:
        raise UsageError("this machine's architecture is unknown", tip=f"give --arch: {names}")
    if options.boot is Boot.BIOS and not found.is_x86:
        raise UsageError(f"--bios: {found.value} has no BIOS", tip="use --uefi-disk")
    if not options.virtio_disks and not found.is_x86:
        raise UsageError(f"--no-virtio-for-bios-disks: QEMU's {found.value} machine has virtio disks only")
    return found


def _check(options: RunOptions, environment: dict[str, str], loading: kernel.Loading | None) -> _Checked:
    """Everything that can be wrong is found here, before the first side effect."""
    _check_numbers(options)
    _check_boot(options)
    if options.name is not None:
        identity.check_name(options.name)
    check_log(options.console_log, "--console-log")
    check_log(options.logfile, "--logfile")
    sockforward.check(options.sock_forward, vsock=host.vsock_usable())
    forwards = tuple(net.parse_forward(text) for text in options.hostfwd)
    given = (*options.items, *(fwcfg.parse(text) for text in options.fw_cfg))
    wanted = accel.asked_for(options.kvm, environment.get("VM_ACCEL"))
    shared = connecting.shared_folder(options)
    if shared is not None and doctor.helper("virtiofsd") is None:
        raise process.missing("virtiofsd", "share a folder with a VM")
    for text in options.guestfwd:
        nic.check_guest_forward(text)
    loaded, found = None, None
    if options.boot is Boot.DIRECT:
        if options.image.is_dir() and not (options.image / "boot").is_dir():
            raise ImageError(
                f"{options.image} is a folder, not a SquashFS image", tip="a folder is an image if it has boot/"
            )
        loaded = kernel.load(options.image) if loading is None else loading.result()
    try:
        disks = disk.plan(options)
        arch = loaded.arch if loaded is not None else _machine_arch(options)
        if not shutil.which(arch.qemu):
            raise process.missing(arch.qemu, f"run {arch.value} images")
        if options.boot is Boot.UEFI:
            found = firmware.find(arch, firmware.folders(environment, Path.home()))
        choice = accel.choose(arch, accel.look(), wanted)
        connecting.check_display(options, arch)
        net.check_free(forwards)
        nics = connecting.nics(options, forwards)
    except BaseException:
        if loaded is not None:
            loaded.close()
        raise
    if choice.reason is not None:
        log.info(f"emulating the CPU (TCG), which is slow: {choice.reason}")
    if loaded is not None and loaded.initramfs_fd is None:
        log.warning(f"{options.image} has no initramfs; its kernel must mount /dev/vda by itself")
    return _Checked(options, loaded, found, arch, choice.accel, disks, nics, given, shared)


def _boot(checked: _Checked, files: rundir.Files) -> KernelBoot | FirmwareBoot:
    """How the VM starts, now that its name is known."""
    loaded = checked.loaded
    if loaded is None:
        return FirmwareBoot(checked.firmware, files.efi_variables)
    line = qemu_args.command_line(
        files.folder.name,
        checked.arch,
        checked.accel,
        checked.options.append,
        folder=checked.options.image.is_dir(),
        hvc=checked.options.hvc,
    )
    if len(os.fsencode(line)) > _COMMAND_LINE_LIMIT:
        raise UsageError(f"--append makes a kernel command line of more than {_COMMAND_LINE_LIMIT} bytes")
    return KernelBoot(loaded.kernel_fd, loaded.initramfs_fd, line)


def _debugging(options: RunOptions) -> tuple[str, ...]:
    """QEMU's own options to look into it."""
    args: list[str] = ["-no-shutdown"] if options.no_shutdown else []
    if options.logging_items is not None:
        args += ["-d", options.logging_items]
    for event in options.trace:
        args += ["-trace", event]
    if options.logfile is not None:
        args += ["-D", os.fspath(options.logfile.absolute())]
    return tuple(args)


def _plan(checked: _Checked, files: rundir.Files, cids: Iterable[int], environment: dict[str, str]) -> MachineSpec:
    """The whole VM, now that its name is known."""
    options, name = checked.options, files.folder.name
    console_log = options.console_log.absolute() if options.console_log is not None else None
    if console_log is None and (options.detach or options.service is not None):
        console_log = files.console_log
    return MachineSpec(
        name=name,
        arch=checked.arch,
        accel=checked.accel,
        cpu_model=options.cpu_model or qemu_args.cpu_model(checked.arch, checked.accel),
        memory=options.memory,
        cpus=options.cpus,
        boot=_boot(checked, files),
        disks=checked.disks,
        nics=tuple(n if n.mac else replace(n, mac=identity.mac(name, number)) for number, n in enumerate(checked.nics)),
        cid=identity.cid(os.getuid(), name, tuple(cids)) if host.vsock_usable() else None,
        fw_cfg=fwcfg.collect(
            name,
            keys=host.public_keys(Path.home(), environment),
            timezone=host.timezone(),
            lang=host.lang(environment),
            system_ini=options.system_ini,
            application_ini=options.application_ini,
            given=checked.given,
        ),
        files=files,
        console_log=console_log,
        extra=(*_debugging(options), *options.qemu_args),
        sock_forward=tuple(path.absolute() for path in options.sock_forward),
        display=options.display,
        pci=options.pci,
        usb=options.usb,
        shares=options.shares,
        hvc=options.hvc,
        guest_agent=options.guest_agent,
        virtiofs=None if checked.shared is None else files.virtiofs,
    )


def _claim(top: Path, options: RunOptions, artifact: str | None) -> rundir.Claim:
    if options.name is not None:
        claim = rundir.claim(top, options.name)
        if claim is None:
            raise VmError(
                f"a VM named {options.name} is already running",
                tip=f"stop it (vm stop -w {options.name}), or choose another --name",
            )
        return claim
    candidate = identity.candidates(artifact)
    for n in range(1000):
        claim = rundir.claim(top, candidate(n))
        if claim is not None:
            return claim
    raise VmError(f"1000 VMs of {artifact} are running")


def _artifact(checked: _Checked) -> str | None:
    """What the image calls itself; a disk says nothing."""
    return None if checked.loaded is None else checked.loaded.artifact


def _print_plan(checked: _Checked, top: Path, environment: dict[str, str]) -> None:
    """--dry-run: the command line on stdout, what its descriptors would be on stderr."""
    name = checked.options.name or identity.candidates(_artifact(checked))(0)
    spec = _plan(checked, rundir.Files(top / name), (), environment)
    fds = spec.boot.fds if isinstance(spec.boot, KernelBoot) else ()
    owner_fd = max(fds, default=2) + 1
    spec = replace(spec, nics=tuple(connecting.shown(spec.nics, owner_fd + 1)))
    print(process.show(qemu_args.build(spec, owner_fd)))
    if checked.loaded is not None:
        found = checked.loaded.files
        for fd, path in zip(fds, (found.kernel, found.initramfs), strict=False):
            log.info(f"/proc/self/fd/{fd} is {checked.options.image}:/{path}")
    if checked.firmware is not None:
        log.info(f"{rundir.Files(top / name).efi_variables} is a copy of {checked.firmware.template}")
    log.info(f"fd={owner_fd} is a connection that vm keeps to control QEMU")


def run(options: RunOptions, loading: kernel.Loading | None = None) -> None:
    """Boot the image; returns when the VM has ended well, or with --detach when it is up. VmError otherwise.

    `loading`: its kernel, if reading that has begun already.
    """
    found = _launch(options, tied=False, loading=loading)
    if found is None:
        return
    where = f"; SSH on port {found.ssh[1]} of {found.ssh[0]}" if found.ssh else ""
    log.info(f"{found.name} is running{where}; console log: {found.console_log}")
    print(found.name, flush=True)
    if options.wait_ssh is not None:
        waiting.wait(found.name, waiting.Goal.SSH, options.wait_ssh)


def detached(options: RunOptions) -> info.VmInfo:
    """The same in the background, without a word; it ends with this process, however that ends."""
    found = _launch(replace(options, detach=True), tied=True)
    assert found is not None
    return found


def serve(options: RunOptions, on_up: supervisor.Up, on_stop: Callable[[], None]) -> None:
    """The same as a service: no terminal, the console in the run directory's log."""
    _launch(replace(options, service=Hooks(on_up, on_stop)), tied=False)


def _launch(options: RunOptions, *, tied: bool, loading: kernel.Loading | None = None) -> info.VmInfo | None:
    """The VM, up, with --detach; None when it has ended, or nothing was to be started."""
    environment = dict(os.environ)
    top = rundir.root(environment)
    checked = _check(options, environment, loading)
    fds: list[int] = []
    try:
        if options.dry_run:
            _print_plan(checked, top, environment)
            return None
        claim = _claim(top, options, _artifact(checked))
        try:
            cids = [vm.info.cid for vm in info.all_vms(top) if vm.info is not None and vm.info.cid is not None]
            spec = _plan(checked, claim.files, cids, environment)
            nics, fds = nic.acquire(spec.nics, top / ".functions")
            spec = replace(spec, nics=tuple(nics))
            if checked.firmware is not None:
                shutil.copyfile(checked.firmware.template, claim.files.efi_variables)
        except BaseException:
            claim.release()
            raise
        return _start(_Start(options, spec, claim, checked.shared, tuple(fds)), tied=tied)
    finally:
        for fd in fds:
            os.close(fd)
        if checked.loaded is not None:
            checked.loaded.close()


@dataclass(frozen=True)
class _Start:
    """All that a start needs. `fds`: of the network interfaces, for QEMU."""

    options: RunOptions
    spec: MachineSpec
    claim: rundir.Claim
    shared: virtiofs.Shared | None
    fds: tuple[int, ...]


def _start(start: _Start, *, tied: bool) -> info.VmInfo | None:
    options, spec, claim = start.options, start.spec, start.claim
    image = str(options.image.absolute())  # a detached VM's process has another working folder

    def work(on_up: supervisor.Up) -> None:
        inherit = spec.boot.fds if isinstance(spec.boot, KernelBoot) else ()
        machine = Machine(
            spec,
            image=image,
            lock_fd=claim.fd,
            inherit=(*inherit, *start.fds),
            timeout=options.timeout,
            detached=options.detach or options.service is not None,
            on_up=on_up,
            on_stop=None if options.service is None else options.service.on_stop,
            stop_timeout=options.stop_timeout,
            virtiofs=None if start.shared is None else str(start.shared.folder),
        )
        with virtiofs.serving(start.shared, spec.files.virtiofs, spec.files.virtiofs_log):
            machine.run()

    log_is_new = spec.console_log is not None and not spec.console_log.exists()
    try:
        if options.detach:
            return supervisor.launch(claim, work, tied=tied)
        try:
            work(_say_up if options.service is None else options.service.on_up)
        finally:
            claim.release()
        return None
    except VmError:
        path = spec.console_log
        if log_is_new and path is not None and path.exists() and path.stat().st_size == 0:
            path.unlink()  # QEMU made it and failed
        raise


def _say_up(found: info.VmInfo) -> None:
    where = f"; SSH on port {found.ssh[1]} of {found.ssh[0]}" if found.ssh else ""
    keys = "; Ctrl-] asks it to power down" if os.isatty(0) else ""
    log.info(f"{found.name} is running{where}{keys}")
