"""Why there is nothing to be had here: not an owner, not included, nothing set up."""

from collections.abc import Iterable

from textual.widget import Widget
from textual.widgets import Static

from core.plans import INCLUDED_EDITIONS, OPTION_PRICE
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
        if OPTION_PRICE in self._why:
            included = " and ".join(edition.label for edition in INCLUDED_EDITIONS)
            yield Static(f"Included in the editions {included}.", classes="said gap")
            yield Static(
                "In Express, Boutique, Studio and Restaurant they are an option, "
                f"{OPTION_PRICE}. Your webhooks and their history are kept meanwhile.",
                classes="said",
            )
        yield Static("q leaves.", classes="said gap")
