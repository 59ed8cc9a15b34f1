# SPDX-License-Identifier: MIT
"""The definitions of genpack-artifacts by the installed commands: checked, valid by the schema, shown, read again."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import json5
import jsonschema
import pytest
from harness.commands import run
from harness.toy import Mirror

ARTIFACTS = Path(__file__).resolve().parents[2] / "genpack-artifacts"
TEMPLATES = sorted(path.name for path in (ARTIFACTS / "templates").iterdir())
DEFINITIONS = sorted(path for name in ("genpack.json5", "genpack.json") for path in ARTIFACTS.glob(f"*/{name}"))


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json.loads(run("genpack", "schema").ok().stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def variants(definition: dict[str, Any]) -> list[str | None]:
    """What can be built; without a variant only if none is the default."""
    return [*([] if "default_variant" in definition else [None]), *definition.get("variants", {})]


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.parent.name)
def test_a_definition_of_genpack_artifacts(toy_mirror: Mirror, validator: Any, tmp_path: Path, path: Path) -> None:
    definition = json5.loads(path.read_text())
    assert [error.message for error in validator.iter_errors(definition)] == []
    overlay = ("--overlay-override", toy_mirror.overlay)
    for variant in variants(definition):
        words = ("--variant", variant) if variant else ()
        shown = run("genpack", "-C", path.parent, *overlay, *words, "show").ok().stdout
        assert [error.message for error in validator.iter_errors(json.loads(shown))] == []
        folder = tmp_path / (variant or "base")
        folder.mkdir()
        (folder / "genpack.json5").write_text(shown)
        if (path.parent / "env").is_dir():
            (folder / "env").symlink_to(path.parent / "env")
        assert run("genpack", "-C", folder, *overlay, "show").ok().stdout == shown


def test_there_are_definitions() -> None:
    assert "hello" in [path.parent.name for path in DEFINITIONS]


def test_templates_and_stencils_are_good_definitions(toy_mirror: Mirror, tmp_path: Path) -> None:
    """Each template makes a good artifact, and so does each stencil that is laid into it, by genpack's own check."""
    env = {"GENPACK_OVERLAY_OVERRIDE": str(toy_mirror.overlay)}
    for template in TEMPLATES:
        run("genpack-artifacts", "new", template, "--from", template, "--dir", tmp_path).ok()
    themes = json.loads(run("genpack-artifacts", "list", "--stencils", "--json").ok().stdout)["stencils"]
    for theme in themes:
        name = f"with-{theme['name']}"
        run("genpack-artifacts", "new", name, "--dir", tmp_path).ok()
        run("genpack-artifacts", "apply", theme["name"], tmp_path / name).ok()
    checked = run("genpack-artifacts", "check", "--dir", tmp_path, env=env)
    assert (checked.status, checked.stderr) == (0, "")
    good = sorted([*TEMPLATES, *(f"with-{theme['name']}" for theme in themes)])
    assert checked.stdout.splitlines() == [f"{name}: good" for name in good]
    # The check really is genpack's: it knows the profiles.
    bad = tmp_path / "minimal" / "genpack.json5"
    bad.write_text(bad.read_text().replace('"paravirt"', '"paravrit"'))
    result = run("genpack-artifacts", "check", "minimal", "--dir", tmp_path, env=env)
    assert result.status == 2
    assert "there is no profile 'paravrit'" in result.stderr


#: Units that a definition may enable without bringing them: the package of each, None for what every image has or what
#: profiles bring. Gentoo's tree is not here to ask; its ebuilds are where these were looked up.
UNITS = {
    "NetworkManager.service": "net-misc/networkmanager",
    "apache2.service": "www-servers/apache",
    "bluetooth.service": "genpack/wireless",
    "cups.socket": "net-print/cups",
    "dnsmasq.service": "net-dns/dnsmasq",
    "docker.service": "app-containers/docker",
    "fstrim.timer": None,
    "gdm.service": None,
    "lighttpd.service": "www-servers/lighttpd",
    "motion.service": "media-video/motion",
    "mysqld.service": "dev-db/mysql",
    "nginx.service": "www-servers/nginx",
    "node_exporter.service": "app-metrics/node_exporter",
    "nvidia-persistenced.service": "x11-drivers/nvidia-drivers",
    "postgresql.service": "dev-db/postgresql",
    "seatd.service": "sys-auth/seatd",
    "smartd.service": None,
    "status-beep.service": "app-misc/status-beep",
    "suricata.service": "net-analyzer/suricata",
}
#: Packages that others of a definition bring.
BROUGHT = {"sys-auth/seatd": "dev-libs/weston"}
#: Programs that units start without bringing them, in the same way.
PROGRAMS = {
    "/bin/mount": None,
    "/bin/sh": None,
    "/bin/systemctl": None,
    "/sbin/nft": "net-firewall/nftables",
    "/usr/bin/jupyter": "dev-python/jupyterlab",
    "/usr/bin/ocis": "www-apps/ocis-bin",
    "/usr/bin/php": "dev-lang/php",
    "/usr/bin/ruby": "www-apps/redmine",
    "/usr/bin/setpriv": None,
    "/usr/bin/suricata-update": "net-analyzer/suricata",
    "/usr/bin/systemd-tmpfiles": None,
    "/usr/bin/weston": "dev-libs/weston",
}
TREES = sorted(path.parent for path in ARTIFACTS.glob("**/files") if "templates" not in path.parts)


def everything(folder: Path, key: str) -> set[str]:
    """All entries of a list of a definition, whatever the architecture and variant."""
    definition = json5.loads((folder / "genpack.json5").read_text())
    parts = [definition, *definition.get("variants", {}).values()]
    parts += [part for each in list(parts) for part in each.get("arch", {}).values()]
    return {entry for part in parts for entry in part.get(key, [])}


def brings(folder: Path, package: str | None) -> bool:
    """True if a definition names a package, or one that brings it, or has a profile that does."""
    if package is None:
        return True
    named = everything(folder, "packages")
    profile = str(json5.loads((folder / "genpack.json5").read_text()).get("profile"))
    by_profile = package == "sys-auth/seatd" and profile.startswith("weston/")
    return package in named or BROUGHT.get(package) in named or by_profile


def install(folder: Path, root: Path) -> None:
    """files/ into a root with the links of Gentoo's merged /usr, by the options of tar that genpack uses."""
    for name in ("bin", "lib", "lib64", "sbin"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    pack: list[str | Path] = ["tar", "--directory", folder / "files", "--sort=name", "--create", "--file=-", "."]
    archive = subprocess.run(pack, stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout
    unpack: list[str | Path] = ["tar", "--directory", root, "--extract", "--file=-", "--keep-directory-symlink"]
    subprocess.run([*unpack, "--no-overwrite-dir"], input=archive, check=True)


@pytest.mark.parametrize("folder", TREES, ids=lambda path: path.name)
def test_files_install_and_units_verify(folder: Path, tmp_path: Path) -> None:
    """systemd's own check says nothing of any unit once the programs of packages are there (as empty files)."""
    install(folder, tmp_path)
    places = [tmp_path / where / "systemd/system" for where in ("usr/lib", "etc")]
    units = [path for place in places for path in sorted(place.glob("*.*")) if path.is_file()]
    missing = {unit for unit in everything(folder, "services") if not any((place / unit).exists() for place in places)}
    assert {unit for unit in missing if not brings(folder, UNITS.get(unit, unit))} == set()
    for unit in units:
        for program in re.findall(r"^Exec\w+=[-@:+!]*(/\S+)", unit.read_text(), re.MULTILINE):
            if not (tmp_path / program[1:]).exists():
                assert program in PROGRAMS and brings(folder, PROGRAMS[program]), f"{unit.name}: {program}"
                (tmp_path / program[1:]).touch(mode=0o755)
    if units:
        names = [unit.name for unit in units]
        verified = run("systemd-analyze", "--man=no", "--recursive-errors=no", f"--root={tmp_path}", "verify", *names)
        said = verified.stdout + verified.stderr
        assert verified.status == 0 and not said, said


def test_a_bad_unit_is_found(tmp_path: Path) -> None:
    """The check above can fail: a setting that systemd does not know, and a program that nobody brings."""
    folder = tmp_path / "artifact"
    shutil.copytree(ARTIFACTS / "hello", folder)
    unit = folder / "files/usr/lib/systemd/system/hello.service"
    good = unit.read_text()
    for line, what in (("Usr=hello\n", "Usr"), ("ExecReload=/usr/libexec/helo\n", "/usr/libexec/helo")):
        unit.write_text(good.replace("[Service]\n", f"[Service]\n{line}"))
        (tmp_path / what.strip("/").replace("/", "-")).mkdir()
        with pytest.raises(AssertionError, match=what):
            test_files_install_and_units_verify(folder, tmp_path / what.strip("/").replace("/", "-"))
