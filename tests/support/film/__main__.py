"""Takes the minute anew: a real terminal, the keys below, and a picture after each."""

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.film.svg import Frame, draw
from tests.support.terminal import ENTER, Terminal, terminal_with

PLACE = Path("docs/screens/film.svg")
_TITLE = "A minute with the terminal UI of AuraPOS Webhooks"
_COLUMNS, _ROWS = 120, 40
ESCAPE = "\x1b[27u"  # as terminals send it that leave no doubt
_THEMES = "Dark, light, or the terminal's own colours: kept with the login."
_TYPED = 0.14  # seconds from one letter to the next


@dataclass(frozen=True)
class _Scene:
    keys: tuple[str, ...]  # pressed at once; the last of them leads to what is awaited
    awaited: str
    seconds: float
    caption: str
    typed: str = ""  # letter by letter, after the keys


_SCENES = (
    _Scene(
        (),
        "LAST DELIVERIES",
        5,
        "The webhooks of a business. One is failing: its card says why, and what to do.",
    ),
    _Scene(("k",), "● OK", 4, "The one above: its last deliveries, its day, how fast it answers."),
    _Scene(("j",), "▲ FAILING", 2, "Back to the one that fails."),
    _Scene(("h",), "BECAME", 4, "h: what it was sent, live, and beside it each delivery in full."),
    _Scene(("f",), "failed only", 3, "f: only what did not arrive."),
    _Scene(("j",), "at gateway 7", 3, "f: only what did not arrive."),
    _Scene(
        (ENTER,),
        "j/k",
        6,
        "enter: every attempt, what came back, what it means, and when the next one is.",
    ),
    _Scene(("b",), "first 500 characters", 3, "b: the exact bytes, as they went over the wire."),
    _Scene(("q", "q", "F"), "", 1, "F: did ticket T-112 reach the bookkeeper?", typed="T-112"),
    _Scene((ENTER,), "waits, try 4 of 5", 5, "What became of it, at each webhook it went to."),
    _Scene(("q", "a"), "› Activity", 4, "a: all that is sent, whichever webhook it goes to, live."),
    _Scene(
        ("q", "n"),
        "",
        1,
        "n: a new one. Its address is checked as it is typed.",
        typed="https://boek.example.be/aurapos",
    ),
    _Scene((), "ok: https", 3, "The events it wants, and how it wants to be told."),
    _Scene((ESCAPE, ESCAPE, ","), "Clock", 3, _THEMES),
    _Scene((" ",), "light", 2, _THEMES),
    _Scene(
        ("q",), "LAST DELIVERIES", 6, "All of it by keys, over SSH, in a few hundred bytes each."
    ),
)


def main() -> None:
    PLACE.write_text(draw(take(), _TITLE), encoding="utf-8")


def take() -> list[Frame]:
    """All that is to be seen, one picture after the other."""
    how = {"columns": _COLUMNS, "rows": _ROWS, "COLORTERM": ""}
    with tempfile.TemporaryDirectory() as folder:
        argv = [sys.executable, "-m", "tests.support.film.stage", folder]
        with terminal_with(argv, Path.cwd(), **how) as screen:
            return [frame for scene in _SCENES for frame in _taken(screen, scene)]


def _taken(screen: Terminal, scene: _Scene) -> Iterator[Frame]:
    screen.press(*scene.keys)
    for letter in scene.typed:
        screen.press(letter)
        yield Frame(_TYPED, screen.cells(), scene.caption)
    screen.wait_for(scene.awaited)
    screen.press("")
    yield Frame(scene.seconds, screen.cells(), scene.caption)


if __name__ == "__main__":
    main()
