"""The audit trail: who did what, when and from where."""

from collections.abc import Iterable

from rich.text import Text
from textual import on
from textual.widget import Widget
from textual.widgets import Static

from core.domain.language import N_
from core.use_cases import queries
from core.use_cases.queries import TrailRow
from tui.kept import said_as
from tui.language import _, moment_width, who
from tui.list_page import ListPage
from tui.untrusted import cell, shortened
from tui.widgets.table import Column, Row, Table

_WIDE = 100  # columns from which there is room for whole logins and addresses


class Trail(ListPage):
    def __init__(self) -> None:
        super().__init__()
        self._rows: list[TrailRow] = []

    @property
    def crumbs(self) -> tuple[str, ...]:
        return _("Webhooks"), _("Audit trail")

    def body(self) -> Iterable[Widget]:
        yield Table(_columns())
        yield Static(_("Nothing was done here yet. Press q to go back."), classes="empty")
        yield from self.filter_row(_("part of a line; esc ends"))

    def on_mount(self) -> None:
        self.query_one(Table).focus()
        self._read()
        self.watch_database(self._read)

    def _read(self) -> None:
        business_id = self._app.business_id
        self.ask_anew(lambda: queries.trail(self.desk.actor, business_id), self._arrived)

    def _arrived(self, rows: list[TrailRow]) -> None:
        self._rows = rows
        self.draw()

    def draw(self) -> None:
        shown = self._shown()
        table = self.query_one(Table)
        table.show(
            [Row(f"{len(shown) - at}", _cells(*map(cell, line))) for at, line in enumerate(shown)]
        )
        self.tell_found(len(shown), len(self._rows))
        self._tell_whole()
        self.show_if(bool(self._rows), Table)
        self.show_if(not self._rows, ".empty")

    @on(Table.RowHighlighted)
    def _tell_whole(self) -> None:
        """On the flash line, since a column has no room for a key's fingerprint."""
        key = self.query_one(Table).at_key
        shown = self._shown()
        if key is not None and 0 < int(key) <= len(shown):
            self.flash(" · ".join(shown[len(shown) - int(key)]))
        else:
            self.flash("")

    def _shown(self) -> list[tuple[str, ...]]:
        lines = map(self._line, self._rows)
        return [line for line in lines if self.wanted in " ".join(line).lower()]

    def _line(self, row: TrailRow) -> tuple[str, ...]:
        return (self.desk.moment(row.at), who(row.actor), row.origin, _action(row), _about(row))


def _columns() -> tuple[Column, ...]:
    return (
        Column(_("DATE"), moment_width()),
        Column(_("WHO"), 10, to_width=_WIDE - 1),
        Column(_("WHO"), 16, from_width=_WIDE),
        Column(_("FROM"), 14, from_width=60, to_width=_WIDE - 1, cut=shortened),
        Column(_("FROM"), 26, from_width=_WIDE, cut=shortened),
        Column(_("WHAT"), 18),
        Column(_("ABOUT"), from_width=60),
    )


_ACTIONS = {
    "created": N_("created"),
    "edited": N_("edited"),
    "paused": N_("paused"),
    "resumed": N_("resumed"),
    "deleted": N_("deleted"),
    "secret regenerated": N_("secret regenerated"),
    "secret stored": N_("secret stored"),
    "tested": N_("tested"),
    "sample sent": N_("sample sent"),
    "checked": N_("checked"),
    "redelivered": N_("redelivered"),
    "recovered": N_("recovered"),
    "exported": N_("exported"),
    "mail code asked": N_("mail code asked"),
    "mail confirmed": N_("mail confirmed"),
    "mail code refused": N_("mail code refused"),
    "mail address removed": N_("mail address removed"),
    "business added": N_("business added"),
    "business changed": N_("business changed"),
    "member added": N_("member added"),
    "member removed": N_("member removed"),
    "key added": N_("key added"),
    "export allowed": N_("export allowed"),
    "export forbidden": N_("export forbidden"),
}
"""As the trail has them, and as they are shown."""


def _action(row: TrailRow) -> str:
    return _(_ACTIONS.get(row.action, row.action))


_ABOUT = {
    "sample sent": (N_("{event} to {url}"),),
    "recovered": (N_("{count} deliveries since {when}"),),
    "member added": (N_("{login}, owner"), N_("{login}, manager"), N_("{login}, staff")),
}
"""What the trail has beside an action, where it is more than a name."""

_LISTED = {
    "business changed": (N_("edition {edition}"), N_("option True"), N_("option False")),
    "exported": (
        N_("since {when}"),
        N_("until {when}"),
        N_("after {cursor}"),
        N_("event {event}"),
        N_("undelivered {webhook}"),
    ),
}
"""The same, where it is a list."""

_CHOICES = (
    N_("name {name}"),
    N_("no name"),
    N_("format {format}"),
    N_("language {language}"),
    N_("standard webhooks on"),
    N_("no standard webhooks"),
    N_("headers {names}"),
    N_("no headers"),
    N_("new value of {name}"),
    N_("only {conditions}"),
    N_("no only"),
    N_("pace {pace}"),
    N_("no pace"),
    N_("alerts on"),
    N_("no alerts"),
)
"""The list of what a webhook chose, as `core.domain.choices.changes` writes it."""


def _about(row: TrailRow) -> str:
    subject = _part_by_part(
        said_as(row.subject, _ABOUT.get(row.action, ())), _LISTED.get(row.action, ())
    )
    return f"{subject}: {_part_by_part(row.detail, _CHOICES)}" if row.detail else subject


def _part_by_part(listed: str, templates: Iterable[str]) -> str:
    """What an owner typed may have a comma too; its pieces stay as they are."""
    return ", ".join(said_as(part, templates) for part in listed.split(", "))


def _cells(date: Text, who: Text, where: Text, *told: Text) -> tuple[Text, ...]:
    """For the columns above, of which a window has one of each."""
    return date, who, who, where, where, *told
