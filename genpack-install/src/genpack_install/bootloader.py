# SPDX-License-Identifier: MIT
"""Boot loaders: made from GRUB's modules, found in images or on the host, put on disks.

Sources: boot.S, diskboot.S and util/setup.c of GRUB 2 for the fields of boot.img and core.img.
"""

from __future__ import annotations

import importlib.resources
import io
import re
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from genpack_install import fat, files, process
from genpack_install.errors import InstallError, UsageError
from genpack_install.image import LOADERS, Image
from genpack_install.log import Log
from genpack_install.model import MIB, BootFile

#: Where GRUB's own modules lie, a folder for each platform.
GRUB = Path("/usr/lib/grub")
HOST_FOLDERS = (Path("/usr/local/lib/genpack-install"), Path("/usr/lib/genpack-install"))
EFI_NAME = re.compile(r"boot(x64|ia32|aa64|riscv64)\.efi")

#: EFI loaders: GRUB's platform -> the name that UEFI firmware looks for (UEFI specification, 3.5.1.1).
EFI = {
    "x86_64-efi": "bootx64.efi",
    "i386-efi": "bootia32.efi",
    "arm64-efi": "bootaa64.efi",
    "riscv64-efi": "bootriscv64.efi",
}
BIOS = "i386-pc"
ELTORITO = "eltorito"
_MODULES = (
    *("btrfs", "configfile", "echo", "ext2", "fat", "gzio", "iso9660", "linux", "loadenv", "loopback", "lzopio"),
    *("normal", "part_gpt", "part_msdos", "probe", "reboot", "regexp", "search", "search_fs_file", "search_fs_uuid"),
    *("search_label", "serial", "sleep", "squash4", "terminal", "test", "true", "xfs", "xzio"),
)
_BIOS_MODULES = ("biosdisk",)
#: The time of files on the EFI boot image of CDs: the first that FAT knows, 1 January 1980.
_EPOCH = 315532800


def grub_cfg() -> str:
    """The boot menu."""
    return importlib.resources.files("genpack_install").joinpath("data/grub.cfg").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Loaders:
    """What was found: EFI loaders by file name, the parts of the BIOS loader, and those for CDs. `origin`: where."""

    efi: dict[str, bytes]
    boot_img: bytes | None
    core_img: bytes | None
    cd_bios: bytes | None
    cd_efi: bytes | None
    hybrid: bytes | None
    origin: str

    def files(self) -> list[BootFile]:
        """What of them lies on a boot partition."""
        found = [BootFile(f"efi/boot/{name}", content=data) for name, data in sorted(self.efi.items())]
        if self.core_img is not None or self.cd_bios is not None:
            found.append(BootFile("boot/grub/grub.cfg", content=grub_cfg().encode()))
        return found


def _from(folder: Path, origin: str) -> Loaders:
    def read(name: str) -> bytes | None:
        path = folder / name
        return path.read_bytes() if path.is_file() else None

    efi = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if EFI_NAME.fullmatch(path.name)}
    return Loaders(
        efi,
        read("boot.img"),
        read("core.img"),
        read("eltorito-bios.img"),
        read("eltorito-efi.img"),
        read("boot-hybrid.img"),
        origin,
    )


def find(image: Image, given: Path | None, log: Log) -> Loaders:
    """Those of the folder that is given, else those in the image, else the host's. UsageError if there are none."""
    if given is not None:
        if not given.is_dir():
            raise UsageError(
                f"--bootloaders: there is no folder {given}", tip="genpack-install build-bootloaders makes it"
            )
        found = _from(given, str(given))
    elif image.below(LOADERS):
        with TemporaryDirectory(prefix="genpack-install-") as temporary:
            image.extract(log, Path(temporary) / "image", LOADERS)
            found = _from(Path(temporary) / "image" / LOADERS, "the image")
    else:
        folder = next((folder for folder in HOST_FOLDERS if folder.is_dir()), None)
        if folder is None:
            if image.raspberry_pi:
                return Loaders({}, None, None, None, None, None, "the image")
            raise UsageError(
                f"neither the image nor this machine has boot loaders (/{LOADERS})",
                tip="make them with: genpack-install build-bootloaders --output DIR, and give --bootloaders DIR",
            )
        found = _from(folder, str(folder))
    if not image.raspberry_pi and not found.efi and (found.boot_img is None or found.core_img is None):
        raise UsageError(f"no boot loader in {found.origin}", tip="genpack-install build-bootloaders makes them")
    return found


def _memdisk(path: Path) -> None:
    """A tar archive with the menu, as the EFI loaders carry it."""
    content = grub_cfg().encode()
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        member = tarfile.TarInfo("boot/grub/grub.cfg")
        member.size, member.mode = len(content), 0o644
        archive.addfile(member, io.BytesIO(content))


def _available(grub: Path, platform: str, modules: Sequence[str]) -> list[str]:
    return [name for name in modules if (grub / platform / f"{name}.mod").is_file()]


def platforms(grub: Path) -> list[str]:
    """The targets that the modules of this machine allow."""
    found = [name for name in (*EFI, BIOS) if (grub / name).is_dir()]
    return [*found, ELTORITO] if found else found


def build(output: Path, targets: Sequence[str], grub: Path, log: Log) -> list[Path]:
    """Makes boot loaders in the folder `output`; the files made. `targets`: of `platforms`, all if empty."""
    possible = platforms(grub)
    for name in targets:
        if name not in (*EFI, BIOS, ELTORITO):
            raise UsageError(f"--targets: unknown target {name}", tip=f"known are {', '.join((*EFI, BIOS, ELTORITO))}")
    wanted = list(targets) or possible
    lacking = [name for name in wanted if name not in possible]
    if lacking or not wanted:
        raise InstallError(
            f"GRUB's modules for {', '.join(lacking) or 'any platform'} are not in {grub}",
            tip="on Debian: apt install grub-efi-amd64-bin grub-efi-ia32-bin grub-pc-bin",
        )
    eltorito_bios = ELTORITO in wanted and (grub / BIOS).is_dir()
    process.require(["grub-mkimage", *(fat.PROGRAMS if ELTORITO in wanted else ())])
    output.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []
    with TemporaryDirectory(prefix="genpack-install-") as name:
        temporary = Path(name)
        memdisk = temporary / "memdisk.tar"
        _memdisk(memdisk)

        def image(platform: str, folder: str, file: str, prefix: str, *, carry_menu: bool) -> Path:
            modules = _available(grub, folder, (*_MODULES, *(_BIOS_MODULES if folder == BIOS else ())))
            words: list[str | Path] = ["grub-mkimage", "-d", grub / folder, "-O", platform, "-p", prefix]
            words += ["-o", temporary / file]
            if carry_menu:
                words += ["-m", memdisk]
                modules = [*modules, "memdisk", "tar"]
            process.run([*words, *modules], log)
            return temporary / file

        sources: dict[str, Path] = {}
        for platform, file in EFI.items():
            if platform in wanted or (ELTORITO in wanted and platform in possible):
                sources[file] = image(platform, platform, file, "(memdisk)/boot/grub", carry_menu=True)
        keep = {file for platform, file in EFI.items() if platform in wanted}
        if BIOS in wanted:
            sources["core.img"] = image(BIOS, BIOS, "core.img", "(,msdos1)/boot/grub", carry_menu=False)
            sources["boot.img"] = grub / BIOS / "boot.img"
        if eltorito_bios:
            file = "eltorito-bios.img"
            sources[file] = image("i386-pc-eltorito", BIOS, file, "/boot/grub", carry_menu=False)
            sources["boot-hybrid.img"] = grub / BIOS / "boot_hybrid.img"
        efi = [BootFile(f"efi/boot/{name}", source=path) for name, path in sources.items() if name in EFI.values()]
        if ELTORITO in wanted and efi:
            sources["eltorito-efi.img"] = temporary / "eltorito-efi.img"
            _efi_image(sources["eltorito-efi.img"], efi, log)
        for file, source in sorted(sources.items()):
            if file in EFI.values() and file not in keep:
                continue
            files.write(output / file, source.read_bytes())
            made.append(output / file)
    return made


def _efi_image(path: Path, efi: Sequence[BootFile], log: Log) -> None:
    """The EFI boot image of a CD: a FAT file system with the loaders."""
    content = sum(file.size for file in efi)
    size = -(-(content + content // 16 + MIB // 4) // MIB) * MIB
    with path.open("wb") as file:
        file.truncate(size)
    # FAT12 or FAT16, as its size asks for: the firmware reads these too.
    process.run(["mkfs.fat", "--invariant", "-n", "EFI", path, str(size // 1024)], log)
    fat.fill(path, 0, efi, log, epoch=_EPOCH)
