# SPDX-License-Identifier: MIT
"""`genpack report` in a browser that has no network: what it draws, and that it draws it by its own script alone."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.commands import Argument, Result, run
from harness.toy import Workspace

OLD_PACKAGES = "app-misc/toy-0.9[0]\n# USE: old\n# LICENSE: MIT\n\napp-misc/gone-1[0]\n\n"
#: Something to draw.
FOLDERS = ("mail", "web", "music", "backup", "photos", "cache")
#: Clicks and types as a person would, then says what there is to see.
DRIVER = """
const rect = (selector) => document.querySelector(selector).getBoundingClientRect();
const seen = {};
seen.wide = document.documentElement.scrollWidth - window.innerWidth;
seen.boxes = document.querySelectorAll("#map rect").length;
seen.map = Math.round(rect("#map svg").width) + "x" + Math.round(rect("#map svg").height);
document.querySelector("#map g.open").dispatchEvent(new MouseEvent("click"));
seen.zoomed = document.querySelector("#crumbs").textContent;
document.querySelector("#crumbs button").click();
seen.back = document.querySelector("#crumbs").textContent;
document.querySelector("#by-package").click();
seen.owners = [...document.querySelectorAll("#map-list tbody th")].map((cell) => cell.textContent).join(",");
const search = document.querySelector("#search");
for (const [name, text] of [["hit", "TOY mit"], ["miss", "nothing-is-called-so"]]) {
  search.value = text;
  search.dispatchEvent(new Event("input"));
  seen[name] = document.querySelectorAll("#packages tbody tr").length;
}
const result = document.createElement("pre");
result.id = "seen";
result.textContent = Object.entries(seen).map(([key, value]) => key + "=" + value).join("\\n");
document.body.append(result);
"""


class Browser:
    """Headless Chromium without a network, with a profile of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, page: Path, *words: Argument, window: str = "1200,1700") -> Result:
        argv: list[Argument] = ["unshare", "--net", "chromium", "--headless", "--no-sandbox", "--disable-gpu"]
        argv += ["--hide-scrollbars", f"--user-data-dir={self.folder}", "--enable-logging=stderr"]
        env = {"HOME": str(self.folder), "DBUS_SESSION_BUS_ADDRESS": "disabled:"}
        return run(*argv, f"--window-size={window}", *words, f"file://{page}", env=env, timeout=120).ok()

    def dom(self, page: Path, window: str = "1200,1700") -> tuple[str, list[str]]:
        """The page as it is after its script, and what the console says."""
        result = self.run(page, "--dump-dom", window=window)
        return result.stdout, [line for line in result.stderr.splitlines() if "CONSOLE" in line]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Browser:
    return Browser(tmp_path_factory.mktemp("chromium"))


@pytest.fixture(scope="module")
def page(toy: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    toy.define()
    files = [toy.write(f"srv/{name}/data", "x" * 9000 * n) for n, name in enumerate(FOLDERS, start=1)]
    toy.genpack("build").ok()
    tree = tmp_path_factory.mktemp("old") / "tree"
    (tree / ".genpack").mkdir(parents=True)
    (tree / ".genpack/packages").write_text(OLD_PACKAGES)
    old = tree.with_suffix(".squashfs")
    run("mksquashfs", tree, old, "-quiet", "-no-progress").ok()
    target = tree.with_name("report.html")
    assert toy.genpack("report", "--diff", str(old), "-o", str(target)).ok().stdout == f"{target}\n"
    yield target
    for file in files:
        file.unlink()
        file.parent.rmdir()
    files[0].parent.parent.rmdir()


def test_drawn_without_a_network_and_without_a_complaint(browser: Browser, page: Path) -> None:
    dom, console = browser.dom(page)
    assert console == []
    assert 'data-drawn="yes"' in dom
    assert '<h1 id="name">toy-x86_64</h1>' in dom
    assert len(re.findall(r"<rect ", dom)) > 10
    # Not one address that a browser would ask for something, but the packages' homepages, which one clicks.
    assert set(re.findall(r'<(?:script|img|link|iframe)[^>]* (?:src|href)="([^"]*)"', dom)) == set()
    changes = dom.partition('id="changes-packages"')[2].partition("</table>")[0]
    assert re.search(r">app-misc/toy</th>.*>changed</td>.*version: 0\.9 -&gt; 1\.0; use: -old", changes)
    assert re.search(r">app-misc/gone</th>.*>removed</td>", changes)
    for phase in ("lower", "upper", "pack"):
        assert re.search(rf">{phase}</text>", dom)


def test_a_page_that_was_tampered_with_does_not_run(browser: Browser, page: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed.html"
    changed.write_text(page.read_text().replace('choose("folder");\n', 'choose("package");\n'))
    assert changed.read_text() != page.read_text()
    dom, console = browser.dom(changed)
    assert "data-drawn" not in dom
    assert any("Content Security Policy" in line for line in console), console


@pytest.mark.parametrize("window", ["1200,1700", "500,900"], ids=["screen", "phone"])
def test_used(browser: Browser, page: Path, tmp_path: Path, window: str) -> None:
    # The policy allows no second script: this copy of the page has none.
    text, count = re.subn(r"<meta http-equiv=[^>]*>", "", page.read_text())
    assert count == 1
    driven = tmp_path / "driven.html"
    driven.write_text(text.replace("</body>", f"<script>{DRIVER}</script></body>"))
    dom, console = browser.dom(driven, window)
    assert console == []
    found = re.search(r'<pre id="seen">(.*?)</pre>', dom, re.DOTALL)
    assert found, dom[-2000:]
    seen = dict(line.split("=", 1) for line in found[1].splitlines())
    assert int(seen["wide"]) <= 0  # nothing to scroll to at the side
    assert int(seen["boxes"]) > 5
    width, height = map(int, seen["map"].split("x"))
    assert width > 300
    assert height > 300
    assert re.fullmatch(r"image›.+", seen["zoomed"])
    assert seen["back"] == "image"
    assert "app-misc" in seen["owners"]
    assert (seen["hit"], seen["miss"]) == ("1", "0")


def first_pixel(png: bytes) -> tuple[int, int, tuple[int, ...]]:
    """Width, height and the colour at the top left. All of PNG's filters leave the first pixel of a file as it is."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    data, place = b"", 8
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        if png[place + 4 : place + 8] == b"IDAT":
            data += png[place + 8 : place + 8 + length]
        place += length + 12
    return width, height, tuple(zlib.decompress(data)[1:4])


@pytest.mark.parametrize(
    ("name", "window", "scheme", "dark"),
    [("light", "1200,1700", 1, False), ("dark", "1200,1700", 0, True), ("phone", "500,1900", 1, False)],
)
def test_screenshot(browser: Browser, page: Path, cache: Path, name: str, window: str, scheme: int, dark: bool) -> None:
    """Kept in the cache's logs, to be looked at."""
    target = cache / "logs" / f"report-{name}.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    browser.run(page, f"--screenshot={target}", f"--blink-settings=preferredColorScheme={scheme}", window=window)
    width, height, colour = first_pixel(target.read_bytes())
    assert [width, height] == [int(number) for number in window.split(",")]
    assert (sum(colour) < 200) is dark, colour
    assert target.stat().st_size > 30_000  # an empty page of this size has 10 kB
