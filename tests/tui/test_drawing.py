"""A page is drawn once: twice would be twice the bytes, on a line that may be slow."""

from typing import Any

import pytest
from textual._compositor import LayoutUpdate
from textual.geometry import Region
from textual.pilot import Pilot

from core.domain.delivery import Status
from core.domain.events import SELECTABLE
from tests.support.scene import NOON
from tests.support.showcase import CI, OK, add_delivery, play, press, quiet
from tests.support.waiting import until
from tui.app import WebhooksApp
from tui.screens.deliveries import Deliveries, Listed, Question
from tui.screens.history import History

pytestmark = pytest.mark.files_only("is about the screen")


def test_a_part_is_not_drawn_where_all_is_drawn_in_a_moment(
    app: WebhooksApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a page has been mounted: Textual lays it out, draws what moved, and then all."""
    drawn: list[object] = []
    display = WebhooksApp._display

    def noted(self: WebhooksApp, screen: Any, update: Any) -> None:
        if update is not None and not self._batch_count:
            drawn.append(type(update))
        display(self, screen, update)

    monkeypatch.setattr(WebhooksApp, "_display", noted)

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "h")
        drawn.clear()
        app.screen._compositor._dirty_regions.add(Region(0, 1, 80, 20))
        app.screen.refresh()
        app.screen._compositor_refresh()
        assert drawn == []
        await until(lambda: drawn)
        await quiet(pilot)
        assert drawn == [LayoutUpdate]

    play(app, script)


def test_a_page_is_laid_out_for_its_window_from_the_beginning(
    app: WebhooksApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands beside a wide list is there in the first layout, not after a second one."""
    was_wide: list[bool] = []
    lay_out = Deliveries._refresh_layout

    def noted(self: Deliveries, *how: Any, **more: Any) -> None:
        was_wide.append(self.has_class("wide"))
        lay_out(self, *how, **more)

    monkeypatch.setattr(Deliveries, "_refresh_layout", noted)

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "h")
        assert was_wide
        assert all(was_wide)

    play(app, script, (120, 40))


def test_what_was_just_read_is_not_read_again_at_once(
    app: WebhooksApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Question] = []
    read = History.read

    def noted(self: History, asked: Question) -> Listed:
        reads.append(asked)
        return read(self, asked)

    monkeypatch.setattr(History, "read", noted)

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "h")
        assert reads == []
        add_delivery(900, CI, SELECTABLE[0], Status.DELIVERED, NOON, OK)
        await until(lambda: reads)

    play(app, script)
