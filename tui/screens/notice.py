"""Why there is nothing to be had here: not an owner, or not included."""

from collections.abc import Iterable

from textual.widget import Widget
from textual.widgets import Static

from core.domain.editions import INCLUDED_EDITIONS, OPTION_PRICE, Edition
from tui.language import _
from tui.page import Page
from tui.untrusted import untrusted


class Notice(Page):
    """One sentence."""

    def __init__(self, why: str) -> None:
        super().__init__()
        self._why = why

    @property
    def crumbs(self) -> tuple[str, ...]:
        return (_("Webhooks"),)

    def body(self) -> Iterable[Widget]:
        yield Static(untrusted(self._why), classes="said gap")


class NotIncludedNotice(Notice):
    """And which editions include webhooks."""

    def body(self) -> Iterable[Widget]:
        yield from super().body()
        included = _(" and ").join(edition.label for edition in INCLUDED_EDITIONS)
        optional = ", ".join(each.label for each in Edition if each not in INCLUDED_EDITIONS)
        told = _("An option, {price}, in: {editions}.")
        kept = _("Your webhooks and their history are kept. Press q to see them.")
        yield Static(_("Included in: {editions}.").format(editions=included), classes="said gap")
        yield Static(told.format(price=_(OPTION_PRICE), editions=optional), classes="said")
        yield Static(kept, classes="said gap")
