"""The page of every screen shows what differs, runs nothing of a snapshot, and asks no network."""

import os
import re
import subprocess
import sys
from base64 import b64encode
from hashlib import sha256
from html import escape
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.support.gallery.page import Picture, write
from tests.support.gallery.plugin import drawn_otherwise
from tests.support.gallery.redraw import NotADrawing, differing, draw, read
from tests.support.showcase import play
from tui.app import WebhooksApp
from tui.desk import Desk

_ROOT = Path(__file__).parents[2]
_SNAPSHOTS = Path(__file__).with_name("__snapshots__") / "test_snapshots"
_DRAWN = {"svg", "rect", "text"}
_HOSTILE = """
<script>alert(1)</script><image href="https://evil.example/a.png"/>
<foreignObject><p xmlns="http://www.w3.org/1999/xhtml" onclick="alert(1)">hello</p></foreignObject>
<a href="javascript:alert(1)"><text y="20" onload="alert(1)">link</text></a>
<g onload="alert(1)" style="background: url(https://evil.example/b.png)">
<rect y="1.5" width="9" fill="url(https://evil.example/c.svg#x)" onclick="alert(1)"/>
<text id="x" y="20" class="bad" style="fill: red">&lt;/svg&gt;&lt;script&gt;alert(2)&lt;/script&gt;
</text></g>
<style>@import "https://evil.example/d.css"; body { display: none }
.bad { fill: url(https://evil.example/e.svg#x); font-weight: bold" onload="alert(3) }</style>
"""


class _Elements(HTMLParser):
    """Every element and attribute of a page, as a browser would meet them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.drawn: set[str] = set()
        self._in_drawing = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self._in_drawing |= tag == "svg"
        if self._in_drawing:
            self.drawn.add(tag)

    def handle_endtag(self, tag: str) -> None:
        self._in_drawing &= tag != "svg"

    def named(self, *names: str) -> list[str]:
        return [value for name, value in self.attributes if name in names]


def _snapshot(name: str) -> str:
    return (_SNAPSHOTS / f"{name}.svg").read_text()


def _picture(old: str | None, new: str | None, **how: Any) -> Picture:
    words = {
        "screen": "tui.screens.first_business",
        "about": "",
        "test": "a.py::test_b",
        "title": "b",
    }
    return Picture(order=1, old=old, new=new, **{**words, "detail": "", **how})


def _page(*pictures: Picture, broken: tuple[str, ...] = ()) -> str:
    page = StringIO()
    write(page, pictures, broken)
    return page.getvalue()


def _hostile() -> str:
    return _snapshot("test_screen[webhooks]").replace("<defs>", f"{_HOSTILE}<defs>")


def test_what_differs_stands_beside_what_was() -> None:
    old = _snapshot("test_screen[webhooks]")
    page = _page(_picture(old, old.replace("FAILING", "BROKEN!")))
    assert "1 picture · 1 changed" in page
    assert page.index("Committed") < page.index("FAILING") < page.index("Now")
    assert page.index("Now") < page.index("BROKEN!")
    assert "This line differs: 8." in page
    assert page.count('class="mark"') == 2


def test_what_is_the_same_is_shown_once() -> None:
    page = _page(_picture(_snapshot("test_screen[webhooks]"), None))
    assert "nothing changed" in page
    assert page.count("FAILING") == 1
    assert "Committed" not in page


def test_what_has_no_snapshot_yet_is_new() -> None:
    page = _page(_picture(None, _snapshot("test_screen[webhooks]")))
    assert "1 picture · 1 new" in page
    assert page.count("FAILING") == 1


def test_another_size_is_told() -> None:
    small, wide = _snapshot("test_screen[webhooks_small]"), _snapshot("test_screen[webhooks_wide]")
    page = _page(_picture(small, wide))
    assert "40 × 10 → 120 × 40" in page
    assert "The size differs." in page


def test_another_look_of_the_same_text_differs() -> None:
    old = _snapshot("test_screen[webhooks]")
    assert differing(read(old), read(old.replace("#0087d7", "#0087d8"))) == [4]


def test_in_each_theme_it_stands_there_too_until_it_is_chosen() -> None:
    usual = _snapshot("test_screen[webhooks]")
    page = _page(_picture(usual, None, looks={"dark": usual.replace("FAILING", "DARKER!")}))
    assert '<option value="dark">theme dark</option>' in page
    assert 'class="panes terminal"' in page
    assert page.index('class="panes dark"') < page.index("DARKER!")
    assert "nothing changed" in page


def test_what_is_painted_behind_is_in_its_own_line() -> None:
    """The settings' picture has a theme with a ground of its own."""
    lines = read(_snapshot("test_screen[settings]")).lines
    assert [sum(run.width for run in line if not run.text) for line in lines] == [80.0] * 24


def test_pictures_stand_with_their_screen_in_the_order_of_the_tests() -> None:
    svg = _snapshot("test_secret_shown")
    page = _page(
        Picture(2, "tui.screens.edit", "", "", "second", "", svg, None),
        Picture(3, "tui.screens.help", "", "", "third", "", svg, None),
        Picture(1, "tui.screens.edit", "", "", "first", "", svg, None),
    )
    assert re.findall("<h[23][^>]*>(\\w+)<", page) == ["Edit", "first", "second", "Help", "third"]


def test_a_hostile_snapshot_stays_inert() -> None:
    page = _page(_picture(_hostile(), _snapshot("test_screen[webhooks]")))
    elements = _Elements(page)
    assert escape("</svg><script>alert(2)</script>") in page  # is shown, as the text it is
    assert elements.tags.count("script") == 1
    assert elements.drawn == _DRAWN
    assert not [name for name, _ in elements.attributes if name.startswith("on")]
    assert "evil.example" not in page


@pytest.mark.parametrize("words", ["screen", "about", "test", "title", "detail"])
def test_hostile_words_stay_inert(words: str) -> None:
    hostile = "<script>alert(1)</script>\"'"
    page = _page(_picture(_snapshot("test_secret_shown"), None, **{words: hostile}))
    assert escape(hostile.capitalize() if words == "screen" else hostile) in page
    assert _Elements(page).tags.count("script") == 1


@pytest.mark.parametrize(
    "svg",
    [
        "",
        "no XML",
        "<svg/>",
        '<svg viewBox="0 0 1e308 1e308"/>',
        '<svg viewBox="0 0 inf nan"/>',
        '<!DOCTYPE svg [<!ENTITY a "a">]><svg viewBox="0 0 994 635.6">&a;</svg>',
    ],
)
def test_what_is_no_picture_is_said_to_be_none(svg: str) -> None:
    with pytest.raises(NotADrawing):
        read(svg)
    assert "This is no picture of a screen." in _page(_picture(svg, None))


def test_drawings_have_neither_ids_nor_classes_that_could_collide() -> None:
    svg = draw(read(_snapshot("test_screen[history]")), "history", [])
    assert _Elements(svg).named("id", "class") == []


def test_nothing_is_fetched_from_the_network() -> None:
    page = _page(_picture(_snapshot("test_screen[webhooks]"), None))
    elements = _Elements(page)
    assert all(link.startswith("#") for link in elements.named("href"))
    assert not elements.named("src", "srcset", "xlink:href", "data")
    assert not re.search(r"url\(|@import|@font-face", page)


def test_the_browser_is_told_to_run_the_pages_own_script_and_to_fetch_nothing() -> None:
    page = _page()
    [script] = re.findall("<script>(.*?)</script>", page, re.DOTALL)
    digest = b64encode(sha256(script.encode()).digest()).decode()
    [policy] = [value for value in _Elements(page).named("content") if "-src" in value]
    allowed = ["default-src 'none'", "style-src 'unsafe-inline'", f"script-src 'sha256-{digest}'"]
    assert policy.split("; ") == allowed


_TESTS = """
from textual.app import App

def test_screen(snap_compare):
    '''It greets.'''
    assert snap_compare(App())

def test_another(snap_compare):
    assert snap_compare(App(), terminal_size=(40, 10))

def test_that_breaks(snap_compare):
    raise RuntimeError
"""


def test_the_page_is_made_of_what_the_tests_drew(tmp_path: Path) -> None:
    """Those that differ are no failure; those that drew nothing are."""
    old = tmp_path / "__snapshots__" / "test_some" / "test_screen.raw"  # as it is where none says
    old.parent.mkdir(parents=True)
    old.write_text(_snapshot("test_secret_shown"))
    (tmp_path / "test_some.py").write_text(_TESTS)
    ran = _run_pytest(tmp_path)
    page = (tmp_path / "build" / "gallery.html").read_text()
    assert ran.stdout.splitlines()[-1] == f"Open {tmp_path / 'build' / 'gallery.html'}"
    assert ran.returncode == pytest.ExitCode.TESTS_FAILED
    assert "2 pictures · 1 changed · 1 new" in page
    assert "It greets." in page
    assert "<li><code>test_some.py::test_that_breaks</code></li>" in page
    assert "in-the-environment" not in page
    assert not (tmp_path / "snapshot_report.html").exists()


def test_how_it_looks_otherwise_can_be_sent_to_another_process(desk: Desk) -> None:
    """pytest-xdist sends the properties of a test: plain strings, and no member of an Enum."""
    looks: dict[str, str] = {}

    async def look(pilot: Pilot[None]) -> None:
        looks.update(await drawn_otherwise(pilot))

    play(WebhooksApp(desk), look)
    assert looks
    assert {type(each) for item in looks.items() for each in item} == {str}


def test_what_differs_alone_fails_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(_TESTS)
    ran = _run_pytest(tmp_path, "-k", "another")
    assert ran.returncode == 0, ran.stdout


def _run_pytest(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    plugin = ["-p", "tests.support.gallery.plugin", "-p", "no:cacheprovider"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *plugin, *args],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(_ROOT), "SECRET": "in-the-environment"},
        text=True,
        capture_output=True,
        check=False,
    )
