"""One delivery: every attempt, what was sent, what came back, and what to do about it."""

import shlex
from collections.abc import Iterable, Sequence

from textual import events, on
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from core.domain.choices import AS_IT_COMES, Choices
from core.domain.language import N_
from core.domain.own_headers import variable_of
from core.domain.signing import build_headers
from core.use_cases import queries
from core.use_cases.deliveries import DeliveryRow
from core.use_cases.queries import DeliveryDetail, WebhookRow, WentTo
from tui.delivery_text import attempts, contents, exact, title, when, why
from tui.failures import name_of
from tui.language import _
from tui.page import Page
from tui.ping import send_test
from tui.redelivering import redeliver
from tui.untrusted import untrusted
from tui.widgets.bars import Crumbs

_COUNT = 1.0  # seconds between two looks at the countdown


class DeliveryPage(Page):
    """Walks the rows of the list it was opened from with j and k."""

    BINDINGS = [
        Binding("R", "redeliver", "redeliver"),
        Binding("c", "copy_curl", "copy as curl", tooltip=N_("Copy as a curl command")),
        Binding("y", "copy_body", "copy body", tooltip=N_("Copy the body")),
        Binding("i", "copy_id", "id", tooltip=N_("Copy the delivery id")),
        Binding("b", "exact", "exact bytes", tooltip=N_("Show the exact bytes, or what they say")),
        Binding("t", "test", "Send a test", show=False),
        Binding("j,down", "walk(1)", "next", key_display="j"),
        Binding("k,up", "walk(-1)", "previous", key_display="k"),
        Binding("pagedown,space", "scroll(1)", "Further down", show=False),
        Binding("pageup", "scroll(-1)", "Further up", show=False),
    ]

    def __init__(self, went: Sequence[WentTo], detail: DeliveryDetail, came_from: str = "") -> None:
        """`went` is what was listed where it was opened, `came_from` that page's crumb."""
        super().__init__()
        self._went = tuple(went)
        self._uuids = tuple(str(each.delivery.uuid) for each in went)
        self._at = self._uuids.index(str(detail.delivery.uuid))
        self._came_from = came_from
        self._detail: DeliveryDetail | None = detail  # None until what was walked to is read
        self._is_exact = False  # the bytes are shown as they went over the wire
        self._told: dict[str, Content] = {}

    @property
    def _webhook(self) -> WebhookRow:
        return self._went[self._at].webhook

    @property
    def crumbs(self) -> tuple[str, ...]:
        uuid = self._uuids[self._at]
        here = (name_of(self._webhook), self._came_from, f"{uuid[:4]}…{uuid[-4:]}")
        return (_("Webhooks"), *filter(None, here))

    def body(self) -> Iterable[Widget]:
        yield Static(id="state", classes="said")
        yield Static(id="when", classes="said")
        yield Static(id="attempts", classes="said gap")
        yield Static(id="why", classes="said gap")
        yield VerticalScroll(Static(id="exchange"), classes="pane gap", can_focus=False)

    def on_mount(self) -> None:
        self.watch_database(self._read)
        self.set_interval(_COUNT, self._tell_when)

    @on(events.Resize)
    def _draw_for_this_size(self) -> None:
        if self._detail is not None:
            self._draw(self._detail)

    def _read(self) -> None:
        actor, uuid = self.desk.actor, self._uuids[self._at]
        self.ask_anew(lambda: queries.delivery(actor, uuid), self._draw)

    def _draw(self, detail: DeliveryDetail) -> None:
        if str(detail.delivery.uuid) != self._uuids[self._at]:
            return  # the answer to a row that has been walked past
        self._detail = detail
        place = _("{count} of {of} · j/k").format(count=self._at + 1, of=len(self._uuids))
        self.query_one(Crumbs).tell(self.crumbs, place)
        row, width = detail.delivery, self.size.width - 2
        self._tell("#state", title(row, self.desk, width))
        self._tell_when()
        self._tell("#attempts", _lines(attempts(detail, self.desk, width)))
        self.show_if(bool(detail.attempts or row.next_attempt_at), "#attempts")
        explained = why(row, self._webhook, self.desk)
        self._tell("#why", explained)
        self.show_if(bool(explained), "#why")
        shown = (
            exact(detail, self._webhook)
            if self._is_exact
            else contents(detail, self._webhook, width)
        )
        self._tell("#exchange", _lines(shown))

    def _tell_when(self) -> None:
        told = when(self._detail.delivery, self.desk) if self._detail is not None else _("Loading…")
        self._tell("#when", untrusted(told))

    def _tell(self, where: str, told: Content) -> None:
        if where not in self._told or not self._told[where].is_same(told):
            self._told[where] = told
            self.query_one(where, Static).update(told)

    def action_walk(self, steps: int) -> None:
        to = self._at + steps
        if 0 <= to < len(self._uuids):
            self._at = to
            self._detail = None
            self._read()

    def action_exact(self) -> None:
        """Between what is read easily and the exact bytes."""
        self._is_exact = not self._is_exact
        self._draw_for_this_size()

    def action_scroll(self, pages: int) -> None:
        pane = self.query_one(VerticalScroll)
        pane.scroll_relative(y=pages * (pane.size.height - 1), animate=False)

    def action_redeliver(self) -> None:
        redeliver(self, self._went[self._at].delivery)

    def action_test(self) -> None:
        send_test(self, self._webhook.id, self._webhook.url, self.flash)

    def action_copy_curl(self) -> None:
        if self._detail is not None:
            copied = curl(self._webhook.url, self._detail, self._webhook.choices)
            self._app.send_to_clipboard(copied)
            own = map(variable_of, self._webhook.choices.headers)
            told = _("A curl command was sent to your terminal; set {variables} before you run it.")
            self.flash(told.format(variables=_(" and ").join(["$SECRET", *own])))

    def action_copy_body(self) -> None:
        if self._detail is not None:
            self._app.send_to_clipboard(self._detail.body.decode("utf-8", "replace"))
            self.flash(_("The body was sent to your terminal's clipboard."))

    def action_copy_id(self) -> None:
        self._app.send_to_clipboard(self._uuids[self._at])
        self.flash(_("The delivery id was sent to your terminal's clipboard."))


def _lines(lines: Sequence[Content]) -> Content:
    return Content("\n").join(lines)


def open_delivery(page: Page, went: Sequence[WentTo], chosen: DeliveryRow) -> None:
    """From a list of deliveries to one of them; j and k then walk the list."""
    actor = page.desk.actor
    page.open(
        lambda: queries.delivery(actor, str(chosen.uuid)),
        lambda detail: DeliveryPage(went, detail, page.crumbs[-1]),
    )


def curl(url: str, detail: DeliveryDetail, choices: Choices = AS_IT_COMES) -> str:
    """A delivery as a shell command that signs it anew, with the secret from $SECRET and the values
    of the webhook's own headers from variables named like them.

    `-g` has curl take brackets and braces in the URL for what they are.
    """
    body = shlex.quote(detail.body.decode("utf-8", "replace"))
    row = detail.delivery
    headers = [
        f"-H {shlex.quote(f'{name}: {value}')}"
        for name, value in build_headers(row.event, str(row.uuid), "")
        if value
    ]
    headers += [f'-H "{name}: {variable_of(name)}"' for name in choices.headers]
    time, standard = "", ""
    if choices.standard_webhooks:
        time, standard = "TIME=$(date +%s); ", _SIGN_STANDARD.format(id=row.uuid)
    return (
        f"BODY={body}; {time}"
        f"curl -g -sS {shlex.quote(url)} {' '.join(headers)} "
        '-H "X-AuraPOS-Signature: sha256=$(printf %s "$BODY" '
        '| openssl dgst -sha256 -hmac "$SECRET" | sed \'s/.* //\')" '
        f'{standard}--data-binary "$BODY"'
    )


_SIGN_STANDARD = (
    '-H "webhook-id: {id}" -H "webhook-timestamp: $TIME" -H "webhook-signature: v1,$('
    'printf %s "{id}.$TIME.$BODY" | openssl dgst -sha256 -mac HMAC -macopt hexkey:$('
    'printf %s "${{SECRET#whsec_}}" | openssl base64 -d -A | od -An -vtx1 | tr -d " \\n") '
    '-binary | openssl base64 -A)" '
)
