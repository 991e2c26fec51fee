"""The last row of a screen: what can be pressed."""

import asyncio

import pytest
from textual.app import App, ComposeResult
from textual.binding import Binding

from tui.widgets.bars import Keys

OWN = [Binding("o", "", "open"), Binding("n", "", "new"), Binding("e", "", "edit")]
COMMON = [Binding("q", "", "quit")]


def shown(width: int) -> str:
    class Bars(App[None]):
        def compose(self) -> ComposeResult:
            yield Keys(OWN, COMMON)

    async def look() -> str:
        app = Bars()
        async with app.run_test(size=(width, 1)):
            return app.query_one(Keys).render().plain

    return asyncio.run(look())


@pytest.mark.parametrize(
    ("width", "row"),
    [
        pytest.param(40, " o open  n new  e edit  q quit", id="room"),
        pytest.param(30, " o open  n new  e edit  q quit", id="just enough"),
        pytest.param(29, " o open n new e edit q quit", id="closer together"),
        pytest.param(27, " o open n new e edit q quit", id="just enough for that"),
        pytest.param(26, " o open  n new  q quit", id="the last of its own goes"),
        pytest.param(16, " o open  q quit", id="and the one before it"),
        pytest.param(3, " q quit", id="never the common ones"),
    ],
)
def test_all_keys_are_told_as_long_as_they_fit(width: int, row: str) -> None:
    assert shown(width).rstrip() == row
