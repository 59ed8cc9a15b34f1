# SPDX-License-Identifier: MIT
"""The definitions of genpack-artifacts by the installed commands: checked, valid by the schema, shown, read again."""

from __future__ import annotations

import json
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
