# SPDX-License-Identifier: MIT
"""`vm run` as a list of steps: check, load, name, plan, start."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from genpack_vm import (
    accel,
    disk,
    fwcfg,
    host,
    identity,
    info,
    kernel,
    log,
    net,
    process,
    qemu_args,
    rundir,
    supervisor,
)
from genpack_vm.config import MIN_MEMORY, Disk, MachineSpec, RunOptions
from genpack_vm.errors import ImageError, UsageError, VmError
from genpack_vm.machine import Machine

_COMMAND_LINE_LIMIT = 2047  # bytes: COMMAND_LINE_SIZE of x86 is 2048 with its final zero


@dataclass(frozen=True)
class _Checked:
    """What is known before the VM has a name."""

    options: RunOptions
    loaded: kernel.Loaded
    accel: accel.Accel
    disks: tuple[Disk, ...]
    forwards: tuple[net.Forward, ...]
    given: tuple[fwcfg.Item, ...]


def _check_numbers(options: RunOptions) -> None:
    if options.memory < MIN_MEMORY:
        raise UsageError(f"--memory {options.memory}: at least {MIN_MEMORY} MiB are needed")
    if options.cpus < 1:
        raise UsageError(f"--cpu {options.cpus}: at least 1 is needed")
    if options.timeout is not None and options.timeout <= 0:
        raise UsageError(f"--timeout {options.timeout:g}: it must be more than 0 seconds")


def _check_log(path: Path | None) -> None:
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
        raise UsageError(f"--console-log: cannot write {path}: {problem}")


def _check(options: RunOptions, environment: dict[str, str]) -> _Checked:
    """Everything that can be wrong is found here, before the first side effect."""
    _check_numbers(options)
    if options.name is not None:
        identity.check_name(options.name)
    _check_log(options.console_log)
    forwards = tuple(net.parse_forward(text) for text in options.hostfwd)
    given = tuple(fwcfg.parse(text) for text in options.fw_cfg)
    wanted = accel.asked_for(options.kvm, environment.get("VM_ACCEL"))
    if options.image.is_dir():
        raise ImageError(f"{options.image} is a folder, not a SquashFS image")
    loaded = kernel.load(options.image)
    try:
        disks = disk.plan(options.image, options.data_file, options.swap, volatile_data=options.volatile_data)
        if not shutil.which(loaded.arch.qemu):
            raise process.missing(loaded.arch.qemu, f"run {loaded.arch.value} images")
        choice = accel.choose(loaded.arch, accel.look(), wanted)
        net.check_free(forwards)
        if options.ssh_forward and not any(f.protocol == "tcp" and f.guest_port == net.SSH_PORT for f in forwards):
            forwards = (net.SSH_FORWARD, *forwards)
    except BaseException:
        loaded.close()
        raise
    if choice.reason is not None:
        log.info(f"emulating the CPU (TCG), which is slow: {choice.reason}")
    if loaded.initramfs_fd is None:
        log.warning(f"{options.image} has no initramfs; its kernel must mount /dev/vda by itself")
    return _Checked(options, loaded, choice.accel, disks, forwards, given)


def _plan(checked: _Checked, files: rundir.Files, cids: Iterable[int], environment: dict[str, str]) -> MachineSpec:
    """The whole VM, now that its name is known."""
    options, loaded, name = checked.options, checked.loaded, files.folder.name
    command_line = qemu_args.command_line(name, loaded.arch, checked.accel, options.append)
    if len(os.fsencode(command_line)) > _COMMAND_LINE_LIMIT:
        raise UsageError(f"--append makes a kernel command line of more than {_COMMAND_LINE_LIMIT} bytes")
    console_log = options.console_log.absolute() if options.console_log is not None else None
    if console_log is None and options.detach:
        console_log = files.console_log
    return MachineSpec(
        name=name,
        arch=loaded.arch,
        accel=checked.accel,
        cpu_model=options.cpu_model or qemu_args.cpu_model(loaded.arch, checked.accel),
        memory=options.memory,
        cpus=options.cpus,
        kernel_fd=loaded.kernel_fd,
        initramfs_fd=loaded.initramfs_fd,
        command_line=command_line,
        disks=checked.disks,
        forwards=checked.forwards,
        mac=identity.mac(name, 0),
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
        extra=options.qemu_args,
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


def _print_plan(checked: _Checked, top: Path, environment: dict[str, str]) -> None:
    """--dry-run: the command line on stdout, what its descriptors would be on stderr."""
    name = checked.options.name or identity.candidates(checked.loaded.artifact)(0)
    spec = _plan(checked, rundir.Files(top / name), (), environment)
    owner_fd = max(checked.loaded.fds) + 1
    print(process.show(qemu_args.build(spec, owner_fd)))
    log.info(f"/proc/self/fd/{spec.kernel_fd} is {checked.options.image}:/{checked.loaded.files.kernel}")
    if spec.initramfs_fd is not None:
        log.info(f"/proc/self/fd/{spec.initramfs_fd} is {checked.options.image}:/{checked.loaded.files.initramfs}")
    log.info(f"fd={owner_fd} is a connection that vm keeps to control QEMU")


def run(options: RunOptions) -> None:
    """Boot the image; returns when the VM has ended well, or with --detach when it is up. VmError otherwise."""
    environment = dict(os.environ)
    top = rundir.root(environment)
    checked = _check(options, environment)
    try:
        if options.dry_run:
            _print_plan(checked, top, environment)
            return
        claim = _claim(top, options, checked.loaded.artifact)
        try:
            cids = [vm.info.cid for vm in info.all_vms(top) if vm.info is not None and vm.info.cid is not None]
            spec = _plan(checked, claim.files, cids, environment)
        except BaseException:
            claim.release()
            raise
        _start(options, spec, claim)
    finally:
        checked.loaded.close()


def _start(options: RunOptions, spec: MachineSpec, claim: rundir.Claim) -> None:
    image = str(options.image.absolute())  # a detached VM's process has another working folder

    def work(on_up: supervisor.Up) -> None:
        inherit = (spec.kernel_fd,) if spec.initramfs_fd is None else (spec.kernel_fd, spec.initramfs_fd)
        machine = Machine(
            spec,
            image=image,
            lock_fd=claim.fd,
            inherit=inherit,
            timeout=options.timeout,
            detached=options.detach,
            on_up=on_up,
        )
        machine.run()

    log_is_new = spec.console_log is not None and not spec.console_log.exists()
    try:
        if options.detach:
            found = supervisor.launch(claim, work)
            where = f"; SSH on port {found.ssh[1]} of {found.ssh[0]}" if found.ssh else ""
            log.info(f"{found.name} is running{where}; console log: {found.console_log}")
            print(found.name)
            return
        try:
            work(_say_up)
        finally:
            claim.release()
    except VmError:
        path = spec.console_log
        if log_is_new and path is not None and path.exists() and path.stat().st_size == 0:
            path.unlink()  # QEMU made it and failed
        raise


def _say_up(found: info.VmInfo) -> None:
    where = f"; SSH on port {found.ssh[1]} of {found.ssh[0]}" if found.ssh else ""
    keys = "; Ctrl-] asks it to power down" if os.isatty(0) else ""
    log.info(f"{found.name} is running{where}{keys}")
