"""The part of the form that holds what a webhook may choose, and need not."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static

from core.domain.choices import NAME_LIMIT, Choices, Chosen, Format
from core.domain.conditions import split_conditions
from core.domain.language import Language
from core.domain.own_headers import parse_headers
from tui.language import LANGUAGES, _
from tui.untrusted import untrusted
from tui.widgets.choice import Choice
from tui.widgets.entry import Entry
from tui.widgets.field_names import FieldNames

_BETWEEN = " | "  # headers in one line
_BAR = re.compile(r"(?<!\S)\|(?!\S)")  # one without blanks around it is part of a value


class Typed(NamedTuple):
    """What stands in its fields."""

    name: str
    format: Format
    language: Language
    standard_webhooks: bool
    headers: str
    only: str
    pace: str
    alerts: bool

    def chosen(self, before: "Typed") -> Chosen:
        """What differs; raises BadInput for what cannot be read."""
        chosen: Chosen = {
            "name": self.name,
            "format": self.format,
            "language": self.language,
            "standard_webhooks": self.standard_webhooks,
            "only": self.conditions,
            "alerts": self.alerts,
        }
        if self.pace != before.pace:
            chosen["pace"] = self.pace or None
        if self.headers != before.headers:
            chosen["headers"] = parse_headers(_lines_in(self.headers))
        return chosen

    @property
    def conditions(self) -> list[str]:
        return split_conditions(self.only) if self.only.strip() else []


def typed_of(choices: Choices) -> Typed:
    """As the form shows what a webhook has chosen; values of headers are never shown again."""
    return Typed(
        choices.name,
        choices.format,
        choices.language,
        choices.standard_webhooks,
        _BETWEEN.join(choices.headers),
        " and ".join(choices.only),
        choices.pace or "",
        choices.alerts,
    )


def _lines_in(headers: str) -> Iterable[str]:
    return filter(None, map(str.strip, _BAR.split(headers)))


class More(Vertical):
    class Changed(Message):
        """Something else stands in it now."""

    def __init__(self, typed: Typed) -> None:
        super().__init__(id="more")
        self._typed = typed
        self._suggested = typed.format
        self._field_names = FieldNames()

    def compose(self) -> ComposeResult:
        formats = (
            (Format.JSON, _("JSON, for programs")),
            (Format.CHAT, _("a chat line, for people")),
        )
        signatures = ((False, _("ours")), (True, _("that of Standard Webhooks too")))
        alerts = ((False, _("none")), (True, _("when another webhook fails")))
        yield from _row(_("Name"), Entry(self._typed.name, max_length=NAME_LIMIT, id="name"))
        yield from _row(_("Format"), Choice(formats, self._typed.format, name="format"))
        yield from _row(_("Language"), Choice(LANGUAGES, self._typed.language, name="language"))
        signature = Choice(signatures, self._typed.standard_webhooks, name="standard")
        yield from _row(_("Signature"), signature)
        told = _("none; or 2/s, 30/min, 100/h; a new one for a chat has 1/s")
        yield from _row(_("Pace"), Entry(self._typed.pace, placeholder=told, id="pace"))
        told = _("none; or X-Api-Key: its value, kept while its name stays")
        yield from _row(_("Headers"), Entry(self._typed.headers, placeholder=told, id="headers"))
        told = _('all; or so: total_tvac >= 100 and mode_paiement = "Bancontact"')
        only = Entry(self._typed.only, placeholder=told, suggester=self._field_names, id="only")
        yield from _row(_("Only"), only)
        yield Static(id="only-told")
        yield from _row(_("Alerts"), Choice(alerts, self._typed.alerts, name="alerts"))

    @property
    def typed(self) -> Typed:
        return Typed(
            self.query_one("#name", Entry).value.strip(),
            self.query_one("#format", Choice).chosen,
            self.query_one("#language", Choice).chosen,
            self.query_one("#standard", Choice).chosen,
            self.query_one("#headers", Entry).value,
            self.query_one("#only", Entry).value,
            self.query_one("#pace", Entry).value.strip(),
            self.query_one("#alerts", Choice).chosen,
        )

    def offer(self, field_names: Sequence[str]) -> None:
        """Names for conditions, of which one that was begun is completed."""
        self._field_names.names = field_names

    def suggest(self, fmt: Format) -> None:
        """Have that format chosen, unless another has been chosen than was suggested before."""
        if self.typed.format is self._suggested is not fmt:
            self.query_one("#format", Choice).choose(fmt)
            self._suggested = fmt
            self._ask_for_the_language()

    def tell_of_conditions(self, told: str, style: str = "") -> None:
        line = self.query_one("#only-told", Static)
        line.display = bool(told)
        line.update(untrusted(told, style))
        if self.query_one("#only").has_focus:
            self.call_after_refresh(line.scroll_visible, animate=False)

    def on_mount(self) -> None:
        self._ask_for_the_language()

    @on(Input.Changed)
    @on(Choice.Changed)
    def _changed(self) -> None:
        self._ask_for_the_language()
        self.post_message(self.Changed())

    def _ask_for_the_language(self) -> None:
        """Where it makes a difference."""
        self.query_one("#language-row").display = self.typed.format is Format.CHAT

    @on(Input.Submitted)
    def _next(self) -> None:
        self.app.action_focus_next()


def _row(label: str, field: Widget) -> Iterable[Widget]:
    with Horizontal(classes="field", id=f"{field.id}-row"):
        yield Static(label, classes="label")
        yield field
