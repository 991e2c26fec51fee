"""Only the lines that differ are drawn again."""

import asyncio

import pytest
from textual.app import App, ComposeResult
from textual.content import Content
from textual.geometry import Region

from tui.widgets.lines import Lines


class Alone(App[None]):
    CSS = "Lines { height: 3; }"

    def compose(self) -> ComposeResult:
        yield Lines()


def test_only_what_differs_is_refreshed(monkeypatch: pytest.MonkeyPatch) -> None:
    regions: list[Region] = []

    async def run() -> None:
        async with Alone().run_test(size=(20, 5)) as pilot:
            lines = pilot.app.query_one(Lines)
            lines.draw(lambda *_: [Content(each) for each in ("one", "two", "three", "four")])
            await pilot.pause()
            refresh = lines.refresh

            def watched(*each: Region) -> Lines:
                regions.extend(each)
                return refresh(*each)

            monkeypatch.setattr(lines, "refresh", watched)
            lines.draw(lambda *_: [Content("one"), Content.styled("two", "bold")])
            await pilot.pause()
            strips = [lines.render_line(y).text for y in range(3)]
            assert strips == ["one".ljust(20), "two".ljust(20), " " * 20]

    asyncio.run(run())
    assert [region.y for region in regions] == [1, 2]
