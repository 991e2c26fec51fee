"""A delivery as a person reads it: what it is, how it went, why, what to do, and what was sent."""

from textual.content import Content

from core.domain.delivery import BESIDE, Recovery
from core.domain.own_headers import variable_of
from core.domain.signing import (
    STANDARD_ID_HEADER,
    STANDARD_SIGNATURE_HEADER,
    STANDARD_TIME_HEADER,
    build_headers,
)
from core.use_cases.deliveries import DeliveryRow
from core.use_cases.queries import DeliveryDetail, WebhookRow
from tui.card import spread
from tui.desk import Desk, short_duration
from tui.failures import explain
from tui.reading import readable_json, visible_text
from tui.states import of_delivery
from tui.timeline import timeline
from tui.untrusted import untrusted

_STANDARD_HEADERS = [
    (STANDARD_ID_HEADER, "the delivery's"),
    (STANDARD_TIME_HEADER, "… (of each attempt)"),
    (STANDARD_SIGNATURE_HEADER, "v1,…"),
]
_NOTHING = Content("")


def title(row: DeliveryRow, desk: Desk, width: int) -> Content:
    """What it is at the left, what became of it at the right."""
    told = of_delivery(row, desk.max_attempts)
    became = Content.styled(told.glyph, told.style) + f" {told.words}"
    return spread(untrusted(row.headline, "bold"), became, width)


def when(row: DeliveryRow, desk: Desk) -> str:
    """When it happened, and when something happens next; this alone goes on with the clock."""
    parts = [row.what, desk.moment(row.created_at), _next(row, desk), _recovery(row, desk)]
    return " · ".join(filter(None, parts))


def _next(row: DeliveryRow, desk: Desk) -> str:
    if row.is_parked:
        return "parked until the webhook is resumed"
    if row.next_attempt_at is None:
        return ""
    if row.resume_at is not None:
        return f"once more now; its schedule goes on at {desk.time(row.resume_at)}"
    left = row.next_attempt_at - desk.clock()
    soon = f"in {short_duration(left)}" if left.total_seconds() > 0 else "now"
    attempt = f"attempt {row.attempts + 1} of {desk.max_attempts}"
    return f"{attempt} at {desk.time(row.next_attempt_at)}, {soon}"


def _recovery(row: DeliveryRow, desk: Desk) -> str:
    """What an outage of the address has to do with it."""
    if row.recovery is Recovery.MADE:
        return "again after an outage"
    if row.recovery is None or row.settled_at is None:
        return ""
    until = row.settled_at + desk.recovery_window
    if until < desk.clock():
        return ""
    return f"goes out again if the server is back by {desk.moment(until)}"


def attempts(detail: DeliveryDetail, desk: Desk, width: int) -> list[Content]:
    """Drawn as a line of time, and below it whose the last one was, if not the schedule's."""
    lines = timeline(detail.attempts, detail.delivery.next_attempt_at, desk, width)
    for last in detail.attempts[-1:]:
        if last.number == BESIDE:
            lines.append(Content("the last one by hand"))
        elif last.recovery:
            lines.append(Content("the last one by itself, after an outage"))
    return lines


def why(row: DeliveryRow, webhook: WebhookRow, desk: Desk) -> Content:
    """What it means and what to do about it; empty where there is nothing to explain."""
    told = explain(row, webhook, desk.timeout.total_seconds())
    return untrusted(told, "bold" if row.error is not None else "")


def contents(detail: DeliveryDetail, webhook: WebhookRow, width: int) -> list[Content]:
    """What it said and what it was told, to be read."""
    said = visible_text(detail.delivery.response)
    return [
        Content("── what it said ──"),
        *untrusted(said or "(nothing)").wrap(width),
        _NOTHING,
        Content("── payload ──"),
        *readable_json(detail.body, width),
        _NOTHING,
        Content("── request ──"),
        *_request(detail, webhook),
    ]


def exact(detail: DeliveryDetail, webhook: WebhookRow) -> list[Content]:
    """The same as it went over the wire, byte for byte."""
    return [
        Content("── request ──"),
        *_request(detail, webhook),
        _NOTHING,
        untrusted(detail.body.decode("utf-8", "replace")),
        _NOTHING,
        Content("── response, first 500 characters ──"),
        untrusted(detail.delivery.response or "(none)"),
    ]


def _request(detail: DeliveryDetail, webhook: WebhookRow) -> list[Content]:
    row = detail.delivery
    headers = build_headers(row.event, row.uuid, "sha256=… (made with the secret at that time)")
    if webhook.choices.standard_webhooks:
        headers += _STANDARD_HEADERS
    headers += [(name, variable_of(name)) for name in webhook.choices.headers]
    lines = [f"POST {webhook.url}", *(f"{name}: {value}" for name, value in headers)]
    return [untrusted(line) for line in lines]


def whole(
    detail: DeliveryDetail, webhook: WebhookRow, desk: Desk, width: int, height: int
) -> list[Content]:
    """All of it in so many lines, for beside a list: nothing in it goes on with the clock."""
    row = detail.delivery
    explained = why(row, webhook, desk)
    lines = [
        title(row, desk, width),
        untrusted(f"{row.what} · {desk.moment(row.created_at, seconds=True)}"),
        _NOTHING,
        *attempts(detail, desk, width),
        *([_NOTHING, *explained.wrap(width)] if explained else []),
        _NOTHING,
        *contents(detail, webhook, width),
    ]
    return lines[:height]
