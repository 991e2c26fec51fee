"""A row that stands on the terminal is not written again, unless something else may stand there."""

import re
from typing import Any

import pyte
from rich.console import Console
from rich.segment import Segment
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Region
from textual.pilot import Pilot
from textual.screen import Screen
from textual.strip import Strip

from tests.support.showcase import drawn, play, press
from tui.app import WebhooksApp
from tui.desk import Desk
from tui.shown import Shown

OVER_THE_LIST = ("j", "k", "P", "slash", "x", "escape")
INTO_A_DELIVERY = ("h", "j", "enter", "b", "q", "q")
INTO_OTHER_PAGES = ("question_mark", "q", "n", "h", "tab", "escape", "F", "4", "escape", "comma")
MOVE = re.compile(r"\x1b\[(\d+);\d+H")


def whole(*rows: str) -> LayoutUpdate:
    region = Region(0, 0, len(rows[0]), len(rows))
    return LayoutUpdate([[Strip([Segment(row)])] for row in rows], region)


def part(row: int, text: str) -> ChopsUpdate:
    chops: list[dict[int, Strip | None]] = [{} for _ in range(row)]
    chops.append({0: Strip([Segment(text)])})
    return ChopsUpdate(chops, [(row, 0, len(text))], [[len(text)]] * len(chops))


def rows_written(shown: Shown, update: CompositorUpdate) -> list[str]:
    """Their numbers, as a terminal counts them."""
    left = shown.without_known(update)
    assert isinstance(left, CompositorUpdate)
    return MOVE.findall(left.render_segments(Console(color_system=None)))


def test_only_rows_that_differ_are_written() -> None:
    shown = Shown()
    assert rows_written(shown, whole("aaa", "bbb")) == ["1", "2"]
    assert rows_written(shown, whole("aaa", "bbc")) == ["2"]
    assert rows_written(shown, whole("aaa", "bbc")) == []


def test_one_of_which_a_part_was_written_is_written_whole() -> None:
    shown = Shown()
    rows_written(shown, whole("aaa", "bbb"))
    assert rows_written(shown, part(1, "x")) == ["2"]
    assert rows_written(shown, whole("aaa", "bbb")) == ["2"]


def test_after_another_size_or_another_writer_all_are() -> None:
    shown = Shown()
    rows_written(shown, whole("aaa", "bbb"))
    assert rows_written(shown, whole("aaaa", "bbbb")) == ["1", "2"]
    shown.forget()
    assert rows_written(shown, whole("aaaa", "bbbb")) == ["1", "2"]


def test_what_is_not_of_rows_goes_as_it_is() -> None:
    assert Shown().without_known(None) is None


class Watched(WebhooksApp):
    """With a terminal of its own, to which only what is missing there is written."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.shown = Shown()
        self.terminal = pyte.Screen(80, 24)
        self._into = pyte.Stream(self.terminal)

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        left = self.shown.without_known(renderable)
        if isinstance(left, CompositorUpdate) and not self._batch_count:
            self._into.feed(left.render_segments(self.console))
        super()._display(screen, renderable)


def test_whatever_is_pressed_the_terminal_shows_what_is_drawn(desk: Desk) -> None:
    app = Watched(desk)

    async def script(pilot: Pilot[None]) -> None:
        for key in (*OVER_THE_LIST, *INTO_A_DELIVERY, *INTO_OTHER_PAGES):
            await press(pilot, key)
            shown = [line.rstrip() for line in app.terminal.display]
            assert shown == [line.rstrip() for line in drawn(app).splitlines()], f"after {key}"

    play(app, script)
