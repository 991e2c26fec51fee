"""README's minute of the terminal UI: it runs nothing, stays small, and can be taken anew."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from pyte.screens import Char

from tests.support.film.__main__ import take
from tests.support.film.svg import Frame, draw

_FILM = Path(__file__).parents[2] / "docs" / "screens" / "film.svg"
_HARMLESS = {"svg", "title", "style", "g", "rect", "text"}


def row(text: str, **look: str | bool) -> list[Char]:
    return [Char(character, **look) for character in text]  # type: ignore[arg-type]


def elements(svg: str) -> set[str]:
    return {each.tag.rpartition("}")[2] for each in parsed(svg).iter()}


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - of our own making


def test_what_the_readme_shows_is_small_and_runs_nothing() -> None:
    film = _FILM.read_text()
    assert len(film.encode()) < 1_000_000
    assert elements(film) == _HARMLESS
    assert not re.search(r"href|url\(|@import|@font-face|\son\w+=", film)
    [seconds] = set(re.findall(r" (\d+\.?\d*)s step-end", film))
    assert 55 <= float(seconds) <= 65


def test_a_line_is_drawn_once_and_seen_while_it_stood_there() -> None:
    first, second = [row("stays"), row("goes ")], [row("stays"), row("comes")]
    svg = draw([Frame(1, first, "a"), Frame(1, second, "b"), Frame(2, first, "a")], "t")
    assert svg.count(">stays<") == svg.count(">goes<") == svg.count(">comes<") == 1
    assert "{0.0000%{visibility:visible}25.0000%{visibility:hidden}50.0000%{visibility:vis" in svg
    assert "{0.0000%{visibility:hidden}25.0000%{visibility:visible}50.0000%{visibility:hid" in svg


def test_colours_and_looks_are_those_of_the_cells() -> None:
    line = [*row("ab", fg="ff8787", bg="303030", bold=True), *row("cd", reverse=True)]
    svg = draw([Frame(1, [line], "")], "t")
    assert "fill:#ff8787;font-weight:bold" in svg
    assert 'fill="#303030"' in svg
    assert 'fill="#d7d7d7"' in svg, "the ground of what is reversed"


@pytest.mark.parametrize("text", ["</text><script>", "a & b", '"><a href="x">'])
def test_what_was_on_the_screen_is_text(text: str) -> None:
    svg = draw([Frame(1, [row(text)], text)], text)
    assert elements(svg) == _HARMLESS
    assert text in "".join(parsed(svg).itertext())


@pytest.mark.slow
@pytest.mark.files_only("is about the terminal")
def test_it_can_be_taken_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(_FILM.parents[2])
    frames = take()
    assert 55 <= sum(frame.seconds for frame in frames) <= 65
    assert len(draw(frames, "").encode()) < 1_000_000
