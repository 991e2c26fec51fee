"""One delivery: every attempt, what was sent, what came back, and what to do about it."""

import shlex
from collections.abc import Iterable, Sequence

from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from core.domain.choices import AS_IT_COMES, Choices
from core.domain.delivery import Recovery
from core.domain.own_headers import variable_of
from core.domain.signing import (
    STANDARD_ID_HEADER,
    STANDARD_SIGNATURE_HEADER,
    STANDARD_TIME_HEADER,
    build_headers,
)
from core.use_cases import queries, services
from core.use_cases.queries import AttemptRow, DeliveryDetail, DeliveryRow, WebhookRow
from tui.desk import short_duration
from tui.failures import attempt_name, explain, name_of, outcome_of
from tui.page import BAD, GOOD, Page
from tui.ping import send_test
from tui.untrusted import untrusted, untrusted_lines
from tui.widgets.bars import Crumbs

_STANDARD_HEADERS = [
    (STANDARD_ID_HEADER, "the delivery's"),
    (STANDARD_TIME_HEADER, "… (of each attempt)"),
    (STANDARD_SIGNATURE_HEADER, "v1,…"),
]
_COUNT = 1.0  # seconds between two looks at the countdown


class DeliveryPage(Page):
    """Walks the rows of the history it was opened from with j and k."""

    BINDINGS = [
        Binding("R", "redeliver", "redeliver"),
        Binding("c", "copy_curl", "copy as curl"),
        Binding("y", "copy_body", "copy body"),
        Binding("i", "copy_id", "copy id"),
        Binding("t", "test", "Send a test", show=False),
        Binding("j,down", "walk(1)", "next", key_display="j"),
        Binding("k,up", "walk(-1)", "previous", key_display="k"),
        Binding("pagedown,space", "scroll(1)", "Further down", show=False),
        Binding("pageup", "scroll(-1)", "Further up", show=False),
    ]

    def __init__(self, webhook: WebhookRow, uuids: Sequence[str], detail: DeliveryDetail) -> None:
        super().__init__()
        self._webhook = webhook
        self._uuids = tuple(uuids)
        self._at = self._uuids.index(str(detail.delivery.uuid))
        self._detail: DeliveryDetail | None = detail  # None until what was walked to is read
        self._told: dict[str, Content] = {}

    @property
    def crumbs(self) -> tuple[str, ...]:  # type: ignore[override]
        uuid = self._uuids[self._at]
        return ("Webhooks", name_of(self._webhook), "History", f"{uuid[:4]}…{uuid[-4:]}")

    def body(self) -> Iterable[Widget]:
        yield Static(id="state", classes="said")
        yield Static(id="attempts", classes="said")
        yield Static(id="why", classes="said")
        yield VerticalScroll(Static(id="exchange"), classes="pane gap", can_focus=False)

    def on_mount(self) -> None:
        if self._detail is not None:
            self._draw(self._detail)
        self.watch_database(self._read)
        self.set_interval(_COUNT, lambda: self._tell("#state", self._state()))

    def _read(self) -> None:
        actor, uuid = self.desk.actor, self._uuids[self._at]
        self.ask(lambda: queries.delivery(actor, uuid), self._draw)

    def _draw(self, detail: DeliveryDetail) -> None:
        if str(detail.delivery.uuid) != self._uuids[self._at]:
            return  # the answer to a row that has been walked past
        self._detail = detail
        place = f"{self._at + 1} of {len(self._uuids)} · j/k"
        self.query_one(Crumbs).tell(self.crumbs, place)
        self._tell("#state", self._state())
        self._tell("#attempts", self._attempts(detail.attempts))
        row = detail.delivery
        why = explain(row, self._webhook, self.desk.timeout.total_seconds())
        self._tell("#why", untrusted(why, BAD if row.error is not None else ""))
        self.show_if(bool(why), "#why")
        self._tell("#exchange", self._exchange(detail))

    def _tell(self, where: str, told: Content) -> None:
        if self._told.get(where) != told:
            self._told[where] = told
            self.query_one(where, Static).update(told)

    def _state(self) -> Content:
        if self._detail is None:
            return untrusted("Loading…")
        row = self._detail.delivery
        told = f"{row.status}   {row.what}   {self.desk.moment(row.created_at)}"
        return untrusted(f"{told}{self._countdown(row)}{self._recovery(row)}", "bold")

    def _recovery(self, row: DeliveryRow) -> str:
        """What an outage of the address has to do with it."""
        if row.recovery is Recovery.MADE:
            return "   ↻ again after an outage"
        if row.recovery is None or row.settled_at is None:
            return ""
        until = row.settled_at + self.desk.recovery_window
        if until < self.desk.clock():
            return ""
        return f"   ↻ goes out again if the server is back by {self.desk.moment(until)}"

    def _countdown(self, row: DeliveryRow) -> str:
        if row.next_attempt_at is None:
            return ""
        if row.resume_at is not None:
            return f"   once more now; its schedule goes on at {self.desk.time(row.resume_at)}"
        left = row.next_attempt_at - self.desk.clock()
        soon = f"in {short_duration(left)}" if left.total_seconds() > 0 else "now"
        attempt = f"attempt {row.attempts + 1} of {self.desk.max_attempts}"
        return f"   {attempt} at {self.desk.time(row.next_attempt_at)}, {soon}"

    def _attempts(self, attempts: Sequence[AttemptRow]) -> Content:
        shown = attempts[-self.desk.max_attempts :]
        width = max((len(attempt_name(attempt)) for attempt in shown), default=0)
        return untrusted_lines(
            f"{attempt_name(attempt):<{width}} {self.desk.local(attempt.started_at):%d %b %H:%M:%S}"
            f"  {outcome_of(attempt):<8} {attempt.duration_us // 1000:>6} ms  "
            f"{'↻ after an outage  ' if attempt.recovery else ''}{attempt.detail}"
            for attempt in shown
        )

    def _exchange(self, detail: DeliveryDetail) -> Content:
        row = detail.delivery
        headers = build_headers(row.event, row.uuid, "sha256=… (made with the secret at that time)")
        if self._webhook.choices.standard_webhooks:
            headers += _STANDARD_HEADERS
        headers += [(name, variable_of(name)) for name in self._webhook.choices.headers]
        body = detail.body.decode("utf-8", "replace")
        return Content("\n").join(
            [
                Content("── request ──"),
                untrusted(f"POST {self._webhook.url}"),
                untrusted_lines(f"{name}: {value}" for name, value in headers),
                untrusted(body),
                Content("── response, first 500 characters ──"),
                untrusted(row.response or "(none)"),
            ]
        )

    def action_walk(self, steps: int) -> None:
        to = self._at + steps
        if 0 <= to < len(self._uuids):
            self._at = to
            self._detail = None
            self._read()

    def action_scroll(self, pages: int) -> None:
        pane = self.query_one(VerticalScroll)
        pane.scroll_relative(y=pages * (pane.size.height - 1), animate=False)

    def action_redeliver(self) -> None:
        desk, uuid, now = self.desk, self._uuids[self._at], self.desk.clock()
        self.act(
            uuid,
            lambda: services.redeliver(desk.actor, uuid, now, wake=desk.wake),
            lambda _: self._redelivered(),
        )

    def _redelivered(self) -> None:
        self.flash("✓ Queued again: the same id, the same bytes.", GOOD)
        self._read()

    def action_test(self) -> None:
        send_test(self, self._webhook.id, self._webhook.url, self.flash)

    def action_copy_curl(self) -> None:
        if self._detail is not None:
            copied = curl(self._webhook.url, self._detail, self._webhook.choices)
            self._app.send_to_clipboard(copied)
            own = map(variable_of, self._webhook.choices.headers)
            needed = " and ".join(["$SECRET", *own])
            self.flash(f"A curl command was sent to your terminal; set {needed} before you run it.")

    def action_copy_body(self) -> None:
        if self._detail is not None:
            self._app.send_to_clipboard(self._detail.body.decode("utf-8", "replace"))
            self.flash("The body was sent to your terminal's clipboard.")

    def action_copy_id(self) -> None:
        self._app.send_to_clipboard(self._uuids[self._at])
        self.flash("The delivery id was sent to your terminal's clipboard.")


def open_delivery(
    page: Page, webhook: WebhookRow, rows: Sequence[DeliveryRow], chosen: DeliveryRow
) -> None:
    """From a list of deliveries to one of them; j and k then walk the list."""
    actor, uuids = page.desk.actor, [str(row.uuid) for row in rows]
    page.open(
        lambda: queries.delivery(actor, str(chosen.uuid)),
        lambda detail: DeliveryPage(webhook, uuids, detail),
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
        for name, value in build_headers(row.event, row.uuid, "")
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
