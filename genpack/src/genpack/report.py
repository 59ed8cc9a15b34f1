# SPDX-License-Identifier: MIT
"""`genpack report`: one HTML file on an image, which needs no network: its script and data are in it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections import Counter
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from genpack import __version__, artifact, files, image, packages, records, usage, vardb
from genpack.errors import GenpackError, UsageError
from genpack.log import Log
from genpack.model import Definition
from genpack.settings import Settings
from genpack.usage import File, Usage
from genpack.workdir import WorkDir

#: What no package brought: made by package scripts, build scripts, files/.
NO_PACKAGE = "(made while building)"
#: Files smaller than this part of all are drawn as one box in their folder.
SMALL = 1 / 20000
#: Folders listed as changed.
FOLDERS = 40

Tree = dict[str, object]


def run(settings: Settings, log: Log, *, diff: Path | None, output: Path | None) -> Path:
    """Writes the page for the artifact's image; its path. Raises GenpackError if there is no image, or the work folder
    is not the one it was built in."""
    merged = artifact.load(settings, log, None)
    path = artifact.image_path(settings, merged)
    image.check(path)
    work = WorkDir(settings.work_root, merged.arch, merged.variant)
    used = usage.load(work.usage_file)
    manifest = records.load_manifest(path)
    about = manifest.get("image")
    if not isinstance(about, dict) or about.get("sha256") != used.image:
        tip = "build again with 'genpack build', or name its folder with --work-dir"
        raise GenpackError(f"{path.name} is not the image that was last packed in {work.top}", tip=tip)
    data = describe(merged, about, used, image.packages(path))
    state = work.load()
    phases = {"lower": state.lower, "upper": state.upper, "pack": state.pack}
    data["phases"] = [{"name": name, "seconds": saved.seconds} for name, saved in phases.items() if saved]
    if diff is not None:
        data["diff"] = differences(diff, path)
    target = output or path.with_name(f"{path.name.removesuffix('.squashfs')}.report.html")
    if target.is_dir():
        raise UsageError(f"{target} is a folder", tip="name a file")
    files.write(target, page(path.name.removesuffix(".squashfs"), data).encode())
    return target


def describe(merged: Definition, about: dict[str, object], used: Usage, listed: Iterable[image.Package]) -> Tree:
    """All that the page shows of the image itself."""
    sizes: Counter[str] = Counter()
    for file in used.files:
        sizes[file.package or NO_PACKAGE] += file.size
    rows = []
    for package in listed:
        category, name, version = vardb.split(package.name)
        rows.append(
            {
                "name": f"{category}/{name}",
                "version": version,
                "licence": package.license,
                "use": " ".join(package.use),
                "description": package.description,
                "homepage": package.homepage.partition(" ")[0],
                "size": sizes[package.name],
            }
        )
    return {
        "arch": merged.arch,
        "profile": merged.profile,
        "variant": merged.variant,
        "image": about,
        "total": used.total,
        "packages": rows,
        "folders": tree(((file.path.split("/"), file.size) for file in used.files), used.total),
        "owners": tree((_owner(file), file.size) for file in used.files) | {"n": ""},
        "diff": None,
    }


def _owner(file: File) -> list[str]:
    """A file's place below its package: category, package, path."""
    if file.package is None:
        return [NO_PACKAGE, *file.path.split("/")]
    return [*file.package.split("/"), *file.path.split("/")]


def tree(found: Iterable[tuple[list[str], int]], total: int = 0) -> Tree:
    """Nested boxes {n: name, s: bytes, c: boxes}. A chain of folders with one box each is one box; small files of a
    folder are one box."""
    top: dict[str, object] = {}
    entries = list(found)
    limit = (total or sum(size for _, size in entries)) * SMALL
    for parts, size in entries:
        place = top
        for part in parts[:-1]:
            place = place.setdefault(part, {})  # type: ignore[assignment]  # what a path goes through is a folder
        place[parts[-1]] = size
    return _box("", top, limit)


def _box(name: str, content: object, limit: float) -> Tree:
    if isinstance(content, int):
        return {"n": name, "s": content}
    assert isinstance(content, dict)
    boxes: list[tuple[int, Tree]] = []
    small: list[tuple[int, Tree]] = []
    for inner, below in content.items():
        box = _box(inner, below, limit)
        size = box["s"]
        assert isinstance(size, int)
        (small if size < limit else boxes).append((size, box))
    if len(small) > 1:
        size = sum(size for size, _ in small)
        boxes.append((size, {"n": f"({len(small)} small)", "s": size}))
    else:
        boxes += small
    if len(boxes) == 1 and name:
        only = boxes[0][1]
        return {**only, "n": f"{name}/{only['n']}"}
    return {"n": name, "s": sum(size for size, _ in boxes), "c": [box for _, box in boxes]}


def differences(old: Path, new: Path) -> Tree:
    """What the page shows of another image, against which this one is held."""
    changes = packages.compare(image.packages(old), image.packages(new))
    rows = []
    for change in changes:
        what = "; ".join(f"{name}: {packages.describe(change, name)}" for name in change.what)
        present = change.old or change.new
        version = vardb.split(present.name)[2] if present else ""
        rows.append([change.package, change.kind, what if change.kind == "changed" else version])
    before, after = (_by_folder(image.sizes(path)) for path in (old, new))
    differ = [name for name in before.keys() | after.keys() if before[name] != after[name]]
    differ.sort(key=lambda name: (-abs(after[name] - before[name]), name))
    folders = [[name, before[name], after[name]] for name in differ[:FOLDERS]]
    return {"file": old.name, "size": old.stat().st_size, "packages": rows, "folders": folders}


def _by_folder(sizes: dict[str, int]) -> Counter[str]:
    found: Counter[str] = Counter()
    for path, size in sizes.items():
        found[path.rpartition("/")[0]] += size
    return found


def page(title: str, data: Tree) -> str:
    """The whole page. Its policy lets nothing run but its own script, and nothing load."""
    texts = {name: resources.files("genpack").joinpath("web", f"report.{name}").read_text() for name in _PARTS}
    sources = " ".join(f"{kind}-src 'sha256-{_digest(texts[name])}';" for kind, name in _POLICY)
    # "<" can't end the script element that the data is in.
    shown = json.dumps(data, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")
    values = {
        "POLICY": f"default-src 'none'; {sources} base-uri 'none'; form-action 'none'",
        "GENERATOR": f"genpack {__version__}",
        "TITLE": html.escape(title),
        "STYLE": texts["css"],
        "DATA": shown,
        "SCRIPT": texts["js"],
    }
    parts = texts["html"].split("@")
    return "".join(values.get(part, f"@{part}@") if index % 2 else part for index, part in enumerate(parts))


_PARTS = ("html", "css", "js")
_POLICY = (("style", "css"), ("script", "js"))


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
