"""The card of a webhook: what is the matter and what to do first, then its day, then its settings.

Lines of text for a width and a height, the most important first: what does not fit is cut off its
end.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from urllib.parse import urlsplit

from textual.content import Content

from core.domain.choices import Format
from core.domain.delivery import TOLD_BEFORE
from core.domain.events import SELECTABLE, EventType
from core.use_cases.deliveries import DeliveryRow
from core.use_cases.queries import WebhookRow
from core.use_cases.webhook_health import Details, Health, State
from tui.desk import Desk
from tui.failures import explain, outcome_of, readable
from tui.first_steps import in_lines, steps_of
from tui.states import many, of_delivery, of_webhook
from tui.timeline import span
from tui.untrusted import untrusted
from tui.widgets.chart import chart

_GAP = Content("")
_DELIVERIES = 6
_CHART_HEIGHT = 8
_ROOMY = 24  # lines from which there are empty ones between the parts
_BECAME = 19  # cells for what became of a delivery
_SECOND = timedelta(seconds=1)


def card(health: Health, known: Details, desk: Desk, width: int, height: int) -> list[Content]:
    gap = [_GAP] if height >= _ROOMY else []
    lines = [_title(health, width), *gap, *_matter(health, desk, width)]
    for part in (_first_steps(known, width), _latest(known, desk, width)):
        lines += [*gap, *part][: max(0, height - len(lines))] if part else []
    for part in (_day(health, known, desk, width), _settings(health.webhook, known, desk, width)):
        if part and len(lines) + len(gap) + len(part) <= height:  # a part of a chart is none
            lines += [*gap, *part]
    return lines[:height]


def spread(left: Content, right: Content, width: int) -> Content:
    """One at each end of a line; where both do not fit, the left one is cut."""
    left = left.truncate(max(0, width - right.cell_length - 1), ellipsis=True)
    gap = width - left.cell_length - right.cell_length
    return Content.assemble(left, " " * max(0, gap), right)


def heading(text: str, right: str, width: int) -> Content:
    return spread(Content(text), untrusted(right), width).stylize(".quiet")


def _title(health: Health, width: int) -> Content:
    webhook = health.webhook
    host = urlsplit(readable(webhook.url)).netloc
    name = webhook.choices.name
    rest = f" · {webhook.url}" if name else webhook.url.partition(urlsplit(webhook.url).netloc)[2]
    return spread(untrusted(name or host, "bold") + untrusted(rest), _chip(health), width)


def _chip(health: Health) -> Content:
    told = of_webhook(health)
    word = told.words.partition(",")[0].upper()
    if health.state is State.FAILING:
        return Content.styled(f" {told.glyph} {word} ", ".chip")
    return Content.styled(told.glyph, told.style) + f" {word}"


def _matter(health: Health, desk: Desk, width: int) -> list[Content]:
    """What to do, in bold, and what is known of it."""
    lines = [untrusted(text) for text in (_times(health, desk), _said(health)) if text]
    advice = untrusted(_advice(health, desk), "bold").wrap(width)
    return [*advice, *[line.truncate(width, ellipsis=True) for line in lines]]


def _advice(health: Health, desk: Desk) -> str:
    if health.state is State.PAUSED:
        lost = " The oldest of what waits is soon given up." if soon_lost(health, desk) else ""
        return f"You paused it, so nothing is sent.{lost} Press P to resume."
    if health.latest is None:
        return "Nothing was sent to it yet. Press t to send a test."
    why = explain(health.latest, health.webhook, desk.timeout / _SECOND)
    if health.state is State.FAILING:
        return f"{why} Then press t to test it."
    return why or "What is sent to it arrives."


def soon_lost(health: Health, desk: Desk) -> bool:
    """Whether what is parked will soon be older than the history that is kept."""
    since = health.webhook.parked_since
    return since is not None and since + desk.keep <= desk.clock() + TOLD_BEFORE


def _times(health: Health, desk: Desk) -> str:
    known, paused_at = [], health.webhook.paused_at
    if paused_at is not None:
        known.append(f"paused since {desk.soon(paused_at)}")
    if health.failing_since is not None:
        known.append(f"failing since {desk.soon(health.failing_since)}")
    if health.waiting:
        known.append(f"{many(health.waiting)} wait")
    held_until = health.webhook.held_until
    if held_until is not None and held_until > desk.clock():
        known.append(f"it asked to wait until {desk.soon(held_until)}")
    elif health.next_attempt_at is not None:
        known.append(f"next try {desk.soon(health.next_attempt_at)}")
    if health.given_up:
        known.append(f"{many(health.given_up)} given up, r sends again")
    return " · ".join(known)


def _said(health: Health) -> str:
    latest = health.latest
    if latest is None:
        return ""
    quoted = latest.response or latest.detail
    return f"it said: {outcome_of(latest)}" + (f" “{quoted}”" if quoted else "")


def _first_steps(known: Details, width: int) -> list[Content]:
    if known.first_steps is None:
        return []
    steps = steps_of(known.first_steps)
    done = sum(step.is_done for step in steps)
    return [heading("FIRST STEPS", f"{done} of {len(steps)} done", width), *in_lines(steps, width)]


def _latest(known: Details, desk: Desk, width: int) -> list[Content]:
    if not known.latest:
        return []
    lines = [_delivery(row, desk, width) for row in known.latest[:_DELIVERIES]]
    return [heading("LAST DELIVERIES", "h all of them", width), *lines]


def _delivery(row: DeliveryRow, desk: Desk, width: int) -> Content:
    told = of_delivery(row, desk.max_attempts)
    became = Content.styled(told.glyph, told.style) + f" {told.words}"
    what = untrusted(f"{desk.soon(row.created_at):<6} {row.headline}")
    return spread(what, became.pad_right(max(0, _BECAME - became.cell_length)), width)


def _day(health: Health, known: Details, desk: Desk, width: int) -> list[Content]:
    arrived = sum(hour.delivered for hour in health.hours)
    failed = sum(hour.not_delivered for hour in health.hours)
    if not arrived + failed:
        return []
    counts = f"{arrived:,} arrived · {failed:,} failed"
    lines = chart(health.hours, desk.local(health.hours_begin), width, _CHART_HEIGHT)
    return [heading("24 HOURS", counts, width), *lines, *_answer_times(known.latest)]


def _answer_times(rows: Sequence[DeliveryRow]) -> list[Content]:
    took = sorted(row.duration_us for row in rows if row.http_status is not None)
    if not took:
        return []
    usual, slow = span(took[len(took) // 2]), span(took[len(took) * 9 // 10])
    rarely = f"; one in ten takes {slow} or more" if slow != usual else ""
    return [Content(f"answers in {usual}{rarely}")]


def _settings(webhook: WebhookRow, known: Details, desk: Desk, width: int) -> list[Content]:
    made = desk.day(webhook.created_at) + (f" by {known.made_by}" if known.made_by else "")
    if known.secret_renewed_at is not None:
        made += f" · secret renewed {desk.day(known.secret_renewed_at)}"
    lines = (("sends", _sent(webhook.events)), ("as", _form(webhook)), ("made", made))
    told = [untrusted(f"{name:<8} {what}") for name, what in lines if what]
    return [
        heading("SETTINGS", "e change", width),
        *[line.truncate(width, ellipsis=True) for line in told],
    ]


def _form(webhook: WebhookRow) -> str:
    chosen = webhook.choices
    if chosen.format is Format.CHAT:
        return f"chat message in {chosen.language.name.capitalize()}"
    return "JSON, with Standard Webhooks headers" if chosen.standard_webhooks else ""


def _sent(events: Sequence[EventType]) -> str:
    """The events it gets, as a person lists them: `tickets: new, cancelled`."""
    return "all seven events" if len(events) == len(SELECTABLE) else " · ".join(_grouped(events))


_GROUPS = (
    ("tickets", {EventType.TICKET_CREATED: "new", EventType.TICKET_CANCELLED: "cancelled"}),
    ("clients", {EventType.CLIENT_CREATED: "new", EventType.CLIENT_UPDATED: "changed"}),
    ("products", {EventType.PRODUIT_UPDATED: "changed"}),
    ("promotions", {EventType.PROMOTION_CREATED: "new", EventType.PROMOTION_UPDATED: "changed"}),
)


def _grouped(events: Sequence[EventType]) -> Iterable[str]:
    for things, changes in _GROUPS:
        chosen = [word for event, word in changes.items() if event in events]
        if chosen:
            yield f"{things}: {', '.join(chosen)}"
