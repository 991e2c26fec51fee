"""The gallery: one HTML page that needs no server and no network."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from html import escape
from itertools import groupby
from pathlib import Path
from string import Template
from typing import TextIO

from tests.support.gallery.redraw import Drawing, NotADrawing, differing, draw, read

_HERE = Path(__file__).parent
LOOKS = {
    "dark": "theme dark",
    "light": "theme light",
    "none": "theme none",
    "ascii": "in ASCII",
    "fr": "français",
    "nl": "Nederlands",
}
"""How else a screen is shown, by the names of what is chosen, and as the page says it."""
_WORDS = {"same": "", "changed": "Changed", "new": "New"}


@dataclass(frozen=True)
class Picture:
    """What one test drew, and what its snapshot shows."""

    order: int  # of the test among all that ran
    screen: str  # the module of the screen on top
    about: str  # and what that says of itself
    test: str
    title: str
    detail: str  # the test's docstring
    old: str | None  # the snapshot, where there is one
    new: str | None  # None where it looks like the snapshot
    looks: dict[str, str] = field(default_factory=dict)  # the same otherwise, by one of LOOKS

    @property
    def state(self) -> str:
        if self.new is None:
            return "same"
        return "new" if self.old is None else "changed"


def write(page: TextIO, pictures: Sequence[Picture], broken: Sequence[str]) -> None:
    """The whole page; `broken` are the tests that ended before they had drawn anything."""
    shown = sorted(pictures, key=lambda picture: (picture.screen, picture.order))
    start, end = _frame(shown, broken).split("<!-- screens -->")
    page.write(start)
    for number, (_, same_screen) in enumerate(groupby(shown, key=lambda picture: picture.screen)):
        page.writelines(_section(number, list(same_screen)))
    page.write(end)


def _frame(pictures: Sequence[Picture], broken: Sequence[str]) -> str:
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    return Template((_HERE / "page.html").read_text(encoding="utf-8")).substitute(
        style=(_HERE / "page.css").read_text(encoding="utf-8"),
        script=script,
        allowed=b64encode(sha256(script.encode()).digest()).decode(),
        count=_count(pictures),
        contents="".join(_links(pictures)),
        broken=_broken(broken),
        looks="".join(_looks(pictures)),
    )


def _count(pictures: Sequence[Picture]) -> str:
    screens = len({picture.screen for picture in pictures})
    states = [picture.state for picture in pictures]
    told = [f"{states.count(state)} {state}" for state in ("changed", "new") if state in states]
    parts = [_many(screens, "screen"), _many(len(pictures), "picture")]
    return " · ".join([*parts, *(told or ["nothing changed"])])


def _many(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _links(pictures: Sequence[Picture]) -> Iterator[str]:
    groups = groupby(pictures, key=lambda picture: picture.screen)
    for number, (screen, same_screen) in enumerate(groups):
        differ = sum(picture.state != "same" for picture in same_screen)
        dot = f' <b class="dot" title="{differ} differ">{differ}</b>' if differ else ""
        yield f'<li><a href="#s{number}">{escape(_title(screen))}{dot}</a></li>'


def _looks(pictures: Sequence[Picture]) -> Iterator[str]:
    drawn = {name for picture in pictures for name in picture.looks}
    for name, told in LOOKS.items():
        if name in drawn:
            yield f'<option value="{name}">{told}</option>'


def _broken(tests: Sequence[str]) -> str:
    if not tests:
        return ""
    items = "".join(f"<li><code>{escape(test)}</code></li>" for test in sorted(tests))
    return (
        '<aside class="broken"><h2>Not drawn</h2>'
        "<p>These tests broke before they had drawn anything. <code>make screens</code> says why."
        f"</p><ul>{items}</ul></aside>"
    )


def _section(number: int, pictures: list[Picture]) -> Iterator[str]:
    first = pictures[0]
    yield (
        f'<section id="s{number}" aria-labelledby="t{number}">'
        f'<h2 id="t{number}">{escape(_title(first.screen))}</h2>'
        f"<p>{escape(first.about)}</p><div>"
    )
    for picture in pictures:
        yield from _figure(picture)
    yield "</div></section>\n"


def _title(screen: str) -> str:
    return screen.rpartition(".")[2].replace("_", " ").capitalize()


def _figure(picture: Picture) -> Iterator[str]:
    old, new = _drawing(picture.old), _drawing(picture.new)
    marked = differing(old, new) if old and new else []
    sizes = dict.fromkeys(f"{one.columns} × {one.rows}" for one in (old, new) if one)
    yield f'<figure class="{picture.state}" tabindex="-1">'
    yield _caption(picture, " → ".join(sizes))
    yield '<div class="panes terminal">'
    if picture.old is not None:
        yield _pane("Committed" if picture.new else "", old, picture.title, marked)
    if picture.new is not None:
        yield _pane("Now", new, picture.title, marked)
    yield f"</div>{_difference(old, new, marked) if picture.state == 'changed' else ''}"
    for name, told in LOOKS.items():
        if name in picture.looks:
            pane = _pane("", _drawing(picture.looks[name]), f"{picture.title}, {told}", [])
            yield f'<div class="panes {name}">{pane}</div>'
    yield "</figure>\n"


def _drawing(svg: str | None) -> Drawing | None:
    try:
        return None if svg is None else read(svg)
    except NotADrawing:
        return None


def _caption(picture: Picture, sizes: str) -> str:
    word = _WORDS[picture.state]
    return (
        f"<figcaption><h3>{escape(picture.title)}</h3><span>{sizes}</span>"
        + (f"<b>{word}</b>" if word else "")
        + (f"<p>{escape(picture.detail)}</p>" if picture.detail else "")
        + f"<code>{escape(picture.test)}</code></figcaption>"
    )


def _pane(word: str, drawing: Drawing | None, title: str, marked: list[int]) -> str:
    head = f"<h4>{word}</h4>" if word else ""
    if drawing is None:
        return (
            f'<div class="pane">{head}<p class="unread">This is no picture of a screen.</p></div>'
        )
    label = f"{title}, {word.lower()}" if word else title
    svg = draw(drawing, label, marked)
    return f'<div class="pane" style="--columns: {drawing.columns}">{head}{svg}</div>'


def _difference(old: Drawing | None, new: Drawing | None, marked: list[int]) -> str:
    """In words, for those who do not see the marks."""
    if not old or not new:
        return ""
    if (old.columns, old.rows) != (new.columns, new.rows):
        return "<p>The size differs.</p>"
    if not marked:
        return "<p>The files differ, but no character on the screen does.</p>"
    lines = ", ".join(str(row + 1) for row in marked)
    return f"<p>{'This line differs' if len(marked) == 1 else 'These lines differ'}: {lines}.</p>"
