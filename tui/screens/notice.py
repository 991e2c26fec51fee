"""Why there is nothing to be had here: not an owner, or not included."""

from collections.abc import Iterable

from textual.widget import Widget
from textual.widgets import Static

from core.domain.editions import INCLUDED_EDITIONS, OPTION_PRICE, Edition
from tui.page import Page
from tui.untrusted import untrusted


class Notice(Page):
    """One sentence, and which editions include webhooks where that is the question."""

    crumbs = ("Webhooks",)

    def __init__(self, why: str) -> None:
        super().__init__()
        self._why = why

    def body(self) -> Iterable[Widget]:
        yield Static(untrusted(self._why), classes="said gap")
        if OPTION_PRICE not in self._why:
            return
        included = " and ".join(edition.label for edition in INCLUDED_EDITIONS)
        optional = ", ".join(each.label for each in Edition if each not in INCLUDED_EDITIONS)
        yield Static(f"Included in: {included}.", classes="said gap")
        yield Static(f"An option, {OPTION_PRICE}, in: {optional}.", classes="said")
        yield Static(
            "Your webhooks and their history are kept. Press q to see them.", classes="said gap"
        )
